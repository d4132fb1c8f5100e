"""One private Kafka broker in KRaft mode: a Java process of its own, with its own ports and data."""

import hashlib
import struct
import tempfile
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from bridge.cli.demo.install import KafkaFiles
from bridge.cli.demo.process import Process, answers, free_port, wait_until

_METADATA, _METADATA_VERSION, _CORRELATION = 3, 1, 7
_LOG4J = """\
log4j.rootLogger=WARN, out
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
"""


class Kafka:
    """A broker on 127.0.0.1 that keeps its port and its data while it is stopped, killed and started again.

    `folder` must exist and be empty; it belongs to the broker until `close`. Methods that wait are bounded (60 s) and
    raise Unavailable with the end of the log.
    """

    def __init__(self, files: KafkaFiles, folder: Path, *, outlives: bool = False) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.data = folder / "data"
        self.port = free_port()
        self._files = files
        self._outlives = outlives
        self._broker: Process | None = None
        (folder / "log4j.properties").write_text(_LOG4J, "utf-8")
        (folder / "server.properties").write_text(self._properties(free_port()), "utf-8")
        # What `kafka-storage format` writes, without the second that its Java takes.
        self.data.mkdir()
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        (self.data / "meta.properties").write_text(f"version=1\ncluster.id={cluster_id}\nnode.id=1\n", "utf-8")

    @property
    def bootstrap(self) -> str:
        """HOST:PORT, as Kafka's clients take it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The URL as fedbridge takes it."""
        return f"kafka://{self.bootstrap}"

    @property
    def processes(self) -> list[Process]:
        """What runs of it: the broker."""
        return [self._broker] if self._broker is not None and self._broker.running() else []

    def launch(self) -> None:
        """Start the process without waiting for it."""
        archive = class_archive(self._files)
        self._launch(f"-XX:SharedArchiveFile={archive}" if archive.exists() else "-Xshare:auto")

    def wait_ready(self) -> None:
        """Wait until the broker answers and is part of its cluster: topics can be made."""
        assert self._broker is not None, "launch comes first"  # noqa: S101
        wait_until(lambda: speaks("127.0.0.1", self.port), f"Kafka to answer on {self.bootstrap}", self._broker)

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """End the broker as an operator would: clients are told, data is kept, the port refuses."""
        if self._broker is not None:
            self._broker.stop()

    def kill(self) -> None:
        """End the broker at once (SIGKILL); data is kept as far as it was written."""
        if self._broker is not None:
            self._broker.kill()

    def restart(self) -> None:
        """Stop and start the broker."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once; the data is not needed any more."""
        self.kill()

    def dump_classes(self, archive: Path) -> None:
        """Start, stop and write what was loaded to a class archive."""
        self._launch(f"-XX:ArchiveClassesAtExit={archive}")
        self.wait_ready()
        self.stop()

    def _launch(self, sharing: str) -> None:
        jars = ":".join(str(jar) for jar in sorted(self._files.jars.glob("*.jar")))
        options = ["-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=error:stderr", sharing]
        settings = [f"-Dlog4j.configuration=file:{self.folder}/log4j.properties", "-Djava.net.preferIPv4Stack=true"]
        command = [self._files.java, *options, *settings, "-cp", jars, "kafka.Kafka", "server.properties"]
        self._broker = Process("Kafka", command, self.log, cwd=self.folder, outlives=self._outlives)

    def _properties(self, controller_port: int) -> str:
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            # After a kill the next start waits for the old session's end: 9 s by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def class_archive(files: KafkaFiles) -> Path:
    """Where the archive of Kafka's loaded classes is for this Java: it halves the CPU time of a start (4 s to 2 s)."""
    return files.cache / f"kafka-{hashlib.sha256(files.java_version.encode()).hexdigest()[:12]}.jsa"


def make_class_archive(files: KafkaFiles) -> None:
    """Make the class archive by running a broker once (about 10 s)."""
    archive = class_archive(files)
    part = archive.with_suffix(".part")
    part.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="fedbridge-kafka-") as folder:
        broker = Kafka(files, Path(folder))
        try:
            broker.dump_classes(part)
        finally:
            broker.close()
    if part.exists():
        part.rename(archive)


def speaks(host: str, port: int) -> bool:
    """Whether a Kafka broker that is part of its cluster answers there within a second."""
    return answers(host, port, _metadata_request(), _has_brokers)


def _metadata_request() -> bytes:
    """Metadata v1 for no topic (https://kafka.apache.org/protocol#The_Messages_Metadata)."""
    body = struct.pack(">hhihi", _METADATA, _METADATA_VERSION, _CORRELATION, -1, 0)
    return struct.pack(">i", len(body)) + body


def _has_brokers(reply: bytes) -> bool:
    """Whether a Metadata v1 reply names a broker: one that is still fenced off is not in it."""
    head = struct.Struct(">iii")
    if len(reply) < head.size:
        return False
    _, correlation, brokers = head.unpack_from(reply)
    return bool(correlation == _CORRELATION and brokers > 0)
