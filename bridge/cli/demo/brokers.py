"""Both brokers together: the given endpoints, or private ones started at the same time."""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.install import Files, Say, alone, provide
from bridge.cli.demo.kafka import Kafka, class_archive, make_class_archive
from bridge.cli.demo.process import Process
from bridge.cli.demo.rabbitmq import RabbitMQ

AMQP_VARIABLE = "FEDBRIDGE_TEST_AMQP_URL"
KAFKA_VARIABLE = "FEDBRIDGE_TEST_KAFKA_URL"
_PROBE_SECONDS = 3.0


class Brokers:
    """Where both brokers are, and the private ones among them (None: that endpoint was given by the environment)."""

    def __init__(self, rabbitmq: RabbitMQ | None, kafka: Kafka | None, folder: Path) -> None:
        self.rabbitmq = rabbitmq
        self.kafka = kafka
        self.folder = folder
        self.amqp_url = rabbitmq.url if rabbitmq else os.environ[AMQP_VARIABLE]
        self.kafka_url = kafka.url if kafka else os.environ[KAFKA_VARIABLE]

    @property
    def kafka_bootstrap(self) -> str:
        """HOST:PORT[,HOST:PORT], as Kafka's clients take it."""
        return self.kafka_url.removeprefix("kafka://").rstrip("/")

    @property
    def endpoints(self) -> dict[str, str]:
        """The environment variables that lead to them."""
        return {AMQP_VARIABLE: self.amqp_url, KAFKA_VARIABLE: self.kafka_url}

    @property
    def processes(self) -> list[Process]:
        """What runs of the private ones, in the order to end it."""
        return [process for broker in (self.rabbitmq, self.kafka) if broker for process in broker.processes]

    def release(self) -> None:
        """Leave the private ones running after this program; they were started with `outlives`."""
        for process in self.processes:
            process.release()

    def close(self, *, keep_logs: bool = False) -> None:
        """End the private ones at once and remove their data, with `keep_logs` all but the logs and settings."""
        for broker in (self.rabbitmq, self.kafka):
            if broker is not None:
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

    Raises Unavailable after ending what it had started.
    """
    folder = Path(tempfile.mkdtemp(prefix="fedbridge-"))
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        rabbitmq = kafka = None
        wanted = [variable for variable in (AMQP_VARIABLE, KAFKA_VARIABLE) if not os.environ.get(variable)]
        for variable in {AMQP_VARIABLE, KAFKA_VARIABLE}.difference(wanted):
            _probe(variable, os.environ[variable])
        found = files(say) if wanted else None
        if found and AMQP_VARIABLE in wanted:
            rabbitmq = RabbitMQ(found.rabbit, _made(folder / "rabbitmq"), outlives=outlives)
            undo.callback(rabbitmq.close)
            rabbitmq.launch()
        if found and KAFKA_VARIABLE in wanted:
            kafka = Kafka(found.kafka, _made(folder / "kafka"), outlives=outlives)
            undo.callback(kafka.close)
            kafka.launch()
        for broker in (rabbitmq, kafka):
            if broker is not None:
                broker.wait_ready()
        undo.pop_all()
    return Brokers(rabbitmq, kafka, folder)


@contextlib.contextmanager
def running(say: Say) -> Iterator[Brokers]:
    """Both brokers for the length of a `with` block."""
    brokers = start(say)
    try:
        yield brokers
    finally:
        brokers.close()


def _probe(variable: str, url: str) -> None:
    """Raise Unavailable when nobody listens at the first address of a given endpoint."""
    first = urlsplit(url.partition(",")[0])
    try:
        socket.create_connection((first.hostname or "127.0.0.1", first.port or 0), _PROBE_SECONDS).close()
    except OSError as error:
        raise Unavailable(f"${variable} is set, but {url} does not answer ({error}): start it, or unset it") from None


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
