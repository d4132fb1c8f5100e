"""One `fedbridge run` process, as the demo sees it: its probes and its metrics."""

import http.client
import os
import sys
from pathlib import Path

from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, wait_until
from bridge.cli.demo.report import counters

_OK = 200
_READY_SECONDS = 60.0
_DRAIN_SECONDS = 40.0  # above the default of drain_timeout (30 s)


class Daemon:
    """A bridge that runs with a configuration file whose `[admin] listen` is that port of 127.0.0.1."""

    def __init__(self, config: Path, port: int, log: Path, *, outlives: bool) -> None:
        self.port = port
        command = [sys.executable, "-m", "bridge", "run", "-c", str(config)]
        # Only the file counts: the caller's own settings are not the demo's.
        env = {name: value for name, value in os.environ.items() if not name.startswith("FEDBRIDGE_")}
        self.process = Process("fedbridge run", command, log, env=env, outlives=outlives)

    def wait_alive(self) -> None:
        """Wait until its loop turns (GET /livez)."""
        self._wait("/livez", "the bridge to be alive")

    def wait_ready(self) -> None:
        """Wait until every route is running (GET /readyz)."""
        self._wait("/readyz", "every route to run")

    def counters(self) -> dict[str, int]:
        """The counts of messages (GET /metrics); raises Unavailable when it does not answer."""
        status, text = self._get("/metrics")
        if status != _OK:
            raise Unavailable(f"GET http://127.0.0.1:{self.port}/metrics: {status or 'no answer'}{self.process.tail()}")
        return counters(text)

    def stop(self) -> None:
        """Drain and end it (SIGTERM); raises Unavailable when its exit code is not 0."""
        if code := self.process.stop(_DRAIN_SECONDS):
            raise Unavailable(f"fedbridge run ended with exit code {code} instead of 0{self.process.tail()}")

    def _wait(self, path: str, what: str) -> None:
        url = f"http://127.0.0.1:{self.port}{path}"
        wait_until(lambda: self._get(path)[0] == _OK, f"{what} ({url})", self.process, _READY_SECONDS)

    def _get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0: no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()
