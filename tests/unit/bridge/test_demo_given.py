"""`fedbridge demo --brokers-only` with brokers that are given by the environment."""

import os
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.cli.demo import kept
from bridge.cli.demo.process import Process

ROOT = Path(__file__).parents[3]
URLS = {
    "FEDBRIDGE_TEST_AMQP_URL": "amqp://127.0.0.1:{}/",
    "FEDBRIDGE_TEST_KAFKA_URL": "kafka://127.0.0.1:{}",
    "FEDBRIDGE_TEST_MQTT_URL": "mqtt://127.0.0.1:{}",
    "FEDBRIDGE_TEST_REDIS_URL": "redis://127.0.0.1:{}",
}


class _Greeting(socketserver.BaseRequestHandler):
    """Answers what every kind of broker is asked first, as that broker would."""

    def handle(self) -> None:
        request = self.request.recv(4096)
        if request.startswith(b"AMQP"):
            reply = b"\x01"  # a method frame
        elif request.startswith(b"\x10"):
            reply = b"\x20\x02\x00\x00"  # CONNACK
        elif request.startswith(b"PING"):
            reply = b"+PONG\r\n"
        else:
            reply = bytes(4) + request[8:12] + b"\x00\x00\x00\x01"  # Metadata: its correlation, and one broker
        self.request.sendall(reply)


def _told(home: Path, given: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "--brokers-only"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **given},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _told_with_brokers(home: Path) -> tuple[dict[str, str], int, str, str]:
    """What it says with all brokers given: their addresses, its exit code, stdout and stderr."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Greeting) as brokers:
        answering = threading.Thread(target=brokers.serve_forever)
        answering.start()
        try:
            port = brokers.server_address[1]
            given = {name: url.format(port) for name, url in URLS.items()}
            return given, *_told(home, given)
        finally:
            brokers.shutdown()
            answering.join()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the bridge, and nothing left up."""
    for package in ("bridge", "config"):
        shutil.copytree(ROOT / package, tmp_path / package)
    return tmp_path


def test_what_is_left_of_brokers_of_which_one_has_ended_is_ended_and_named(home: Path, tmp_path: Path) -> None:
    live, dead = (Process(name, ["sleep", "600"], tmp_path / "log") for name in ("rabbitmq", "kafka"))
    try:
        (home / ".cache" / "fedbridge").mkdir(parents=True)
        kept.write(home / ".cache" / "fedbridge" / "running.json", kept.note([live, dead], tmp_path / "data", {}))
        dead.kill()
        *_, err = _told_with_brokers(home)
        assert "no longer running: kafka\n" in err
        assert "ended too, with what was in them: rabbitmq\n" in err
        assert not live.running()
    finally:
        live.kill()


def test_brokers_that_are_given_are_not_taken_for_brokers_that_were_left_up(home: Path) -> None:
    for _ in range(2):
        given, code, out, err = _told_with_brokers(home)
        assert (code, out.splitlines()) == (0, [f"export {name}={url}" for name, url in given.items()]), err
        assert f"{', '.join(URLS)} are set: nothing was started" in err
    assert not (home / ".cache" / "fedbridge" / "running.json").exists()
