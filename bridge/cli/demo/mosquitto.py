"""One private Mosquitto: a process of its own, with its own port and data."""

import getpass
import signal
from collections.abc import Sequence
from pathlib import Path

from bridge.cli.demo.install import Program
from bridge.cli.demo.process import Process, answers, free_port, wait_until

# MQTT 3.1.1, which every broker speaks: clean session, keep alive 60 s, no client id (its sections 3.1 and 3.2).
_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
_CONNACK = 0x20


class Mosquitto:
    """A broker on 127.0.0.1 that keeps its port and its data while it is stopped, killed and started again.

    `folder` must exist and be empty; it belongs to the broker until `close`. `settings` are further lines of
    mosquitto.conf(5), behind those of the listener; the file is `conf`, for tests that change it before a restart.

    A killed Mosquitto forgets what it has not saved, acknowledged or not: the last two seconds, or with `durable` only
    the last turn of its loop, about one message. Each save writes all that is queued. So `durable` is for tests with
    few messages: to publish 1,000 to a session that is away takes 0.8 s instead of 0.05 s, 5,000 take 13 s (measured).

    Methods that wait are bounded (60 s) and raise Unavailable with the end of the log.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        *,
        outlives: bool = False,
        durable: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.data = folder / "data"
        self.conf = folder / "mosquitto.conf"
        self.port = free_port()
        self._program = program
        self._outlives = outlives
        self._broker: Process | None = None
        self.data.mkdir()
        self.conf.write_text(self._configuration(durable, settings), "utf-8")

    @property
    def url(self) -> str:
        """The URL as fedbridge takes it."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[Process]:
        """What runs of it: the broker."""
        return [self._broker] if self._broker is not None and self._broker.running() else []

    def launch(self) -> None:
        """Start the process without waiting for it."""
        command = [self._program.path, "-c", str(self.conf)]
        self._broker = Process(
            "Mosquitto", command, self.log, env=self._program.environment(), cwd=self.folder, outlives=self._outlives
        )

    def wait_ready(self) -> None:
        """Wait until the broker answers MQTT."""
        assert self._broker is not None, "launch comes first"  # noqa: S101
        wait_until(lambda: speaks("127.0.0.1", self.port), f"Mosquitto to answer at {self.url}", self._broker)

    def start(self) -> None:
        """Start the broker and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """End the broker as an operator would: sessions and messages are saved, the port refuses."""
        if self._broker is not None:
            self._broker.stop()

    def kill(self) -> None:
        """End the broker at once (SIGKILL); what was saved is kept."""
        if self._broker is not None:
            self._broker.kill()

    def restart(self) -> None:
        """Stop and start the broker."""
        self.stop()
        self.start()

    def save(self) -> None:
        """Have it save everything now, and wait until it has: this much survives a kill."""
        assert self._broker is not None, "launch comes first"  # noqa: S101
        before = self._saved()
        self._broker.signal(signal.SIGUSR1)
        wait_until(lambda: self._saved() not in (before, None), "Mosquitto to save its data", self._broker)

    def close(self) -> None:
        """End it at once; the data is not needed any more."""
        self.kill()

    def _saved(self) -> tuple[int, int] | None:
        """Which save its file is of; None: there is none yet."""
        try:
            stat = (self.data / "mosquitto.db").stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def _configuration(self, durable: bool, settings: Sequence[str]) -> str:
        lines = [
            f"user {getpass.getuser()}",  # started by root it would become a user that may not write here
            "persistence true",
            f"persistence_location {self.data}/",
            f"autosave_on_changes {str(durable).lower()}",
            "autosave_interval 1",
            "max_inflight_messages 1000",
            # What is above it is dropped without a word. 0 is no limit, but before 2.0.22 each refusal then ends the
            # connection (docs/operating.md).
            "max_queued_messages 1000000",
            "allow_anonymous true",
            "log_dest stderr",
            f"listener {self.port} 127.0.0.1",
            *settings,
        ]
        return "".join(f"{line}\n" for line in lines)


def speaks(host: str, port: int) -> bool:
    """Whether an MQTT broker answers there within a second, if only to refuse a client without a name."""
    return answers(host, port, _CONNECT, lambda reply: reply[:1] == bytes([_CONNACK]))
