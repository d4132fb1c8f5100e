"""Field tables, both ways."""

import re
import struct
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Header, Type, Value
from connectors.amqp.tables import MAX_DEPTH, MAX_HEADERS, Malformed, decode_table, encode_table


def table(entries: bytes) -> bytes:
    return struct.pack(">I", len(entries)) + entries


def one(field: bytes) -> Header:
    headers, end = decode_table(table(b"\x01a" + field), 0)
    assert end == len(field) + 6
    (header,) = headers
    return header


@pytest.mark.parametrize(
    ("field", "type_", "value"),
    [  # as RabbitMQ's rabbit_binary_parser reads them, with all bits set where the sign matters
        (b"t\x00", "bool", False),
        (b"t\x07", "bool", True),
        (b"b\xff", "i8", -1),
        (b"B\xff", "u8", 255),
        (b"s\xff\xff", "i16", -1),
        (b"u\xff\xff", "u16", 65535),
        (b"I\xff\xff\xff\xff", "i32", -1),
        (b"i\xff\xff\xff\xff", "u32", 2**32 - 1),
        (b"l" + b"\xff" * 8, "i64", -1),
        (b"L" + b"\xff" * 8, "i64", -1),
        (b"f\x3f\xc0\x00\x00", "f32", 1.5),
        (b"d" + struct.pack(">d", 1.1), "f64", 1.1),
        (b"D\x02\xff\xff\xff\xff", "decimal", Decimal("42949672.95")),
        (b"S\x00\x00\x00\x02\xc3\xa9", "string", "é"),
        (b"S\x00\x00\x00\x02\xff\xfe", "string", b"\xff\xfe"),
        (b"x\x00\x00\x00\x02\xff\xfe", "bytes", b"\xff\xfe"),
        (b"T" + b"\xff" * 8, "timestamp", 2**64 - 1),
        (b"V", "void", None),
        (b"A\x00\x00\x00\x03t\x01V", "array", (("bool", True), ("void", None))),
        (b"F\x00\x00\x00\x03\x01bV", "table", (("b", "void", None),)),
    ],
)
def test_every_type_is_read_as_rabbitmq_reads_it(field: bytes, type_: Type, value: Value) -> None:
    assert one(field) == ("a", type_, value)


def test_order_and_repeats_are_kept() -> None:
    headers, _ = decode_table(table(b"\x01bV\x01at\x01\x01bV"), 0)
    assert headers == (("b", "void", None), ("a", "bool", True), ("b", "void", None))


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (table(b"\x01a?"), "bad_header_table", "unknown field type b'?' at byte 6"),
        (table(b"\x01aA\x00\x00\x00\x01?"), "bad_header_table", "unknown field type b'?' at byte 11"),
        (table(b"\x01\xffV"), "bad_header_table", "not UTF-8 at byte 5"),
        (table(b"\x01aS\x00\x00\x00\x09x"), "bad_header_table", "should end at byte 12, not 20"),
        (table(b"\x01aF\x00\x00\x00\x01" + b"\x01bV"), "bad_header_table", "at byte 7 should end at byte 12, not 14"),
        (table(b"\x01aV" * (MAX_HEADERS + 1)), "too_many_headers", "4097 entries"),
    ],
)
def test_malformed_tables_say_what_and_where(data: bytes, reason: str, words: str) -> None:
    with pytest.raises(Malformed, match=re.escape(words)) as caught:
        decode_table(data, 0)
    assert caught.value.reason == reason


def nested(depth: int, kind: bytes) -> bytes:
    inner = b"\x00\x00\x00\x00"
    for _ in range(depth - 1):
        inner = table((b"\x01a" if kind == b"F" else b"") + kind + inner)
    return inner if kind == b"F" else table(b"\x01aA" + inner)


@pytest.mark.parametrize("kind", [b"F", b"A"])
@pytest.mark.parametrize("depth", [600, 2000])
def test_deep_nesting_is_malformed_and_no_recursion_error(kind: bytes, depth: int) -> None:
    with pytest.raises(Malformed) as caught:
        decode_table(nested(depth, kind), 0)
    assert caught.value.reason == "too_deep"


def test_the_depth_allowed_decodes_and_encodes() -> None:
    data = nested(MAX_DEPTH, b"F")
    headers, _ = decode_table(data, 0)
    assert encode_table(headers) == data
    with pytest.raises(Malformed):
        decode_table(nested(MAX_DEPTH + 1, b"F"), 0)


def integers(form: str) -> st.SearchStrategy[int]:
    bits = struct.calcsize(form) * 8
    low = -(1 << bits - 1) if form.islower() else 0
    return st.integers(low, low + (1 << bits) - 1)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves: st.SearchStrategy[tuple[Type, Value]] = st.one_of(
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("i8"), integers("b")),
    st.tuples(st.just("u8"), integers("B")),
    st.tuples(st.just("i16"), integers("h")),
    st.tuples(st.just("u16"), integers("H")),
    st.tuples(st.just("i32"), integers("i")),
    st.tuples(st.just("u32"), integers("I")),
    st.tuples(st.just("i64"), integers("q")),
    st.tuples(st.just("timestamp"), integers("Q")),
    st.tuples(st.just("f32"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("f64"), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("decimal"), st.builds(lambda n, s: Decimal(n).scaleb(-s), integers("I"), st.integers(0, 255))),
    st.tuples(st.just("string"), texts),
    st.tuples(st.just("string"), st.binary(max_size=20).filter(lambda raw: not utf8(raw))),
    st.tuples(st.just("bytes"), st.binary(max_size=20)),
    st.tuples(st.just("void"), st.none()),
)
names = texts.filter(lambda name: len(name.encode()) < 256)
values: st.SearchStrategy[tuple[Type, Value]] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("array"), st.lists(inner, max_size=4).map(tuple)),
        st.tuples(
            st.just("table"),
            st.lists(st.builds(lambda name, typed: (name, *typed), names, inner), max_size=4).map(tuple),
        ),
    ),
    max_leaves=10,
)
tables = st.lists(st.builds(lambda name, typed: (name, *typed), names, values), max_size=6).map(tuple)


def utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(tables)
def test_what_was_encoded_decodes_to_the_same(headers: tuple[Header, ...]) -> None:
    data = encode_table(headers)
    assert decode_table(data, 0) == (headers, len(data))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    for attempt in (data, table(data), table(b"\x01aF" + table(data)), table(b"\x01aA" + table(data))):
        try:
            _, end = decode_table(attempt, 0)
        except (Malformed, IndexError, struct.error):
            continue
        assert end <= len(attempt)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("i8", 128),
        ("u8", -1),
        ("i64", 2**63),
        ("u64", 2**63),
        ("f32", 1e39),
        ("timestamp", -1),
        ("decimal", Decimal(-1)),
        ("decimal", Decimal("NaN")),
        ("decimal", Decimal("1e-256")),
        ("decimal", Decimal(2**32)),
        ("decimal", Decimal("1e300000")),
        ("i32", "text"),
        ("string", "\ud800"),
        ("string", 5),
        ("bytes", "text"),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_unencodable(type_: Type, value: Value) -> None:
    with pytest.raises(Unmappable) as caught:
        encode_table((("a", type_, value),))
    assert caught.value.reason == "unencodable"
    assert "'a'" in str(caught.value)


def test_limits_of_encoding() -> None:
    with pytest.raises(Unmappable, match="256 bytes") as caught:
        encode_table((("é" * 128, "void", None),))
    assert caught.value.reason == "too_large"
    with pytest.raises(Unmappable) as caught:
        encode_table((("a", "void", None),) * (MAX_HEADERS + 1))
    assert caught.value.reason == "too_large"
    value: Value = ()
    for _ in range(MAX_DEPTH):
        value = (("a", "table", value),)
    with pytest.raises(Unmappable) as caught:
        encode_table((("a", "table", value),))
    assert caught.value.reason == "too_deep"


def test_every_type_of_a_header_can_be_encoded() -> None:
    samples: dict[Type, Value] = {
        "string": "",
        "bytes": b"",
        "decimal": Decimal(1),
        "void": None,
        "table": (),
        "array": (),
    }
    for type_ in get_args(Type):
        assert encode_table((("a", type_, samples.get(type_, 1)),))
