"""One process that the demo or the tests started: its log, its end, and that it does not outlive its parent."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bridge.cli.demo.errors import Unavailable

_PORTS = range(10_240, 32_000)
_POLL = 0.02
_TAIL_LINES = 20


class Process:
    """A running process, in a session of its own (Ctrl-C reaches only its parent), that writes to a log file.

    It is killed by the kernel when the thread that started it ends, unless `outlives` is set: start it from the main
    thread or from one that lives as long as the process shall. Raises Unavailable when the program is not there.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        outlives: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        # setpriv executes the command in its own place, so the pid is the command's. A preexec_fn would do the same,
        # but is unsafe once there are threads. (A parent that is killed within the first milliseconds is not noticed.)
        guard = () if outlives else ("setpriv", "--pdeathsig", "KILL", "--")
        with log.open("ab") as output:
            try:
                self._popen = subprocess.Popen(  # noqa: S603 - the commands are this package's own
                    [*guard, *command],
                    env=env,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"{name} does not start: {error}") from None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    def wait(self, seconds: float) -> int:
        """Wait for the end and return the exit code (negative: the signal); raises Unavailable after `seconds`."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{self.name} did not end within {seconds:g} s{self.tail()}") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._popen.send_signal(number)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to end (SIGTERM), kill it after `seconds`; returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill it and what it started in its session's process group, and reap it; returns the exit code."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def release(self) -> None:
        """Let it run on after this program, which must have started it with `outlives`."""
        self._popen.returncode = 0  # else Popen warns that the process still runs when it is collected

    def tail(self) -> str:
        """The last lines of its log, for the end of an error message."""
        lines = self.log.read_text("utf-8", "replace").splitlines()[-_TAIL_LINES:]
        return f"; the end of {self.log}:\n" + "\n".join(f"    {line}" for line in lines)


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None, seconds: float = 60) -> str:
    """Run a command to its end and return its stdout; raises Unavailable with what it wrote when it fails."""
    shown = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603 - the commands are this package's own
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except OSError as error:
        raise Unavailable(f"{shown}: {error}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{shown}: no end within {seconds:g} s") from None
    if done.returncode:
        raise Unavailable(f"{shown}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def wait_until(probe: Callable[[], object], what: str, process: Process, seconds: float = 60) -> None:
    """Poll until `probe` is true; raises Unavailable when the process ends before that, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not probe():
        if not process.running():
            raise Unavailable(f"{process.name} ended while {what} was waited for{process.tail()}")
        if time.monotonic() > deadline:
            raise Unavailable(f"waited {seconds:g} s for {what}{process.tail()}")
        time.sleep(_POLL)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, below the range the kernel gives to outgoing connections.

    Within that range a client that keeps connecting to a broker that is down can be given the very port it connects to:
    it then talks to itself, and the broker cannot come back.
    """
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unavailable(f"no free TCP port between {_PORTS[0]} and {_PORTS[-1]} on 127.0.0.1")


def answers(host: str, port: int, request: bytes, right: Callable[[bytes], bool]) -> bool:
    """Whether what listens there answers the request, within a second, with the right bytes."""
    try:
        with socket.create_connection((host, port), 1) as connection:
            connection.sendall(request)
            return right(connection.recv(4096))
    except OSError:
        return False
