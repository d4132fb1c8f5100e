"""The properties of a PUBLISH in MQTT 5 (sections 2.2.2 and 3.3.2.3), as a block of bytes and as values. Pure."""

from collections.abc import Callable
from typing import Any, Final

from connectors.mqtt.packets import BadPacket, read_varint

PAYLOAD_FORMAT, EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION, USER = 0x01, 0x02, 0x03, 0x08, 0x09, 0x26
"""The identifiers of those that mean something to a receiver."""

_SUBSCRIPTION, _TOPIC_ALIAS = 0x0B, 0x23
_REASON: Final = 0x1F
_NAMES: Final = 1024  # names of user properties that are remembered, of at most so many bytes:
_NAME_SIZE: Final = 256


class BadProperties(Exception):
    """A block that is not what the specification says; the text says where."""


class Names(dict[bytes, str]):
    """Names of user properties as text, remembered: most messages bring the same few."""

    def __missing__(self, raw: bytes) -> str:
        """Decode a name; raises UnicodeDecodeError."""
        name = raw.decode()
        if len(raw) <= _NAME_SIZE:
            if len(self) >= _NAMES:
                self.clear()
            self[raw] = name
        return name


def _octet(data: bytes, at: int) -> tuple[Any, int]:
    return data[at], at + 1


def _u16(data: bytes, at: int) -> tuple[Any, int]:
    return data[at] << 8 | data[at + 1], at + 2


def _u32(data: bytes, at: int) -> tuple[Any, int]:
    return int.from_bytes(data[at : at + 4]), at + 4


def _binary(data: bytes, at: int) -> tuple[Any, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end], end


def _string(data: bytes, at: int) -> tuple[Any, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end].decode(), end


READ: Final[dict[int, Callable[[bytes, int], tuple[Any, int]]]] = {
    PAYLOAD_FORMAT: _octet,
    EXPIRY: _u32,
    CONTENT_TYPE: _string,
    RESPONSE_TOPIC: _string,
    CORRELATION: _binary,
    _SUBSCRIPTION: read_varint,
    _TOPIC_ALIAS: _u16,
}
"""Reads the value of each standard property of a PUBLISH at a place, and gives it with where it ends.

Raises IndexError, UnicodeDecodeError or BadPacket; a value that ends beyond the block is for the caller to see.
"""


def user_head(name: str) -> bytes:
    """Encode how a user property of that name begins: its value, behind its length, is all that follows.

    Raises UnicodeEncodeError for a name that is not text and OverflowError for one above 65,535 bytes.
    """
    raw = name.encode()
    return bytes((USER,)) + len(raw).to_bytes(2) + raw


def expiry(seconds: int) -> bytes:
    """Encode a Message Expiry Interval."""
    return bytes((EXPIRY,)) + seconds.to_bytes(4)


def reason_of(block: bytes) -> str:
    """Give the Reason String among the properties of an acknowledgement, behind their length; "" without one.

    Never raises: it is only for people.
    """
    try:
        size, at = read_varint(block, 0)
        end = at + size
        while at < end:
            kind = block[at]
            value, at = _binary(block, at + 1)
            if kind == _REASON:
                return str(value, "utf-8", "replace")
            if kind == USER:
                _, at = _binary(block, at)
    except (IndexError, BadPacket):
        pass
    return ""
