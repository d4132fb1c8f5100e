"""TCP proxies: one that delays what passes, for a broker that is slow and not gone; one that swallows what it says."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = tuple[str | None, int | None]


class Swallower:
    """A proxy that passes everything on, until it is told to swallow what the broker says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.said = 0
        """Bytes of the broker's that were swallowed."""
        self._swallows = threading.Event()

    def swallow(self) -> None:
        """Pass on nothing more that the broker says, on any connection."""
        self._swallows.set()

    def stop(self) -> None:
        """Pass on again what the broker says; what was swallowed is lost."""
        self._swallows.clear()

    def passes(self, data: bytes) -> bytes:
        """What is passed on of what the broker says."""
        if not self._swallows.is_set():
            return data
        self.said += len(data)
        return b""


@contextlib.contextmanager
def swallowing(url: str) -> Iterator[Swallower]:
    """Give a proxy to the broker at `url` that can swallow its replies."""
    with proxied(url, lambda client, broker: _serve(client, broker, 0.0, swallower.passes)) as port:
        swallower = Swallower(url.replace(f":{urlsplit(url).port}", f":{port}"))
        yield swallower


@contextlib.contextmanager
def slowed(url: str, seconds: float) -> Iterator[str]:
    """Give the URL of a proxy to the broker at `url` that holds each chunk of either direction back for `seconds`."""
    with proxied(url, lambda client, broker: _serve(client, broker, seconds)) as port:
        yield url.replace(f":{urlsplit(url).port}", f":{port}")


@contextlib.contextmanager
def proxied(url: str, serve: Callable[[socket.socket, Address], None]) -> Iterator[int]:
    """Serve every connection to the port that this gives, each by a thread."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        broker = (parts.hostname, parts.port)
        accepting = threading.Thread(target=_accept, args=(listener, broker, serve), daemon=True)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _accept(
    listener: socket.socket,
    broker: Address,
    serve: Callable[[socket.socket, Address], None],
) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, broker), daemon=True).start()


def _serve(
    client: socket.socket,
    broker: Address,
    seconds: float,
    passes: Callable[[bytes], bytes] = bytes,
) -> None:
    with client, socket.create_connection(broker) as server:
        back = threading.Thread(target=_pass, args=(server, client, seconds, passes), daemon=True)
        back.start()
        _pass(client, server, seconds)
        back.join()


def _pass(one: socket.socket, other: socket.socket, seconds: float, passes: Callable[[bytes], bytes] = bytes) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            time.sleep(seconds)
            other.sendall(passes(data))
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
