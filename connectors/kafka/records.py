"""Records read in Python, as slowly as that is, where aiokafka's C parser will not do: pure, bytes in, values out.

It refuses header names that are not UTF-8. For the formats 0 and 1 it follows lengths out of the buffer (a crash, or a
loop without end), and its batches crash the process when the garbage collector finds them before what they look into.
The layouts are in "Record Batch" and "Message Sets" of the Kafka protocol guide.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""What a batch of format 2 begins with."""

_CODEC, _APPEND_TIME = 0x07, 0x08  # bits of attributes
_DECOMPRESS: Final = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_MESSAGE: Final = struct.Struct(">qiIbb")  # what a message of the formats 0 and 1 begins with
_MESSAGE_OVERHEAD, _MESSAGE_CHECKED = 12, 16  # bytes that its length does not count, and that its checksum does not
_INT: Final = struct.Struct(">i")
_LONG: Final = struct.Struct(">q")


class PlainRecord(NamedTuple):
    """A record that was read here; header names that are not UTF-8 have surrogate escapes. No timestamp is -1."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def parse(data: bytes | memoryview) -> Iterator[PlainRecord]:
    """Read a batch of format 2.

    Raises what indexing and decompressing raise: ValueError, IndexError, struct.error, and the decompressors' own.
    """
    base, _, _, _, _, attributes, _, first_timestamp, max_timestamp, _, _, _, count = HEADER.unpack_from(data)
    body = _decompressed(bytes(data[HEADER.size :]), attributes)
    appended = attributes & _APPEND_TIME
    at = 0
    for _ in range(count):
        _, at = _varint(body, at)
        delta, at = _varint(body, at + 1)
        timestamp = max_timestamp if appended else first_timestamp + delta
        delta, at = _varint(body, at)
        key, at = _bytes(body, *_varint(body, at))
        value, at = _bytes(body, *_varint(body, at))
        names, at = _varint(body, at)
        headers = []
        for _ in range(names):
            name, at = _bytes(body, *_varint(body, at))
            header, at = _bytes(body, *_varint(body, at))
            headers.append(((name or b"").decode("utf-8", "surrogateescape"), header))
        yield PlainRecord(base + delta, timestamp, 1 if appended else 0, key, value, headers)


def is_message_intact(data: bytes | memoryview) -> bool:
    """Whether the checksum of a message of the formats 0 and 1 fits; raises struct.error when there is none."""
    return bool(_MESSAGE.unpack_from(data)[2] == crc32(data[_MESSAGE_CHECKED:]))


def parse_message(data: bytes | memoryview) -> Iterator[PlainRecord]:
    """Read a message of the formats 0 and 1, or the messages that are compressed in it; raises as `parse` does."""
    outer, attributes, _ = _message(bytes(data), 0)
    if not attributes & _CODEC:
        yield outer
        return
    body, at = _decompressed(outer.value or b"", attributes), 0
    inner: list[PlainRecord] = []
    while at < len(body):
        record, nested, at = _message(body, at)
        if nested & _CODEC:
            raise ValueError("messages compressed in compressed messages")
        inner.append(record)
    relative = data[_MESSAGE_CHECKED] > 0 and inner  # format 1 counts from 0, and the last has the outer offset
    base = max(0, outer.offset - inner[-1].offset) if relative else 0
    for record in inner:
        timestamp = outer.timestamp if outer.timestamp_type else record.timestamp
        yield record._replace(offset=base + record.offset, timestamp=timestamp, timestamp_type=outer.timestamp_type)


def _message(data: bytes, at: int) -> tuple[PlainRecord, int, int]:
    """Read one message: as a record, its attributes, and where the next one begins."""
    offset, length, _, magic, attributes = _MESSAGE.unpack_from(data, at)
    end = at + _MESSAGE_OVERHEAD + length
    at += _MESSAGE.size
    timestamp = -1
    if magic:
        (timestamp,) = _LONG.unpack_from(data, at)
        at += _LONG.size
    key, at = _bytes(data, *_int(data, at))
    value, at = _bytes(data, *_int(data, at))
    if at != end:
        raise ValueError(f"a message of {length} bytes that ends at byte {at}, and not {end}")
    return PlainRecord(offset, timestamp, 1 if attributes & _APPEND_TIME else 0, key, value, []), attributes, end


def _decompressed(body: bytes, attributes: int) -> bytes:
    codec = attributes & _CODEC
    if not codec:
        return body
    if codec not in _DECOMPRESS:
        raise ValueError(f"compressed by an unknown codec, {codec}")
    return bytes(_DECOMPRESS[codec](body))


def _int(data: bytes, at: int) -> tuple[int, int]:
    return _INT.unpack_from(data, at)[0], at + _INT.size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number that does not end, at byte {at}")


def _bytes(data: bytes, length: int, at: int) -> tuple[bytes | None, int]:
    """Bytes of that length, or null, and where they end."""
    if length < 0:
        return None, at
    if at + length > len(data):
        raise ValueError(f"{length} bytes at byte {at} of {len(data)}")
    return data[at : at + length], at + length
