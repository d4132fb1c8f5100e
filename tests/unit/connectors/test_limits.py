"""Depth, count and bytes: what is beyond a limit is refused with a reason, or stays as it is, and nothing recurses."""

import struct
from collections.abc import Callable

import pytest

from bridge.errors import Unmappable
from bridge.message import Header, Message, Undecodable, Value
from bridge.raw import Pairs
from connectors.amqp.codec import RawDelivery, decode
from connectors.amqp.tables import MAX_DEPTH, MAX_HEADERS
from connectors.redis.codec import Encoder as RedisEncoder
from tests.unit.connectors.carriers import CARRIERS
from tests.unit.connectors.kafka import messages as kafka
from tests.unit.connectors.redis import entries as redis

DEEPEST = MAX_DEPTH - 1  # levels of a header's value: the table of headers is one


def arrays(levels: int) -> Value:
    value: Value = (("i8", 1),)
    for _ in range(levels - 1):
        value = (("array", value),)
    return value


def tables(levels: int) -> Value:
    value: Value = (("end", "i8", 1),)
    for _ in range(levels - 1):
        value = (("in", "table", value),)
    return value


def message(*headers: Header, body: bytes = b"") -> Message:
    return Message(body, "u", headers=headers)


def reason(send: Callable[[], object]) -> str:
    with pytest.raises(Unmappable) as caught:
        send()
    assert len(str(caught.value)) < 400
    return caught.value.reason


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("header", [("a", "array", arrays(DEEPEST)), ("a", "table", tables(DEEPEST))])
def test_what_rabbitmq_gives_at_its_deepest_crosses_whole(name: str, header: Header) -> None:
    assert repr(tuple(CARRIERS[name](message(header)).headers)) == repr((header,))


@pytest.mark.parametrize("name", CARRIERS)
@pytest.mark.parametrize("levels", [1_000, 5_000, 50_000])
@pytest.mark.parametrize("shape", [arrays, tables])
def test_what_is_too_deep_is_unmappable(name: str, levels: int, shape: Callable[[int], Value]) -> None:
    kind = "array" if shape is arrays else "table"
    deep: Header = ("a", kind, shape(levels))  # type: ignore[assignment]
    assert reason(lambda: CARRIERS[name](message(deep))) == "too_deep"
    assert reason(lambda: CARRIERS[name](message(deep, deep))) == "too_deep", "merged, or marked as a list"
    assert reason(lambda: CARRIERS["amqp"](message(("x-death", *deep[1:])))) == "too_deep"


@pytest.mark.parametrize("levels", [DEEPEST + 1, 500, 100_000])
def test_what_is_too_deep_in_the_text_of_a_header_stays_text(levels: int) -> None:
    text, mark = "[" * levels + "]" * levels, b'{"a":' + b'{"array":' * levels + b'"i8"' + b"}" * (levels + 1)
    for its in (b'{"a":"array"}', mark):
        record: Pairs = [("a", text.encode()), ("fedbridge-types", its)]
        entry = [(b"body", b""), (b"h:a", text.encode()), (b"fedbridge-types", its)]
        for found in (kafka.decoded(record).headers, redis.decoded(entry).headers):
            assert list(found) == [("a", "string", text)] or (levels == DEEPEST + 1 and found[0][1] == "array")


def raw(table: bytes) -> RawDelivery:
    return RawDelivery(1, False, b"ex", b"key", struct.pack(">HI", 1 << 13, len(table)) + table, b"body")


@pytest.mark.parametrize("levels", [MAX_DEPTH, 400, 20_000])
def test_tables_too_deep_in_what_rabbitmq_gives_are_undecodable(levels: int) -> None:
    table = b"\1aV"
    for _ in range(levels):
        table = b"\1aF" + struct.pack(">I", len(table)) + table
    found = decode(raw(table), "u")
    assert isinstance(found, Undecodable)
    assert (found.reason, found.body) == ("too_deep", b"body")


@pytest.mark.parametrize("count", [MAX_HEADERS, MAX_HEADERS + 1])
def test_more_headers_than_anybody_has(count: int) -> None:
    many: list[Header] = [(f"h{number}", "void", None) for number in range(count)]
    found = decode(raw(b"".join(bytes((len(name),)) + name.encode() + b"V" for name, _, _ in many)), "u")
    repeats: list[Header] = [("a", "void", None)] * count
    repeated: Header = ("a", "array", (("void", None),) * count)
    if count > MAX_HEADERS:
        assert isinstance(found, Undecodable)
        assert found.reason == "too_many_headers"
        assert reason(lambda: CARRIERS["amqp"](message(repeated))) == "too_large"
        assert reason(lambda: CARRIERS["amqp"](message(*repeats))) == "too_large"
    else:
        assert isinstance(found, Message)
        assert len(CARRIERS["amqp"](message(repeated)).headers) == 1
        assert len(CARRIERS["amqp"](message(*repeats)).headers) == count
    for name in ("kafka", "redis"):
        assert list(CARRIERS[name](message(*many)).headers) == many


def test_more_bytes_than_fit() -> None:
    large = message(("a", "string", "x" * 70_000))
    assert reason(lambda: CARRIERS["mqtt"](large)) == "too_large"
    assert reason(lambda: CARRIERS["amqp"](message(("a", "bytes", bytes(1 << 20))))) == "too_large", "than a frame"
    assert reason(lambda: RedisEncoder(None, 1000).add(large, b"s", [])) == "too_large"
    assert reason(lambda: CARRIERS["mqtt"](message(("a", "array", (("i64", 1 << 60),) * 4000)))) == "too_large"
