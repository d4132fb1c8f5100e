"""A TCP proxy that delays what passes: for a broker that is slow and not gone."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit


@contextlib.contextmanager
def slowed(url: str, seconds: float) -> Iterator[str]:
    """Give the URL of a proxy to the broker at `url` that holds each chunk of either direction back for `seconds`."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        accepting = threading.Thread(
            target=_accept, args=(listener, (parts.hostname, parts.port), seconds), daemon=True
        )
        accepting.start()
        yield url.replace(f":{parts.port}", f":{port}")
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(listener: socket.socket, broker: tuple[str, int], seconds: float) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, broker, seconds), daemon=True).start()


def _serve(client: socket.socket, broker: tuple[str, int], seconds: float) -> None:
    with client, socket.create_connection(broker) as server:
        back = threading.Thread(target=_pass, args=(server, client, seconds), daemon=True)
        back.start()
        _pass(client, server, seconds)
        back.join()


def _pass(one: socket.socket, other: socket.socket, seconds: float) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            time.sleep(seconds)
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
