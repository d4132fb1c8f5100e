"""One private Redis, or one of its kin, such as Valkey: a process of its own, with its own port and data."""

from collections.abc import Sequence
from pathlib import Path

from bridge.cli.demo.install import Program
from bridge.cli.demo.process import Process, answers, free_port, wait_until


class Redis:
    """A server on 127.0.0.1 that keeps its port and its data while it is stopped, killed and started again.

    `folder` must exist and be empty; it belongs to the server until `close`. `settings` are further lines of
    redis.conf, of which the last about the same counts; the file is `conf`, for tests that change it before a restart.
    With `fsync` "always" a killed server has lost nothing that it answered, with "everysec" at most what it answered
    while the disk was busy. Methods that wait are bounded (60 s) and raise Unavailable with the end of the log.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        *,
        outlives: bool = False,
        fsync: str = "everysec",
        settings: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.data = folder / "data"
        self.conf = folder / "redis.conf"
        self.port = free_port()
        self._program = program
        self._outlives = outlives
        self._server: Process | None = None
        self.data.mkdir()
        self.conf.write_text(self._configuration(fsync, settings), "utf-8")

    @property
    def url(self) -> str:
        """The URL of database 0, as fedbridge and redis-py take it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def processes(self) -> list[Process]:
        """What runs of it: the server."""
        return [self._server] if self._server is not None and self._server.running() else []

    def launch(self) -> None:
        """Start the process without waiting for it."""
        command = [self._program.path, str(self.conf)]
        self._server = Process(
            "Redis", command, self.log, env=self._program.environment(), cwd=self.folder, outlives=self._outlives
        )

    def wait_ready(self) -> None:
        """Wait until the server answers and has read its data."""
        assert self._server is not None, "launch comes first"  # noqa: S101
        wait_until(lambda: speaks("127.0.0.1", self.port), f"Redis to answer at {self.url}", self._server)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.launch()
        self.wait_ready()

    def stop(self) -> None:
        """End the server as an operator would: data is kept, the port refuses."""
        if self._server is not None:
            self._server.stop()

    def kill(self) -> None:
        """End the server at once (SIGKILL); data is kept as far as it was written."""
        if self._server is not None:
            self._server.kill()

    def restart(self) -> None:
        """Stop and start the server."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it at once; the data is not needed any more."""
        self.kill()

    def _configuration(self, fsync: str, settings: Sequence[str]) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.data}",
            "appendonly yes",
            f"appendfsync {fsync}",
            'save ""',
            *settings,
        ]
        return "".join(f"{line}\n" for line in lines)


def speaks(host: str, port: int) -> bool:
    """Whether a Redis answers there within a second, if only to ask for a password; one that still loads does not."""
    return answers(host, port, b"PING\r\n", lambda reply: reply[:1] in (b"+", b"-") and reply[:8] != b"-LOADING")
