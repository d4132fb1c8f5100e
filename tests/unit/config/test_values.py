"""Durations and listeners."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from config.values import (
    Duration,
    Name,
    PositiveDuration,
    PositiveSize,
    format_duration,
    format_size,
    parse_duration,
    parse_listen,
)

UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@given(st.integers(0, 10**9), st.sampled_from(sorted(UNITS)), st.sampled_from(["", " "]))
def test_a_duration_is_a_number_and_a_unit(number: int, unit: str, space: str) -> None:
    assert parse_duration(f"{number}{space}{unit}") == number * UNITS[unit]


@given(st.text() | st.integers() | st.floats() | st.none())
def test_anything_else_is_an_error(value: object) -> None:
    try:
        seconds = TypeAdapter(Duration).validate_python(value)
    except ValidationError:
        return
    assert seconds >= 0


@pytest.mark.parametrize("value", [5, 0.5, "5", "-5s", "s", "5 parsecs", "9" * 400 + "s"])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(value)


def test_a_duration_that_must_be_positive() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PositiveDuration).validate_python("0s")


def test_a_size_has_a_unit_or_none() -> None:
    assert [TypeAdapter(PositiveSize).validate_python(value) for value in (5, "5", "2KiB")] == [5, 5, 2048]


@pytest.mark.parametrize("name", ["", "Big", "-x", "a.b", "x" * 65])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)


def test_a_listener() -> None:
    assert parse_listen("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert parse_listen("[::1]:0") == ("::1", 0)


@pytest.mark.parametrize("text", ["", "h", "h:", ":1", "h:65536", "::1:5", "h:1 "])
def test_what_is_no_listener(text: str) -> None:
    with pytest.raises(ValueError, match="not HOST:PORT"):
        parse_listen(text)


@given(st.text(st.sampled_from("12:.[]a") | st.characters(), max_size=20))
def test_any_text_is_a_listener_or_a_value_error(text: str) -> None:
    try:
        host, port = parse_listen(text)
    except ValueError:
        return
    assert host
    assert 0 <= port <= 65535


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.2, "200ms"), (1.5, "1500ms"), (30, "30s"), (60, "1min"), (90, "90s"), (7200, "2h"), (86400, "1d")],
)
def test_a_duration_is_written_in_its_largest_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=2**62))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert TypeAdapter(PositiveSize).validate_python(format_size(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, 1), (1000, 1000), (1024, "1KiB"), (32 << 20, "32MiB"), (3 << 30, "3GiB"), (1025 << 10, "1025KiB")],
)
def test_a_size_is_written_in_its_largest_unit(size: int, text: str | int) -> None:
    assert format_size(size) == text
