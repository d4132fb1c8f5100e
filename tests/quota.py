"""A proxy to an MQTT broker that says, when told to, that a quota is exceeded.

MQTT 5 has that answer to a PUBLISH (reason code 0x97, its section 3.4.2.1); Mosquitto 2.0 gives it at QoS 2 only.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from tests import mqtt
from tests.proxy import Address, proxied

_EXCEEDED = b"\x97"


class Quota:
    """What the proxy at `url` does with messages: it passes them on, until the quota is exceeded."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._exceeded = threading.Event()

    def exceed(self) -> None:
        """Refuse every message from now on, on any connection."""
        self._exceeded.set()

    def lift(self) -> None:
        """Pass messages on again."""
        self._exceeded.clear()

    def refuses(self, packet: mqtt.Packet) -> bool:
        """Whether a client's packet is a message that is refused now."""
        return packet.kind == mqtt.PUBLISH and self._exceeded.is_set()


@contextlib.contextmanager
def quota(url: str) -> Iterator[Quota]:
    """Give a proxy to the broker at `url`, which clients write to with QoS 1."""
    with proxied(url, lambda client, broker: _serve(client, broker, made)) as port:
        made = Quota(url.replace(f":{urlsplit(url).port}", f":{port}"))
        yield made


def _serve(client: socket.socket, broker: Address, its: Quota) -> None:
    with client, socket.create_connection(broker) as server:
        writing = threading.Lock()

        def answer(packets: Sequence[mqtt.Packet]) -> None:
            with writing:
                client.sendall(_encoded(packets))

        def take(packets: Sequence[mqtt.Packet]) -> None:
            refused = [packet for packet in packets if its.refuses(packet)]
            server.sendall(_encoded([packet for packet in packets if packet not in refused]))
            answer([_refusal(packet) for packet in refused])

        back = threading.Thread(target=_pass, args=(server, client, answer), daemon=True)
        back.start()
        _pass(client, server, take)
        back.join()


def _pass(one: socket.socket, other: socket.socket, take: Callable[[Sequence[mqtt.Packet]], None]) -> None:
    rest = b""
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            packets, end = mqtt.parsed(rest + data)
            rest = (rest + data)[end:]
            take(packets)
    for end_ in (one, other):
        with contextlib.suppress(OSError):
            end_.shutdown(socket.SHUT_RDWR)


def _refusal(publish: mqtt.Packet) -> mqtt.Packet:
    return mqtt.Packet(mqtt.PUBACK, 0, mqtt.published(publish).packet_id.to_bytes(2) + _EXCEEDED)


def _encoded(packets: Sequence[mqtt.Packet]) -> bytes:
    return b"".join(mqtt.packet(packet.kind, packet.payload, packet.flags) for packet in packets)
