"""Typed values in TOML: what is written is read back, and every mistake has its path."""

import tomllib
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Type
from config.positions import Path, dotted
from config.toml import inline
from config.typed import TYPES, Headers, read_bytes, read_headers, read_text
from config.written import written_bytes, written_headers, written_text
from tests.unit.bridge.typed import values

_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(["a", "b"])
_headers = st.lists(st.tuples(_names, values).map(lambda pair: (pair[0], *pair[1])), max_size=5).map(tuple)


def read(text: str) -> Headers:
    def wrong(path: Path, said: str) -> None:
        raise AssertionError(f"{dotted(path)}: {said}")

    return read_headers(tomllib.loads(f"headers = {text}")["headers"], wrong)


def mistakes(text: str) -> list[str]:
    found: list[str] = []
    read_headers(
        tomllib.loads(f"headers = {text}")["headers"], lambda path, said: found.append(f"{dotted(path)}: {said}")
    )
    return found


def test_the_types_are_those_of_messages() -> None:
    assert get_args(Type) == TYPES


def test_toml_has_four_types_of_its_own() -> None:
    assert read('{ s = "x", b = true, i = 7, f = 1.0 }').items == (
        ("s", "string", "x"),
        ("b", "bool", True),
        ("i", "i64", 7),
        ("f", "f64", 1.0),
    )


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ('{ type = "u8", value = 255 }', "u8", 255),
        ('{ type = "i8", value = -128 }', "i8", -128),
        ('{ type = "u64", value = 18446744073709551615 }', "u64", 2**64 - 1),
        ('{ type = "f32", value = 0.1 }', "f32", 0.10000000149011612),
        ('{ type = "f64", value = 1 }', "f64", 1.0),
        ('{ type = "decimal", value = "1.50" }', "decimal", Decimal("1.50")),
        ('{ type = "string", value = { base64 = "/w==" } }', "string", b"\xff"),
        ('{ type = "bytes", value = "x" }', "bytes", b"x"),
        ('{ type = "bytes", value = { base64 = "_-A=" } }', "bytes", b"\xff\xe0"),
        ('{ type = "timestamp", value = 1700000000 }', "timestamp", 1_700_000_000),
        ('{ type = "timestamp", value = 2023-11-14T23:13:20+01:00 }', "timestamp", 1_700_000_000),
        ('{ type = "void" }', "void", None),
        ('{ type = "array", value = [1, { type = "u8", value = 2 }] }', "array", (("i64", 1), ("u8", 2))),
        ('{ type = "table", value = { a = ["x", 1] } }', "table", (("a", "string", "x"), ("a", "i64", 1))),
    ],
)
def test_other_types_are_stated(text: str, kind: str, value: Any) -> None:
    ((name, its, got),) = read(f"{{ h = {text} }}").items
    assert (name, its, got, type(got)) == ("h", kind, value, type(value))


def test_a_list_repeats_a_name_or_has_all_headers_in_order() -> None:
    assert read('{ a = ["x", 1], b = true }') == Headers((("a", "string", "x"), ("a", "i64", 1), ("b", "bool", True)))
    text = '[{ name = "a", value = "x" }, { name = "b", value = true }, { name = "a", type = "i64", value = 1 }]'
    assert read(text) == Headers((("a", "string", "x"), ("b", "bool", True), ("a", "i64", 1)), ordered=True)


@given(_headers)
def test_headers_are_read_as_they_were_written(headers: tuple[Any, ...]) -> None:
    kept = tuple((name, kind, _text(value) if kind == "string" else value) for name, kind, value in headers)
    assert repr(_inner(read(inline(written_headers(kept))).items)) == repr(_inner(kept))


@given(st.binary())
def test_bytes_and_text_are_read_as_they_were_written(raw: bytes) -> None:
    problems: list[Any] = []
    assert read_bytes(written_bytes(raw), lambda *problem: problems.append(problem)) == raw
    text = raw.decode("utf-8", "surrogateescape")
    assert read_text(written_text(text), lambda *problem: problems.append(problem)) == text
    assert not problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1", [": is not a table of headers by their names, or a list of { name, type, value }"]),
        ("{ a = [] }", ["a: is an empty list: of a name that repeats it has the values"]),
        ("{ a = 2026-01-01 }", ["a: is not text, a number, true, false or { type, value }"]),
        ("{ a = [[1]] }", ["a[0]: is not text, a number, true, false or { type, value }"]),
        ("{ a = {} }", ["a: needs type and value"]),
        ('{ a = { type = "i31" } }', [f"a.type: is not one of {', '.join(TYPES)} (did you mean i32?)"]),
        ("{ a = { type = [] } }", [f"a.type: is not one of {', '.join(TYPES)}"]),
        ('{ a = { type = "i32" } }', ["a: needs value, of type i32"]),
        ('{ a = { typ = "i32", value = 1 } }', ["a.typ: unknown key (did you mean type?)"]),
        ('{ a = { type = "void", value = 1 } }', ["a.value: void has no value"]),
        ('{ a = { type = "u8", value = 256 } }', ["a.value: is not a whole number of 8 bits, 0 or more"]),
        ('{ a = { type = "i16", value = true } }', ["a.value: is not a whole number of 16 bits"]),
        ("{ a = 9223372036854775808 }", ["a: is not a whole number of 64 bits"]),
        ('{ a = { type = "f32", value = 1e300 } }', ["a.value: is not a number of 32 bits"]),
        ('{ a = { type = "decimal", value = 1.5 } }', ['a.value: is not a decimal number in quotes, such as "1.50"']),
        ('{ a = { type = "decimal", value = "x" } }', ['a.value: is not a decimal number in quotes, such as "1.50"']),
        ('{ a = { type = "bool", value = "true" } }', ["a.value: is not true or false"]),
        ('{ a = { type = "bytes", value = 1 } }', ['a.value: is not text, or { base64 = "…" }']),
        ('{ a = { type = "bytes", value = { base64 = "a" } } }', ["a.value.base64: is not base64"]),
        ('{ a = { type = "bytes", value = { base64 = 1 } } }', ["a.value.base64: is not base64"]),
        ('{ a = { type = "bytes", value = {} } }', ["a.value: needs base64"]),
        (
            '{ a = { type = "timestamp", value = 2026-01-01T00:00:00 } }',
            ["a.value: is not seconds since 1970, or a time with its zone, in whole seconds"],
        ),
        ('{ a = { type = "array", value = {} } }', ["a.value: is not a list"]),
        (
            '{ a = { type = "array", value = [1, { type = "u8", value = -1 }] }, b = { type = "u8", value = "1" } }',
            [
                "a.value[1].value: is not a whole number of 8 bits, 0 or more",
                "b.value: is not a whole number of 8 bits, 0 or more",
            ],
        ),
        ("[1]", ["[0]: is not { name, type, value }"]),
        ('[{ nam = "a", value = 1 }]', ["[0].nam: unknown key (did you mean name?)", "[0]: needs name"]),
        (
            '[{ name = "a", value = { type = "u8" } }]',
            ["[0].value: is not text, a number, true, false or { type, value }"],
        ),
    ],
)
def test_every_mistake_is_told_where_it_is(text: str, told: list[str]) -> None:
    assert mistakes(text) == told


def test_tables_in_tables_end_somewhere() -> None:
    def nested(depth: int) -> Any:
        return {"type": "array", "value": [nested(depth - 1)]} if depth else 1

    found: list[str] = []
    read_headers({"a": nested(33)}, lambda _, text: found.append(text))
    assert found == []
    read_headers({"a": nested(400)}, lambda _, text: found.append(text))
    assert found == ["is nested too deep"]


def _text(value: Any) -> Any:
    """Strings as decoders give them: bytes only where they are not UTF-8."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _inner(items: Any) -> Any:
    """Strings inside of tables and arrays in that form too."""
    if isinstance(items, tuple) and len(items) >= 2 and items[-2] in TYPES:
        kind, value = items[-2:]
        return (*items[:-2], kind, _text(value) if kind == "string" else _inner(value))
    return tuple(map(_inner, items)) if isinstance(items, tuple) else items
