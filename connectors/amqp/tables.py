"""AMQP 0-9-1 field tables to and from headers: every type RabbitMQ knows, bounded, and its own reading of each. Pure.

pamqp's codec is not used: it fails on timestamps beyond the year 9999 and on deep tables, halves doubles and shrinks
integers (pitfalls A5, A6 in research/reliability.md).

The types are those RabbitMQ's own `rabbit_binary_parser:parse_table/1` reads, tried on 3.10.8 with all bits set; they
are the "RabbitMQ/Qpid" column of its AMQP 0-9-1 errata (section 3), not the specification's table: `b` is signed, `B`
unsigned, `s` and `I` signed, `u` and `i` unsigned, `l` and `L` both signed, `D` an octet of scale and an unsigned
value, `T` unsigned seconds. There is no unsigned 64-bit integer.
"""

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar, cast

from bridge.errors import Unmappable
from bridge.message import Element, Header, Type, Value

MAX_DEPTH: Final = 32
"""How deep tables and arrays may be nested; pamqp dies at some 400 to 600, and nobody's headers are this deep."""

MAX_HEADERS: Final = 4096
"""How many entries one table or array may have; a frame of 128 KiB could bring 43,000."""


class Malformed(Exception):
    """What was decoded is not what it should be; `reason` is a metric label, `detail` says what and at which byte."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


_Decode: TypeAlias = Callable[[bytes, int, int], tuple[Type, Value, int]]
"""Decodes a value at an offset and a depth, to its type, itself and the offset behind it.

Reading past the end raises IndexError or struct.error, or gives an offset that is too large and that the caller sees.
"""

_Entry = TypeVar("_Entry", Header, Element)

_U32: Final = struct.Struct(">I").unpack_from


def decode_table(data: bytes, start: int, depth: int = 1) -> tuple[tuple[Header, ...], int]:
    """Decode the table at `start` to its headers, in order and with repeats, and the offset behind it.

    Raises Malformed with bad_header_table, too_deep or too_many_headers; IndexError and struct.error for data that ends
    early are the caller's to catch (`codec.decode` does).
    """
    if depth > MAX_DEPTH:
        raise Malformed("too_deep", f"tables nested deeper than {MAX_DEPTH} at byte {start}")
    end = start + 4 + _U32(data, start)[0]
    at = start + 4
    headers: list[Header] = []
    while at < end:
        begin = at + 1
        at = begin + data[at]
        try:
            name = data[begin:at].decode()
        except UnicodeDecodeError:
            raise Malformed("bad_header_table", f"a header name that is not UTF-8 at byte {begin}") from None
        decode = _DECODERS.get(data[at])
        if decode is None:
            raise Malformed("bad_header_table", f"unknown field type {data[at : at + 1]!r} at byte {at}")
        type_, value, at = decode(data, at + 1, depth)
        headers.append((name, type_, value))
    return tuple(headers), _end_of(headers, at, end, start)


def _decode_array(data: bytes, start: int, depth: int) -> tuple[tuple[Element, ...], int]:
    if depth > MAX_DEPTH:
        raise Malformed("too_deep", f"arrays nested deeper than {MAX_DEPTH} at byte {start}")
    end = start + 4 + _U32(data, start)[0]
    at = start + 4
    elements: list[Element] = []
    while at < end:
        decode = _DECODERS.get(data[at])
        if decode is None:
            raise Malformed("bad_header_table", f"unknown field type {data[at : at + 1]!r} at byte {at}")
        type_, value, at = decode(data, at + 1, depth)
        elements.append((type_, value))
    return tuple(elements), _end_of(elements, at, end, start)


def _end_of(entries: Sequence[object], at: int, end: int, start: int) -> int:
    if at != end or len(entries) > MAX_HEADERS:
        if at != end:
            raise Malformed("bad_header_table", f"the table at byte {start} should end at byte {end}, not {at}")
        raise Malformed("too_many_headers", f"{len(entries)} entries in the table at byte {start}")
    return end


def _string(data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
    begin = at + 4
    end = begin + _U32(data, at)[0]
    raw = data[begin:end]
    try:
        return "string", raw.decode(), end
    except UnicodeDecodeError:
        return "string", raw, end


def _binary(data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
    end = at + 4 + _U32(data, at)[0]
    return "bytes", data[at + 4 : end], end


def _decimal(data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
    return "decimal", Decimal(_U32(data, at + 1)[0]).scaleb(-data[at]), at + 5


def _bool(data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
    return "bool", data[at] != 0, at + 1


def _void(_data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
    return "void", None, at


def _table(data: bytes, at: int, depth: int) -> tuple[Type, Value, int]:
    value, end = decode_table(data, at, depth + 1)
    return "table", value, end


def _array(data: bytes, at: int, depth: int) -> tuple[Type, Value, int]:
    value, end = _decode_array(data, at, depth + 1)
    return "array", value, end


def _number(form: str, type_: Type) -> _Decode:
    """Make the decoder of a number of that `struct` format."""
    packed = struct.Struct(form)
    unpack, size = packed.unpack_from, packed.size

    def decode(data: bytes, at: int, _depth: int) -> tuple[Type, Value, int]:
        return type_, unpack(data, at)[0], at + size

    return decode


_DECODERS: Final[dict[int, _Decode]] = {
    ord("t"): _bool,
    ord("b"): _number(">b", "i8"),
    ord("B"): _number(">B", "u8"),
    ord("s"): _number(">h", "i16"),
    ord("u"): _number(">H", "u16"),
    ord("I"): _number(">i", "i32"),
    ord("i"): _number(">I", "u32"),
    ord("l"): _number(">q", "i64"),
    ord("L"): _number(">q", "i64"),
    ord("f"): _number(">f", "f32"),
    ord("d"): _number(">d", "f64"),
    ord("D"): _decimal,
    ord("S"): _string,
    ord("A"): _array,
    ord("T"): _number(">Q", "timestamp"),
    ord("F"): _table,
    ord("x"): _binary,
    ord("V"): _void,
}

_NUMBERS: Final[dict[Type, tuple[bytes, struct.Struct]]] = {
    "i8": (b"b", struct.Struct(">b")),
    "u8": (b"B", struct.Struct(">B")),
    "i16": (b"s", struct.Struct(">h")),
    "u16": (b"u", struct.Struct(">H")),
    "i32": (b"I", struct.Struct(">i")),
    "u32": (b"i", struct.Struct(">I")),
    "i64": (b"l", struct.Struct(">q")),
    "u64": (b"l", struct.Struct(">q")),  # no unsigned one exists; what does not fit is unencodable
    "f32": (b"f", struct.Struct(">f")),
    "f64": (b"d", struct.Struct(">d")),
    "timestamp": (b"T", struct.Struct(">Q")),
}


def encode_table(headers: Sequence[Header], depth: int = 1) -> bytes:
    """Encode headers as a table, the inverse of `decode_table` (`L` comes back as `l`, u64 as i64).

    Raises Unmappable: too_deep beyond MAX_DEPTH; too_large for a name above 255 bytes or too many entries; unencodable
    for a name that is not UTF-8 or a value that its type cannot hold.
    """
    parts: list[bytes] = []
    for name, type_, value in _checked(headers, depth):
        try:
            raw = name.encode()
        except UnicodeEncodeError:  # clients, and we, cannot read such a table
            raise Unmappable(f"a header name that is not UTF-8: {name!a:.80}", "unencodable") from None
        if len(raw) > 255:
            raise Unmappable(f"header name {name[:40]!r}… has {len(raw)} bytes, AMQP allows 255", "too_large")
        parts += (bytes((len(raw),)), raw, encode_value(type_, value, depth, name))
    return _long(b"".join(parts))


def encode_value(type_: Type, value: Value, depth: int, name: str) -> bytes:
    """Encode a value with its type, as it follows the name of a header; `depth` is that of the table around it.

    A float that is not finite is its text: RabbitMQ (3.10.8) ends the connection at any other (INTERNAL_ERROR).
    Raises Unmappable as `encode_table` does, with the header's name in its text.
    """
    try:
        number = _NUMBERS.get(type_)
        if number is not None:
            if type(value) is float and not math.isfinite(value):
                return _encode_string(str(value), depth, name)
            return number[0] + number[1].pack(value)
        return _OTHERS[type_](value, depth, name)
    except (struct.error, OverflowError, AttributeError, TypeError, UnicodeEncodeError):
        raise Unmappable(f"header {name!r}: AMQP has no {type_} of {str(value)[:40]}", "unencodable") from None


def _encode_array(value: Value, depth: int, name: str) -> bytes:
    elements = cast("Sequence[Element]", value)
    parts = [encode_value(type_, inner, depth + 1, name) for type_, inner in _checked(elements, depth + 1)]
    return b"A" + _long(b"".join(parts))


def _encode_table(value: Value, depth: int, _name: str) -> bytes:
    return b"F" + encode_table(cast("Sequence[Header]", value), depth + 1)


def _encode_decimal(value: Value, _depth: int, name: str) -> bytes:
    sign, digits, exponent = cast("Decimal", value).as_tuple()
    if not isinstance(exponent, int) or sign or exponent < -255 or exponent + len(digits) > 10:
        raise Unmappable(f"header {name!r}: AMQP has no decimal {value!s}", "unencodable")
    unscaled = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
    return b"D" + struct.pack(">BI", max(-exponent, 0), unscaled)


def _encode_string(value: Value, _depth: int, _name: str) -> bytes:
    raw = value if isinstance(value, bytes) else cast("str", value).encode(errors="surrogateescape")
    return b"S" + _long(raw)


_OTHERS: Final[dict[Type, Callable[[Value, int, str], bytes]]] = {
    "bool": lambda value, _depth, _name: b"t\x01" if value else b"t\x00",
    "void": lambda _value, _depth, _name: b"V",
    "bytes": lambda value, _depth, _name: b"x" + _long(cast("bytes", value)),
    "string": _encode_string,
    "decimal": _encode_decimal,
    "array": _encode_array,
    "table": _encode_table,
}


def _checked(entries: Sequence[_Entry], depth: int) -> Sequence[_Entry]:
    if depth > MAX_DEPTH:
        raise Unmappable(f"headers nested deeper than {MAX_DEPTH}", "too_deep")
    if len(entries) > MAX_HEADERS:
        raise Unmappable(f"{len(entries)} headers in one table, at most {MAX_HEADERS} go into AMQP", "too_large")
    return entries


def _long(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw
