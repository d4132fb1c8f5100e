"""The few MQTT packets that go around paho, and the numbers all packets are made of. Pure: bytes and values.

A packet is a first byte (type in the high half, flags in the low one), the number of bytes that follow as a variable
byte integer, and those bytes (MQTT 5, section 2.1; 3.1.1, section 2.2).
"""

from typing import Final, NamedTuple

PUBLISH, PUBACK, PINGREQ, PINGRESP = 0x30, 0x40, 0xC0, 0xD0
"""First bytes, with no flags set."""

RETAIN, DUP = 0x01, 0x08
"""Flags of a PUBLISH."""

LARGEST: Final = 268_435_455
"""Bytes that a packet may have behind its length: what four bytes of 7 bits hold (MQTT 5, section 1.5.5)."""

LONGEST: Final = 65_535
"""Bytes of a string or of binary data at most (MQTT 5, sections 1.5.4 and 1.5.6)."""

_ACKS: Final = {0: b"", 1: b"\x40\x02", 2: b"\x50\x02"}  # how PUBACK and PUBREC of success begin, by QoS
_OCTETS: Final = tuple(bytes((number,)) for number in range(256))


class BadPacket(Exception):
    """The bytes are not MQTT; the text says what was wrong. Nothing after it can be understood."""


class Publish(NamedTuple):
    """One PUBLISH as it came: `flags` is its first byte, `ack` the packet that acknowledges it (none at QoS 0).

    `content` is what follows topic and packet identifier: the payload, behind the properties in MQTT 5.
    """

    flags: int
    topic: bytes
    ack: bytes
    content: bytes


def ack_head(flags: int) -> bytes:
    """Give how the packet that acknowledges a PUBLISH begins; its packet identifier follows.

    A PUBLISH of QoS 2 is acknowledged with a PUBREC, and the PUBREL that comes of it is paho's to complete.
    """
    try:
        return _ACKS[flags >> 1 & 3]
    except KeyError:
        raise BadPacket("a PUBLISH of QoS 3") from None


def varint(number: int) -> bytes:
    """Encode a variable byte integer, of 0 to LARGEST."""
    if number < 0x80:
        return _OCTETS[number]
    if number < 0x4000:
        return _OCTETS[number & 0x7F | 0x80] + _OCTETS[number >> 7]
    return _OCTETS[number & 0x7F | 0x80] + varint(number >> 7)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable byte integer, and give it with where it ends.

    Raises IndexError where `data` ends before it does, and BadPacket where it takes more than four bytes.
    """
    value = 0
    for shift in (0, 7, 14, 21):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadPacket("a length of more than four bytes")
