"""Typed values as text."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.message import Header, Type, Value
from bridge.values import rfc3339, text_of
from tests.unit.bridge.typed import values


@given(values)
@example(("timestamp", 10**18))
@example(("f64", float("nan")))
def test_no_valid_value_raises(typed: tuple[Type, Value]) -> None:
    kind, value = typed
    text = text_of(kind, value)
    text.encode("utf-8", "surrogateescape")
    if kind in ("table", "array"):
        json.loads(text)
        text.encode("utf-8")


def test_a_value_nested_32_deep() -> None:
    value: tuple[Header, ...] = (("x", "string", "end"),)
    for _ in range(31):
        value = (("x", "table", value),)
    assert text_of("table", value) == '{"x":' * 32 + '"end"' + "}" * 32


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("bool", True, "true"),
        ("bool", False, "false"),
        ("i8", -5, "-5"),
        ("u64", (1 << 64) - 1, "18446744073709551615"),
        ("f64", 0.1, "0.1"),
        ("f64", 1e300, "1e+300"),
        ("f64", float("-inf"), "-inf"),
        ("f64", float("nan"), "nan"),
        ("decimal", Decimal("1.50"), "1.50"),
        ("string", "grün", "grün"),
        ("string", b"a\xff", "a\udcff"),
        ("bytes", b"\xfb\xff", "-_8="),
        ("timestamp", 0, "1970-01-01T00:00:00Z"),
        ("timestamp", -1, "1969-12-31T23:59:59Z"),
        ("timestamp", 1_767_225_600_000_000, "1767225600000000"),
        ("void", None, ""),
        ("array", (), "[]"),
        ("table", (), "{}"),
        (
            "table",
            (("a", "array", (("i32", 1), ("void", None), ("f64", float("nan")), ("bool", True))), ("a", "bytes", b"x")),
            '{"a":[1,null,"nan",true],"a":"eA=="}',
        ),
        ("array", (("string", "ü\n"), ("string", b"\xff"), ("timestamp", 0), ("decimal", Decimal(1))),
         '["\\u00fc\\n","\\udcff","1970-01-01T00:00:00Z","1"]'),
    ],
)  # fmt: skip
def test_the_forms(kind: Type, value: Value, text: str) -> None:
    assert text_of(kind, value) == text


@given(st.floats(allow_nan=False))
def test_a_float_reads_as_the_same_number(value: float) -> None:
    assert float(text_of("f64", value)) == value


@given(st.binary())
def test_bytes_read_as_the_same(value: bytes) -> None:
    assert base64.urlsafe_b64decode(text_of("bytes", value)) == value


@given(st.datetimes(timezones=st.just(UTC)))
def test_milliseconds_read_as_the_same_time(moment: datetime) -> None:
    count = round(moment.timestamp()) * 1000 + moment.microsecond // 1000
    text = rfc3339(count, 1000)
    assert text.endswith("Z")
    if "T" in text:
        assert datetime.fromisoformat(text).timestamp() * 1000 == pytest.approx(count, abs=0.5)


def test_milliseconds_appear_where_they_are_not_0() -> None:
    assert rfc3339(1_000, 1000) == "1970-01-01T00:00:01Z"
    assert rfc3339(1_005, 1000) == "1970-01-01T00:00:01.005Z"
    assert rfc3339(-1, 1000) == "1969-12-31T23:59:59.999Z"
    assert rfc3339(10**20, 1000) == str(10**20)
