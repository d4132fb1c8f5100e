"""Filters: what a condition sees of a message, and what becomes of one it cannot judge."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.filters import _READERS, compile_filter
from bridge.message import Message
from config.conditions import SAMPLE
from tests.unit.bridge.typed import values

MESSAGE = Message(
    b'{"total": 12.5, "lines": [{"sku": "a"}, {"sku": "b"}]}',
    "uid-1",
    "orders.eu",
    "orders",
    b"k7",
    {"type": "order.created", "priority": 3, "timestamp": 1_700_000_000_250},
    (
        ("region", "string", "eu"),
        ("region", "string", "uk"),
        ("count", "i32", 7),
        ("big", "u64", 2**64 - 1),
        ("rate", "f32", 0.5),
        ("sum", "decimal", Decimal("1.25")),
        ("raw", "bytes", b"\xff"),
        ("odd", "string", b"\xff"),
        ("none", "void", None),
        ("when", "timestamp", 1_700_000_000),
        ("deep", "table", (("a", "array", (("i8", 1), ("string", "x"))),)),
    ),
)


def judged(text: str, message: Message = MESSAGE) -> bool:
    wanted = compile_filter(text)
    assert wanted is not None
    return wanted(message)


def test_no_filter_is_none() -> None:
    assert compile_filter(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "properties.type == 'order.created' && headers['region'] in ['eu', 'uk']",
        "headers.region == 'eu'",
        "headers.region == 'eu' && size(headers) == 10",
        "headers.count > 5 && headers.count == 7",
        "headers.big > 0u",
        "headers.rate == 0.5 && headers.sum < 1.5",
        "headers.raw == b'\\xff' && headers.odd == b'\\xff'",
        "headers.none == null",
        "headers['when'] == 1700000000",
        "headers.deep.a == [1, 'x']",
        "has(headers.count) && !has(headers.lacking) && 'none' in headers",
        "properties.priority < 4 && properties.timestamp == 1700000000250",
        "!has(properties.app_id)",
        "address == 'orders.eu' && routing_key == address && exchange.startsWith('ord')",
        "key == 'k7' && uid.endsWith('1')",
        "json.total > 10.0 && json.lines.exists(line, line.sku == 'b') && size(json.lines) == 2",
        "body.contains('sku') && body.matches('total.*12')",
    ],
)
def test_what_a_condition_sees(text: str) -> None:
    assert judged(text) is True
    assert judged(f"!({text})") is False


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (MESSAGE._replace(body=None), "body == null && json == null"),
        (MESSAGE._replace(body=b""), "body == '' && json == null"),
        (MESSAGE._replace(body=b"\xff"), "body == null && json == null"),
        (MESSAGE._replace(body=b"NaN"), "json == null"),
        (MESSAGE._replace(body=b"[1]"), "json[0] == 1"),
        (MESSAGE._replace(key=None, exchange=None), "key == null && exchange == null"),
        (MESSAGE._replace(key=b"\xff"), "key == b'\\xff'"),
        (MESSAGE._replace(address="a\udcff"), "address == 'a\ufffd'"),
        (MESSAGE._replace(properties={"type": "\udcff"}), "properties.type == '\ufffd'"),
        (MESSAGE._replace(headers=(("\udcff", "string", "é"),)), "headers['\ufffd'] == 'é'"),
        (MESSAGE._replace(headers=(("t", "array", (("string", "\ud83d"),)),)), "headers.t == ['\ufffd']"),
        (MESSAGE._replace(properties={"timestamp": 2**70}), "has(properties.timestamp)"),
    ],
)
def test_what_is_not_there_or_is_no_text(message: Message, text: str) -> None:
    assert judged(text, message) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("headers.lacking == 1", "the filter failed: there is no 'lacking'"),
        ("properties['app_id'] == 'a'", "the filter failed: there is no 'app_id'"),
        ("headers.count > 'a'", "the filter failed: an operation does not fit the types of its values"),
        ("headers.count.startsWith('a')", "the filter failed: startsWith does not fit the type of the value"),
        ("int(headers.region) > 1", "the filter failed: Function 'int' error: string parse error"),
        ("headers.count / 0 == 1", "the filter failed: division by zero"),
        ("headers.count + 9223372036854775807 > 0", "the filter failed: Arithmetic overflow"),
        ("json.lines[5].sku == 'a'", "the filter failed: index out of bounds: 5"),
        ("headers.region.matches(headers.region + '(')", "the filter failed: Function 'matches' error: 'eu(' not a"),
        ("json.total", "the filter gave a number, not true or false"),
        ("headers.none", "the filter gave null, not true or false"),
    ],
)
def test_a_message_that_cannot_be_judged_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unmappable) as caught:
        judged(text)
    assert caught.value.reason == "bad_filter"
    assert str(caught.value).startswith(why)
    assert "\n" not in str(caught.value)


def test_every_name_that_a_condition_may_use_is_read_with_the_type_of_the_sample() -> None:
    assert _READERS.keys() == SAMPLE.keys()
    for name, read in _READERS.items():
        assert type(read(MESSAGE)) is type(SAMPLE[name]), name


@given(st.lists(values, max_size=3), st.binary(max_size=8))
def test_no_value_of_a_header_and_no_body_breaks_a_filter(typed: list[tuple[Any, Any]], body: bytes) -> None:
    message = Message(body, "uid", headers=tuple((str(at), *each) for at, each in enumerate(typed)))
    assert judged(f"size(headers) == {len(typed)} && (body == null || size(body) >= 0) && json == json", message)


@given(st.lists(st.tuples(st.sampled_from(["a", "b-c", "d\udcff"]), values), max_size=4))
def test_what_is_read_of_the_headers_alone_judges_as_all_of_them(headers: list[tuple[str, tuple[Any, Any]]]) -> None:
    message = Message(b"", "uid", headers=tuple((name, *typed) for name, typed in headers))
    for text in ("'a' in headers", "has(headers.a) ? 'b-c' in headers : headers['b-c'] == null"):
        whole = f"({text}) && size(headers) >= 0"
        results = []
        for each in (text, whole):
            try:
                results.append(str(judged(each, message)))
            except Unmappable as error:
                results.append(str(error))
        assert results[0] == results[1]


def test_json_of_any_depth_is_judged() -> None:
    for depth in (1000, 100_000):
        assert judged("json == null || size(json) == 1", Message(b"[" * depth + b"1" + b"]" * depth, "uid"))
