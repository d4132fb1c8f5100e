"""Sessions of an MQTT 5 broker, seen from outside: one blocking connection, and no library that would do more.

Only what tests and benchmarks need is here; section numbers are MQTT 5's. A session that its client comes back to shows
what the broker still holds for that client, and packets that are encoded beforehand are published as fast as the broker
takes them.
"""

import contextlib
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
EXPIRY: Final = 86_400
"""Seconds that a session outlives its connection, unless told otherwise."""

_SECONDS = 60.0
_KEEP_ALIVE = 600
_CHUNK = 1 << 18
_UNCONFIRMED = 500  # below Mosquitto's Receive Maximum, which is its max_inflight_messages
_AT_ONCE = 100
_SESSION_EXPIRY, _RECEIVE_MAXIMUM = b"\x11", b"\x21"


class Refused(Exception):
    """The broker ended the connection, or refused what it was asked; the text says how."""


class Packet(NamedTuple):
    """One packet: its type, the lower four bits of its first byte, and what follows the length (section 2.1)."""

    kind: int
    flags: int
    payload: bytes


class Published(NamedTuple):
    """What a PUBLISH says (section 3.3); packet_id 0: QoS 0; `properties` as they came, without their length."""

    topic: str
    body: bytes
    packet_id: int
    flags: int = 0
    properties: bytes = b""


class Session:
    """A connection of a client; leaving the `with` block disconnects in order, and the session lives on.

    Every call blocks, at most a minute without an answer (TimeoutError), and raises Refused when the broker does not do
    what it was asked. `present` says whether the broker had a session of this client.
    """

    def __init__(self, url: str, client_id: str, *, clean: bool = False, expiry: int = EXPIRY) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 1883), _SECONDS)
        self._input = b""
        self._packets = deque[Packet]()
        flags = (2 if clean else 0) | (0x80 if parts.username else 0) | (0x40 if parts.password else 0)
        properties = _SESSION_EXPIRY + struct.pack(">I", expiry) + _RECEIVE_MAXIMUM + b"\xff\xff"
        head = text("MQTT") + struct.pack(">BBH", 5, flags, _KEEP_ALIVE) + length(len(properties)) + properties
        login = b"".join(text(unquote(part)) for part in (parts.username, parts.password) if part)
        try:
            self._send(packet(CONNECT, head + text(client_id) + login))
            answer = self._reply(CONNACK)
            if answer[1]:
                raise Refused(f"CONNACK with reason code {answer[1]:#x} for the client {client_id}")
        except BaseException:
            self._socket.close()
            raise
        self.present = bool(answer[0] & 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; the session lives on for its expiry."""
        with contextlib.suppress(OSError):
            self._send(packet(DISCONNECT, b""))
        self._socket.close()

    def subscribe(self, topic: str, qos: int = 1) -> None:
        """Subscribe to a topic filter; a subscription that is there is replaced."""
        self._send(packet(SUBSCRIBE, struct.pack(">HB", 1, 0) + text(topic) + bytes([qos]), 2))
        if (granted := self._reply(SUBACK)[-1]) != qos:
            raise Refused(f"SUBACK with reason code {granted:#x} for {topic}")

    def take(self) -> list[Published]:
        """Take and acknowledge everything that the broker holds for this session now, in order.

        A broker answers a ping behind all that it had to send when the ping came (Mosquitto does): an answer with no
        message before it says that nothing is left.
        """
        taken: list[Published] = []
        while fresh := self._before_pong():
            ids = [each.packet_id for each in fresh if each.packet_id]
            self._send(b"".join(packet(PUBACK, struct.pack(">H", packet_id)) for packet_id in ids))
            taken += fresh
        return taken

    def publish(self, packets: Iterable[bytes]) -> None:
        """Send PUBLISH packets of QoS 1 and wait until the broker has confirmed all; without messages in between."""
        unconfirmed = 0
        pending: list[bytes] = []
        for each in packets:
            pending.append(each)
            if len(pending) == _AT_ONCE:
                unconfirmed += self._flush(pending)
                while unconfirmed > _UNCONFIRMED:
                    self._confirmation()
                    unconfirmed -= 1
        for _ in range(unconfirmed + self._flush(pending)):
            self._confirmation()

    def arrived(self) -> int:
        """Count the PUBLISH packets that came since the last call, without waiting; they are not acknowledged."""
        count = sum(each.kind == PUBLISH for each in self._packets)
        self._packets.clear()
        self._socket.setblocking(False)
        try:
            while received := self._socket.recv(_CHUNK):
                found, end = counted(self._input + received)
                self._input = (self._input + received)[end:]
                count += found
        except BlockingIOError:
            return count
        except ConnectionResetError:
            pass
        finally:
            self._socket.settimeout(_SECONDS)
        raise Refused("the broker closed the connection")

    def _flush(self, pending: list[bytes]) -> int:
        self._send(b"".join(pending))
        count = len(pending)
        pending.clear()
        return count

    def _confirmation(self) -> None:
        answer = self._reply(PUBACK)
        if answer[2:] and answer[2] >= 0x80:
            raise Refused(f"PUBACK with reason code {answer[2]:#x}")

    def _before_pong(self) -> list[Published]:
        """Ping, and give the messages that come before the answer."""
        self._send(packet(PINGREQ, b""))
        messages: list[Published] = []
        while (each := self._next()).kind != PINGRESP:
            if each.kind == PUBLISH:
                messages.append(published(each))
        return messages

    def _reply(self, kind: int) -> bytes:
        """Wait for a packet of that type; messages that come before it are kept."""
        aside: list[Packet] = []
        while (each := self._next()).kind != kind:
            aside.append(each)
        self._packets.extendleft(reversed(aside))
        return each.payload

    def _next(self) -> Packet:
        while not self._packets:
            try:
                received = self._socket.recv(_CHUNK)
            except ConnectionResetError:
                received = b""
            if not received:
                raise Refused("the broker closed the connection without a word")
            found, end = parsed(self._input + received)
            self._input = (self._input + received)[end:]
            self._packets.extend(found)
        each = self._packets.popleft()
        if each.kind == DISCONNECT:
            raise Refused(f"DISCONNECT with reason code {each.payload[0] if each.payload else 0:#x}")
        return each

    def _send(self, raw: bytes) -> None:
        self._socket.sendall(raw)


def packet(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """Encode a packet."""
    return bytes([kind << 4 | flags]) + length(len(payload)) + payload


def publish(topic: str, body: bytes, packet_id: int, properties: bytes = b"") -> bytes:
    """Encode a PUBLISH of QoS 1; `properties` are encoded, without their length."""
    variable = text(topic) + struct.pack(">H", packet_id) + length(len(properties)) + properties
    return packet(PUBLISH, variable + body, 2)


def properties_of(raw: bytes) -> Any:
    """Give the properties of a PUBLISH, which came without their length, as paho reads them."""
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    found.unpack(length(len(raw)) + raw)  # type: ignore[no-untyped-call]
    return found


def text(value: str) -> bytes:
    """Encode a string (section 1.5.4)."""
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def length(number: int) -> bytes:
    """Encode a variable byte integer (section 1.5.5)."""
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def parsed(raw: bytes) -> tuple[list[Packet], int]:
    """Give the whole packets at the beginning, and where they end."""
    found: list[Packet] = []
    end = 0
    while (whole := _whole(raw, end)) is not None:
        start, stop = whole
        found.append(Packet(raw[end] >> 4, raw[end] & 15, raw[start:stop]))
        end = stop
    return found, end


def counted(raw: bytes) -> tuple[int, int]:
    """Give the number of whole PUBLISH packets at the beginning, and where the whole packets end."""
    count = end = 0
    while (whole := _whole(raw, end)) is not None:
        count += raw[end] >> 4 == PUBLISH
        end = whole[1]
    return count, end


def published(each: Packet) -> Published:
    """Decode a PUBLISH."""
    size = int.from_bytes(each.payload[:2])
    topic, place, packet_id = each.payload[2 : 2 + size].decode(), 2 + size, 0
    if each.flags & 6:
        packet_id = int.from_bytes(each.payload[place : place + 2])
        place += 2
    properties = _varying(each.payload, place)
    assert properties is not None, "a broker sends whole packets"
    begin, end = properties[1], sum(properties)
    return Published(topic, each.payload[end:], packet_id, each.flags, each.payload[begin:end])


def _whole(raw: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the packet at `start` begins and ends; None: it is not there as a whole."""
    size = _varying(raw, start + 1)
    if size is None or sum(size) > len(raw):
        return None
    return size[1], sum(size)


def _varying(raw: bytes, start: int) -> tuple[int, int] | None:
    """A variable byte integer and where it ends; None: it is not there as a whole."""
    number = shift = 0
    for place in range(start, min(len(raw), start + 4)):
        number |= (raw[place] & 127) << shift
        shift += 7
        if raw[place] < 128:
            return number, place + 1
    return None
