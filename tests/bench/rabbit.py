"""A queue filled as fast as RabbitMQ takes it: AMQP 0-9-1 frames, encoded beforehand, over one blocking socket.

The client libraries would need longer to publish the load than the relays need to drain it. Only what the benchmarks
need is here: PLAIN login, one channel, exchanges and queues, publishing with confirms, and holding a queue's messages
back.
"""

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

_METHOD, _HEADER, _BODY = 1, 2, 3
_END: Final = b"\xce"
_FRAME_MAX: Final = 131_072
_START_OK, _TUNE_OK, _OPEN = (10, 11), (10, 31), (10, 40)
_CHANNEL_OPEN, _CONFIRM_SELECT, _PUBLISH, _CONSUME = (20, 10), (85, 10), (60, 40), (60, 20)
_DECLARE, _BIND, _DELETE = (50, 10), (50, 20), (50, 40)
_EXCHANGE_DECLARE, _EXCHANGE_DELETE = (40, 10), (40, 20)
_CLOSE, _CHANNEL_CLOSE, _ACK, _DELIVER = (10, 50), (20, 40), (60, 80), (60, 60)
_PASSIVE, _DURABLE = 1, 2
_UNCONFIRMED = 2_000  # beyond it RabbitMQ gets no faster (prototypes/README.md, ceilings.py)
_AT_ONCE = 500
_SECONDS = 60.0
# content_type, headers, delivery_mode, message_id, timestamp, type and app_id (specification section 4.2.6.1)
_FLAGS: Final = 0xB0E8


class Refused(Exception):
    """RabbitMQ closed the connection or the channel; the text is its own."""


def encoded_messages(queue: str, count: int, body: bytes) -> Iterator[bytes]:
    """Give the frames that publish each message to `queue`: persistent, five properties and three headers.

    content_type, message_id (a UUID of its own for each), timestamp, type and app_id; a string, a bool, and an int
    that differs from message to message, so that nothing is gained by remembering whole header tables.
    """
    publish = _frame(_METHOD, struct.pack(">HHH", *_PUBLISH, 0) + _short("") + _short(queue) + b"\0")
    constant = _short("tenant") + b"S" + _long(b"acme") + _short("express") + b"t\1" + _short("revision") + b"I"
    tail = struct.pack(">Q", 1_764_000_000) + _short("product.updated") + _short("catalogue")
    content = _frame(_BODY, body)
    for number in range(count):
        headers = _long(constant + struct.pack(">i", number))
        properties = _short("application/json") + headers + b"\2" + _short(message_id(number)) + tail
        yield publish + _frame(_HEADER, struct.pack(">HHQH", 60, 0, len(body), _FLAGS) + properties) + content


def message_id(number: int) -> str:
    """Give the id of a message by its number in the load."""
    return f"00000000-0000-4000-8000-{number:012x}"


class Rabbit:
    """One connection with one open channel; every call blocks, at most a minute without an answer (TimeoutError)."""

    def __init__(self, url: str) -> None:
        """Connect and log in; raises OSError, or Refused with RabbitMQ's words."""
        parts = urlsplit(url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), _SECONDS)
        self._input = self._socket.makefile("rb", 1 << 20)
        self._socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._reply()
        login = _long(f"\0{user}\0{password}".encode())
        self._call(_START_OK, _long(b"") + _short("PLAIN") + login + _short("en_US"), channel=0)
        self._send(_TUNE_OK, struct.pack(">HIH", 1, _FRAME_MAX, 0), channel=0)
        self._call(_OPEN, _short(unquote(parts.path[1:]) or "/") + _short("") + b"\0", channel=0)
        self._call(_CHANNEL_OPEN, _short(""))

    def close(self) -> None:
        """Close the socket: RabbitMQ puts back in place what was delivered here and not acknowledged."""
        self._input.close()
        self._socket.close()

    def declare(self, queue: str) -> None:
        """Make a durable queue."""
        self._call(_DECLARE, b"\0\0" + _short(queue) + bytes((_DURABLE,)) + _long(b""))

    def bind(self, queue: str, exchange: str) -> None:
        """Make a durable direct exchange, and bind the queue to it by the queue's own name."""
        declared = b"\0\0" + _short(exchange) + _short("direct") + bytes((_DURABLE,)) + _long(b"")
        self._call(_EXCHANGE_DECLARE, declared)
        self._call(_BIND, b"\0\0" + _short(queue) + _short(exchange) + _short(queue) + b"\0" + _long(b""))

    def state(self, queue: str) -> tuple[int, int]:
        """Give the number of messages that are ready in the queue, and of its consumers."""
        answer = self._call(_DECLARE, b"\0\0" + _short(queue) + bytes((_PASSIVE,)) + _long(b""))
        messages, consumers = struct.unpack(">II", answer[-8:])
        return messages, consumers

    def delete(self, queue: str) -> None:
        """Delete the queue with what is in it."""
        self._call(_DELETE, b"\0\0" + _short(queue) + b"\0")

    def delete_exchange(self, exchange: str) -> None:
        """Delete the exchange with its bindings."""
        self._call(_EXCHANGE_DELETE, b"\0\0" + _short(exchange) + b"\0")

    def publish(self, messages: Iterable[bytes]) -> None:
        """Publish messages that are frames already, and wait until all are confirmed; once for each connection."""
        self._call(_CONFIRM_SELECT, b"\0")
        sent = confirmed = 0
        pending: list[bytes] = []
        for message in messages:
            pending.append(message)
            if len(pending) == _AT_ONCE:
                sent += self._flush(pending)
                while sent - confirmed > _UNCONFIRMED:
                    confirmed = self._confirmation(confirmed)
        sent += self._flush(pending)
        while confirmed < sent:
            confirmed = self._confirmation(confirmed)

    def hold(self, queue: str, count: int) -> None:
        """Take `count` messages and keep them unacknowledged, so that the queue is empty until `close`."""
        self._send(_CONSUME, b"\0\0" + _short(queue) + _short("") + b"\0" + _long(b""))
        while count:
            kind, payload = self._frame()
            if kind == _METHOD and struct.unpack_from(">HH", payload) == _DELIVER:
                count -= 1

    def _flush(self, pending: list[bytes]) -> int:
        self._socket.sendall(b"".join(pending))
        count = len(pending)
        pending.clear()
        return count

    def _confirmation(self, confirmed: int) -> int:
        """Read one confirm, and give how many are confirmed with it: RabbitMQ confirms one queue's in order."""
        method, payload = self._reply()
        if method != _ACK:
            raise Refused(f"method {method} instead of a confirm")
        tag, multiple = struct.unpack_from(">QB", payload)
        return int(tag) if multiple else confirmed + 1

    def _call(self, method: tuple[int, int], arguments: bytes, *, channel: int = 1) -> bytes:
        self._send(method, arguments, channel=channel)
        return self._reply()[1]

    def _send(self, method: tuple[int, int], arguments: bytes, *, channel: int = 1) -> None:
        self._socket.sendall(_frame(_METHOD, struct.pack(">HH", *method) + arguments, channel))

    def _reply(self) -> tuple[tuple[int, int], bytes]:
        """Read the next method; raises Refused for a close."""
        kind, payload = self._frame()
        if kind != _METHOD:
            raise Refused(f"a frame of type {kind} where a method was expected")
        group, number = struct.unpack_from(">HH", payload)
        if (group, number) in (_CLOSE, _CHANNEL_CLOSE):
            raise Refused(payload[7 : 7 + payload[6]].decode(errors="replace"))
        return (group, number), payload[4:]

    def _frame(self) -> tuple[int, bytes]:
        head = self._input.read(7)
        if len(head) < 7:
            raise Refused("RabbitMQ closed the connection")
        kind, _channel, size = struct.unpack(">BHI", head)
        return kind, self._input.read(size + 1)[:-1]


def _frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


def _long(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw
