"""Typed values out of their text."""

import math
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.message import Element, Header, Type, Value
from bridge.parsing import number_of, value_of
from bridge.values import text_of
from tests.unit.bridge.typed import scalars, values


@given(scalars)
@example(("f64", math.nan))
@example(("timestamp", 10**18))
@example(("timestamp", -62135596801))
def test_what_was_written_as_text_is_what_it_was(typed: tuple[Type, Value]) -> None:
    kind, value = typed
    assert repr(value_of(kind, text_of(kind, value))) == repr(value), "by repr, since no nan is equal to itself"


@given(values)
@example(("array", (("f64", math.inf), ("f32", 1e30), ("decimal", 1), ("bytes", b"\xff"))))
@example(("table", (("a", "i8", 1), ("a", "table", ()))))
def test_what_json_leaves_of_a_table_or_an_array_does_not_change_again(typed: tuple[Type, Value]) -> None:
    kind, value = typed
    text = text_of(kind, value)
    assert text_of(kind, value_of(kind, text)) == text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("i32", "-7", -7),
        ("u64", "18446744073709551615", 2**64 - 1),
        ("f32", "0.1", 0.1),
        ("f64", "-inf", -math.inf),
        ("bytes", "-_8=", b"\xfb\xff"),
        ("timestamp", "2023-11-14T22:13:20Z", 1_700_000_000),
        ("timestamp", "-62135596801", -62135596801),
        ("array", '[null,true,"x",0.5,9223372036854775808]',
         (("void", None), ("bool", True), ("string", "x"), ("f64", 0.5), ("u64", 2**63))),
        ("table", '{"a":1,"a":{}}', (("a", "i64", 1), ("a", "table", ()))),
    ],
)  # fmt: skip
def test_the_forms(kind: Type, text: str, value: Value) -> None:
    assert value_of(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bool", "yes"),
        ("bool", "True"),
        ("i32", "seven"),
        ("i32", "007"),
        ("i32", "+7"),
        ("i32", "7_0"),
        ("i32", " 7"),
        ("i32", "\u0667"),
        ("i32", "2147483648"),
        ("i8", "-129"),
        ("u8", "-1"),
        ("u8", "-0"),
        ("u64", "18446744073709551616"),
        ("i64", "9" * 5000),
        ("f64", "1e400"),
        ("f64", "Infinity"),
        ("f64", ""),
        ("f32", "1e39"),
        ("decimal", "many"),
        ("timestamp", "2023-99-99T00:00:00Z"),
        ("timestamp", "2023-11-14T22:13:20.250Z"),
        ("timestamp", "2023-11-14T22:13:20+00:00"),
        ("timestamp", "1700000000"),
        ("timestamp", "18446744073709551616"),
        ("timestamp", "-" + "9" * 30),
        ("bytes", "a+/="),
        ("bytes", "-_8"),
        ("table", "[]"),
        ("table", '{"a":'),
        ("table", "7"),
        ("array", "{}"),
        ("array", "[1e400]"),
        ("array", "[NaN]"),
        ("array", "[18446744073709551616]"),
        ("array", "[-9223372036854775809]"),
        ("array", "[" * 40 + "]" * 40),
        ("array", "[" * 5000),
        ("void", "text"),
    ],
)
def test_what_is_no_value_of_its_type_is_refused(kind: Type, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        value_of(kind, text)


def test_what_is_32_deep_is_read() -> None:
    value: tuple[Header, ...] = (("x", "string", "end"),)
    for _ in range(31):
        value = (("x", "table", value),)
    assert value_of("table", text_of("table", value)) == value
    elements: tuple[Element, ...] = ()
    for _ in range(32):
        elements = (("array", elements),)
    assert value_of("array", text_of("array", elements)) == elements


@given(st.sampled_from(get_args(Type)), st.text() | st.from_regex(r'[0-9.eE+\-TZ:{}\[\]",]{0,20}'))
def test_any_text_is_a_value_or_a_value_error(kind: Type, text: str) -> None:
    try:
        value = value_of(kind, text)
    except ValueError:
        return
    text_of(kind, value)


@given(st.integers(-(10**22), 10**22))
def test_a_number_is_read_as_it_is_written(number: int) -> None:
    assert number_of(b"%d" % number) == number


@pytest.mark.parametrize("raw", [b"", b"-", b"-0", b"007", b"+1", b"1.0", b" 1", b"1_0", "٣".encode(), b"9" * 25])
def test_what_is_not_written_as_a_number_is_none(raw: bytes) -> None:
    assert number_of(raw) is None
