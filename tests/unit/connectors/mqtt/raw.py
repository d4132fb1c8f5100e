"""MQTT packets as the specification has them, built without anything of the connector."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"
PONG = b"\xd0\x00"
DISCONNECT = b"\xe0\x01\x8e"


def varint(number: int) -> bytes:
    """A variable byte integer (MQTT 5, section 1.5.5)."""
    digits = [number >> shift & 0x7F for shift in (0, 7, 14, 21)]
    while len(digits) > 1 and not digits[-1]:
        digits.pop()
    return bytes([digit | 0x80 for digit in digits[:-1]] + digits[-1:])


def framed(kind: int, rest: bytes) -> bytes:
    """A packet: its first byte, its length, and what follows."""
    return bytes((kind,)) + varint(len(rest)) + rest


def text(raw: bytes) -> bytes:
    """A string, or binary data."""
    return len(raw).to_bytes(2, "big") + raw


def user(*pairs: tuple[str, str]) -> bytes:
    """User properties."""
    return b"".join(b"\x26" + text(name.encode()) + text(value.encode()) for name, value in pairs)


def content(properties: bytes = b"", payload: bytes = b"") -> bytes:
    """What follows topic and packet identifier in a PUBLISH of MQTT 5."""
    return varint(len(properties)) + properties + payload


def publish(flags: int, topic: bytes, mid: int, rest: bytes) -> bytes:
    """A PUBLISH; `flags` are the low half of its first byte, and at QoS 0 `mid` is not in it."""
    return framed(0x30 | flags, text(topic) + (mid.to_bytes(2, "big") if flags & 6 else b"") + rest)


def puback(mid: int, code: int | None = None, block: bytes | None = None) -> bytes:
    """A PUBACK: with a reason code, and a block of properties behind their length, if they are given."""
    more = b"" if code is None else bytes((code,)) + (b"" if block is None else block)
    return framed(0x40, mid.to_bytes(2, "big") + more)


def properties_of(block: bytes) -> Properties:
    """A block of a PUBLISH's properties, without its length, as paho reads it."""
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    _, size = found.unpack(varint(len(block)) + block)  # type: ignore[no-untyped-call]
    assert size == len(varint(len(block))) + len(block)
    return found
