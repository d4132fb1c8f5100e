"""The relays that are compared: each takes what is in `Names.source` to `Names.target`, at least once."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from bridge.cli.demo.process import Process, free_port
from tests.bench.ends import Names, Place

ROOT = Path(__file__).parents[2]
_FEDBRIDGE = """\
[bridge]
name = "{name}"

[log]
format = "logfmt"

[admin]
listen = "127.0.0.1:{port}"

{brokers}
[routes.load]
{route}
"""


class Tuning(NamedTuple):
    """What a peer leaves to its user; the legs hold the fastest that were found. A shovel has a prefetch only.

    `prefetch` is how many messages mq-bridge's reader may be ahead, and how many may be unconfirmed at an MQTT target.
    """

    batch: int
    prefetch: int
    concurrency: int = 1


class Running(Protocol):
    """A relay that was started."""

    name: str

    @property
    def pid(self) -> int | None:
        """Its process; None: it runs in the broker."""
        ...

    def running(self) -> bool:
        """Whether it has not ended."""
        ...

    def tail(self) -> str:
        """The last lines of its log, for the end of an error message."""
        ...

    def stop(self) -> object:
        """Have it end in order."""
        ...

    def kill(self) -> object:
        """End it at once; harmless after the end."""
        ...


class Relay(NamedTuple):
    """A relay; `start(place, names, folder)` starts it, with its settings and its log in `folder`."""

    name: str
    start: Callable[[Place, Names, Path], Running]


def fedbridge(route: str) -> Relay:
    """Give fedbridge as it comes: no setting but the brokers and the route, TOML in which $source and $target stand."""

    def start(place: Place, names: Names, folder: Path) -> Process:
        config = folder / f"{names.source}.toml"
        kafka = f"kafka://{place.bootstrap}" if place.bootstrap else ""
        urls = {"rabbit": place.amqp_url, "kafka": kafka, "mosquitto": place.mqtt_url, "redis": place.redis_url}
        brokers = "".join(f'[brokers.{name}]\nurl = "{url}"\n' for name, url in urls.items() if url)
        written = Template(route).substitute(names._asdict())
        config.write_text(
            _FEDBRIDGE.format(name=names.source, port=free_port(), brokers=brokers, route=written), "utf-8"
        )
        command = [sys.executable, "-c", "from bridge.cli import main; main()", "run", "-c", str(config)]
        return Process("fedbridge", command, folder / f"{names.source}.log", cwd=ROOT)

    return Relay("fedbridge", start)


def mq_bridge(source: str, target: str, tuning: Tuning, key: str = "") -> Relay:
    """Give mq-bridge between these kinds, with its at-least-once guarantee, which it checks itself.

    `key` is what it calls the field that becomes a Kafka record's key.
    """

    def start(place: Place, names: Names, folder: Path) -> Process:
        route = {
            "input": {source: _input(source, place, names, tuning)},
            "output": {target: _output(target, place, names, tuning, key)},
            "batch_size": tuning.batch,
            "concurrency": tuning.concurrency,
            "required_delivery": "at_least_once",
        }
        config = folder / f"{names.source}.json"
        config.write_text(json.dumps(route), "utf-8")
        command = [sys.executable, "-m", "tests.bench.mq_bridge_relay", str(config)]
        return Process("mq-bridge", command, folder / f"{names.source}.log", cwd=ROOT)

    return Relay("mq-bridge", start)


def _input(kind: str, place: Place, names: Names, tuning: Tuning) -> dict[str, object]:
    match kind:
        case "amqp":
            return {"url": _with_vhost(place.amqp_url), "queue": names.source, "prefetch_count": tuning.prefetch}
        case "mqtt":
            return {
                "url": _tcp(place.mqtt_url),
                "topic": names.source,
                "client_id": names.source,
                "qos": 1,
                "queue_capacity": tuning.prefetch,
            }
        case "redis_streams":
            return {
                "url": place.redis_url,
                "stream": names.source,
                "group": names.source,
                "read_from_start": True,
                "internal_buffer_size": tuning.prefetch,
            }
        case _:
            return {"url": place.bootstrap, "topic": names.source, "group_id": names.source}


def _output(kind: str, place: Place, names: Names, tuning: Tuning, key: str) -> dict[str, object]:
    match kind:
        case "amqp":  # its routing key is the queue's name
            url = _with_vhost(place.amqp_url)
            return {"url": url, "exchange": names.target, "queue": names.target, "no_declare_queue": True}
        case "mqtt":
            return {
                "url": _tcp(place.mqtt_url),
                "topic": names.target,
                "client_id": names.target,
                "qos": 1,
                "queue_capacity": tuning.prefetch,
                "max_inflight": tuning.prefetch,
            }
        case "redis_streams":
            return {"url": place.redis_url, "stream": names.target}
        case _:
            keyed = {"partition_key": key} if key else {}
            return {"url": place.bootstrap, "topic": names.target, "create_topic": False, **keyed}


def _tcp(url: str) -> str:
    return url.replace("mqtt://", "tcp://", 1)


def _with_vhost(url: str) -> str:
    """Name the virtual host `/`: mq-bridge would take the empty path for one of that name."""
    return url if urlsplit(url).path not in ("", "/") else url.rstrip("/") + "/%2f"
