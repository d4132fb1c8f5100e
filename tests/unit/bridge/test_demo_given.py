"""`fedbridge demo --brokers-only` with brokers that are given by the environment."""

import os
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

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


def test_brokers_that_are_given_are_not_taken_for_brokers_that_were_left_up(tmp_path: Path) -> None:
    for package in ("bridge", "config"):
        shutil.copytree(ROOT / package, tmp_path / package)
    for _ in range(2):
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Greeting) as brokers:
            answering = threading.Thread(target=brokers.serve_forever)
            answering.start()
            try:
                port = brokers.server_address[1]
                given = {name: url.format(port) for name, url in URLS.items()}
                code, out, err = _told(tmp_path, given)
            finally:
                brokers.shutdown()
                answering.join()
        assert (code, out.splitlines()) == (0, [f"export {name}={url}" for name, url in given.items()]), err
        assert f"{', '.join(URLS)} are set: nothing was started" in err
    assert not (tmp_path / ".cache" / "fedbridge" / "running.json").exists()
