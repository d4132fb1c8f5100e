"""All brokers together: the given endpoints, or private ones started at the same time."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from bridge.cli.demo import kafka, mosquitto, rabbitmq, redis
from bridge.cli.demo.debian import Say
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.install import Files, alone, provide
from bridge.cli.demo.kafka import Kafka, class_archive, make_class_archive
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.process import Process
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.redis import Redis

AMQP_VARIABLE = "FEDBRIDGE_TEST_AMQP_URL"
KAFKA_VARIABLE = "FEDBRIDGE_TEST_KAFKA_URL"
MQTT_VARIABLE = "FEDBRIDGE_TEST_MQTT_URL"
REDIS_VARIABLE = "FEDBRIDGE_TEST_REDIS_URL"
_PROBES = 3  # each waits a second for an answer


class Private(Protocol):
    """A broker that is ours: started by this program, with its data in a folder."""

    data: Path

    @property
    def url(self) -> str:
        """The URL as fedbridge takes it."""
        ...

    @property
    def processes(self) -> list[Process]:
        """What runs of it, in the order to end it."""
        ...

    def launch(self) -> None:
        """Start it without waiting for it."""
        ...

    def wait_ready(self) -> None:
        """Wait until it answers."""
        ...

    def close(self) -> None:
        """End it at once."""
        ...


class Kind(NamedTuple):
    """A kind of broker: its name for people, its port by default, and whether one answers at a host and port."""

    name: str
    port: int
    speaks: Callable[[str, int], bool]


KINDS = {
    AMQP_VARIABLE: Kind("RabbitMQ", 5672, rabbitmq.speaks),
    KAFKA_VARIABLE: Kind("Kafka", 9092, kafka.speaks),
    MQTT_VARIABLE: Kind("Mosquitto", 1883, mosquitto.speaks),
    REDIS_VARIABLE: Kind("Redis", 6379, redis.speaks),
}
"""By the environment variable that gives an endpoint."""


class Brokers:
    """Where all brokers are, and the private ones among them (None: that endpoint was given by the environment)."""

    def __init__(
        self,
        folder: Path,
        *,
        rabbitmq: RabbitMQ | None = None,
        kafka: Kafka | None = None,
        mosquitto: Mosquitto | None = None,
        redis: Redis | None = None,
    ) -> None:
        self.folder = folder
        self.rabbitmq = rabbitmq
        self.kafka = kafka
        self.mosquitto = mosquitto
        self.redis = redis
        self.amqp_url = rabbitmq.url if rabbitmq else os.environ[AMQP_VARIABLE]
        self.kafka_url = kafka.url if kafka else os.environ[KAFKA_VARIABLE]
        self.mqtt_url = mosquitto.url if mosquitto else os.environ[MQTT_VARIABLE]
        self.redis_url = redis.url if redis else os.environ[REDIS_VARIABLE]

    @property
    def kafka_bootstrap(self) -> str:
        """HOST:PORT[,HOST:PORT], as Kafka's clients take it."""
        return self.kafka_url.removeprefix("kafka://").rstrip("/")

    @property
    def endpoints(self) -> dict[str, str]:
        """The environment variables that lead to them."""
        urls = (self.amqp_url, self.kafka_url, self.mqtt_url, self.redis_url)
        return dict(zip(KINDS, urls, strict=True))

    @property
    def private(self) -> list[Private]:
        """The private ones, in the order to end them."""
        every: tuple[Private | None, ...] = (self.rabbitmq, self.kafka, self.mosquitto, self.redis)
        return [broker for broker in every if broker is not None]

    @property
    def processes(self) -> list[Process]:
        """What runs of the private ones, in the order to end it."""
        return [process for broker in self.private for process in broker.processes]

    def release(self) -> None:
        """Leave the private ones running after this program; they were started with `outlives`."""
        for process in self.processes:
            process.release()

    def close(self, *, keep_logs: bool = False) -> None:
        """End the private ones at once and remove their data, with `keep_logs` all but the logs and settings."""
        for broker in self.private:
            broker.close()
            shutil.rmtree(broker.data, ignore_errors=True)
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)


def files(say: Say) -> Files:
    """Everything that private brokers need, made available; raises Unavailable with what to install."""
    found = provide(say)
    with alone(found.kafka.cache / "archive.lock"):
        if not class_archive(found.kafka).exists():
            say("making Kafka start faster: archiving its classes (once)")
            make_class_archive(found.kafka)
    return found


def start(say: Say, *, outlives: bool = False) -> Brokers:
    """Start a private broker for every endpoint that is not given, and wait until all answer.

    Raises Unavailable, after ending what it had started, when something is missing or a given endpoint does not answer.
    """
    wanted = {variable for variable in KINDS if not os.environ.get(variable)}
    for variable in KINDS.keys() - wanted:
        _probe(variable, os.environ[variable])
    folder = Path(tempfile.mkdtemp(prefix="fedbridge-"))
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        made = _made(files(say), wanted, folder, outlives=outlives) if wanted else Brokers(folder)
        undo.callback(made.close)
        for broker in made.private:
            broker.launch()
        for broker in made.private:
            broker.wait_ready()
        undo.pop_all()
    return made


@contextlib.contextmanager
def running(say: Say) -> Iterator[Brokers]:
    """All brokers for the length of a `with` block."""
    brokers = start(say)
    try:
        yield brokers
    finally:
        brokers.close()


def _made(found: Files, wanted: set[str], folder: Path, *, outlives: bool) -> Brokers:
    """The private brokers that are wanted, each in a folder of its own; none is started."""

    def home(name: str) -> Path:
        made = folder / name
        made.mkdir()
        return made

    return Brokers(
        folder,
        rabbitmq=RabbitMQ(found.rabbit, home("rabbitmq"), outlives=outlives) if AMQP_VARIABLE in wanted else None,
        kafka=Kafka(found.kafka, home("kafka"), outlives=outlives) if KAFKA_VARIABLE in wanted else None,
        mosquitto=Mosquitto(found.mosquitto, home("mosquitto"), outlives=outlives) if MQTT_VARIABLE in wanted else None,
        redis=Redis(found.redis, home("redis"), outlives=outlives) if REDIS_VARIABLE in wanted else None,
    )


def _probe(variable: str, url: str) -> None:
    """Raise Unavailable when no broker of its kind answers at the first address of a given endpoint."""
    kind = KINDS[variable]
    first = urlsplit(url.partition(",")[0])
    try:
        host, port = first.hostname or "127.0.0.1", first.port or kind.port
    except ValueError as error:
        raise Unavailable(f"${variable} is not a URL: {error}") from None
    if not any(kind.speaks(host, port) for _ in range(_PROBES)):
        raise Unavailable(
            f"${variable} is set, but no {kind.name} answers at {host}:{port}: start it, correct the URL, or unset it"
        )
