"""The two relays that are compared, each as a process that drains one queue into one topic."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bridge.cli.demo.process import Process, free_port

ROOT = Path(__file__).parents[2]
_FEDBRIDGE = """\
[bridge]
name = "{name}"

[log]
format = "logfmt"

[admin]
listen = "127.0.0.1:{port}"

[brokers.rabbit]
url = "{amqp_url}"

[brokers.kafka]
url = "kafka://{bootstrap}"

[routes.load]
from.amqp = {{ queue = "{name}" }}
to.kafka = {{ topic = "{name}", key = "{{message_id}}" }}
"""


class Endpoints(NamedTuple):
    """Where the brokers are: RabbitMQ's URL, and HOST:PORT[,HOST:PORT] of Kafka."""

    amqp_url: str
    bootstrap: str


class Tuning(NamedTuple):
    """What mq-bridge leaves to its user; the defaults are the fastest that were found (see `amqp_to_kafka`)."""

    batch: int = 256
    prefetch: int = 2_000
    concurrency: int = 1


class Relay(NamedTuple):
    """A relay; `start(endpoints, name, folder)` starts it on the queue and topic `name`, with its log in `folder`."""

    name: str
    start: Callable[[Endpoints, str, Path], Process]


def fedbridge() -> Relay:
    """Give fedbridge as it comes: no setting but the brokers, the route and the key."""

    def start(endpoints: Endpoints, name: str, folder: Path) -> Process:
        config = folder / f"{name}.toml"
        config.write_text(_FEDBRIDGE.format(name=name, port=free_port(), **endpoints._asdict()), "utf-8")
        command = [sys.executable, "-c", "from bridge.cli import main; main()", "run", "-c", str(config)]
        return Process("fedbridge", command, folder / f"{name}.log", cwd=ROOT)

    return Relay("fedbridge", start)


def mq_bridge(tuning: Tuning) -> Relay:
    """Give mq-bridge with its at-least-once guarantee, which it checks itself, and the same key as fedbridge."""

    def start(endpoints: Endpoints, name: str, folder: Path) -> Process:
        config = folder / f"{name}.json"
        config.write_text(json.dumps(_route(endpoints, name, tuning)), "utf-8")
        command = [sys.executable, "-m", "tests.bench.mq_bridge_relay", str(config)]
        return Process("mq-bridge", command, folder / f"{name}.log", cwd=ROOT)

    return Relay("mq-bridge", start)


def _route(endpoints: Endpoints, name: str, tuning: Tuning) -> dict[str, object]:
    url = endpoints.amqp_url
    if urlsplit(url).path in ("", "/"):
        url = url.rstrip("/") + "/%2f"  # it would take the empty path for a vhost of that name
    source = {"url": url, "queue": name, "prefetch_count": tuning.prefetch}
    sink = {"url": endpoints.bootstrap, "topic": name, "create_topic": False, "partition_key": "amqp_message_id"}
    return {
        "input": {"amqp": source},
        "output": {"kafka": sink},
        "batch_size": tuning.batch,
        "concurrency": tuning.concurrency,
        "required_delivery": "at_least_once",
    }
