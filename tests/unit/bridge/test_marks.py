"""`fedbridge-types`: how the types of headers are marked, and read back."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.marks import MarkReader, Marks, Shape, mark_of, types_of
from bridge.message import Header, Type, Value
from bridge.values import text_of
from tests.unit.bridge.typed import scalars

NAMES = st.sampled_from(["a", "b", "größe", "", "fedbridge-uid"])
HEADERS: st.SearchStrategy[list[Header]] = st.lists(
    st.tuples(NAMES, scalars).map(lambda header: (header[0], header[1][0], header[1][1])), max_size=6
)


def shape_of(headers: Sequence[Header]) -> Shape:
    return tuple(name for name, _, _ in headers), tuple(kind for _, kind, _ in headers)


def typed(mark: bytes, *headers: Header, raw: bool = True) -> list[Header]:
    return list(MarkReader(raw=raw).typed(mark, headers))


@pytest.mark.parametrize(
    ("names", "kinds", "mark"),
    [
        ((), (), None),
        (("a", "b"), ("string", "string"), None),
        (("a", "b"), ("i32", "string"), {"a": "i32"}),
        (("a", "a"), ("u8", "u8"), {"a": "u8"}),
        (("b", "a", "b"), ("i64", "string", "string"), {"b": ["i64", "string"]}),
        (("größe",), ("f64",), {"größe": "f64"}),
    ],
)
def test_a_mark_says_what_is_not_a_string(names: tuple[str, ...], kinds: tuple[Type, ...], mark: object) -> None:
    made = mark_of((names, kinds))
    assert (None if made is None else json.loads(made)) == mark
    assert made is None or b" " not in made


@pytest.mark.parametrize("kind", ["string", "i8"])
def test_a_name_that_is_not_text_has_no_mark(kind: Type) -> None:
    marks = Marks()
    with pytest.raises(UnicodeEncodeError):
        marks.learn((("\udcff",), (kind,)))
    assert not marks.known


@pytest.mark.parametrize(
    "mark",
    [
        b'{"h":"nonsense"}',
        b'{"h":7}',
        b'{"h":[]}',
        b'{"h":["i32",7]}',
        b'{"h":{"h":"i32"}}',
        b'{"h":null}',
        b"not JSON",
        b"\xff",
        b"[1]",
        b'"i32"',
        b"[" * 100_000,
        b"",
    ],
)
def test_what_is_no_mark_types_nothing(mark: bytes) -> None:
    assert types_of(mark) == {}
    assert typed(mark, ("h", "string", "7")) == [("h", "string", "7")]


def test_a_part_of_a_mark_that_is_none_costs_the_others_nothing() -> None:
    assert types_of(b'{"h":"nonsense","n":"i8"}') == {"n": "i8"}


@given(HEADERS, st.booleans())
def test_headers_that_went_through_text_are_what_they_were(headers: list[Header], raw: bool) -> None:
    mark = mark_of(shape_of(headers))
    text: list[Header] = [
        (name, "bytes", value) if raw and kind == "bytes" else (name, "string", text_of(kind, value))
        for name, kind, value in headers
    ]
    back = text if mark is None else typed(mark, *text, raw=raw)
    assert repr(back) == repr(headers), "by repr, since no nan is equal to itself"


@pytest.mark.parametrize(
    ("mark", "header", "expected"),
    [
        (b'{"h":"i32"}', ("h", "string", "seven"), ("h", "string", "seven")),
        (b'{"h":"table"}', ("h", "string", "[]"), ("h", "string", "[]")),
        (b'{"h":"i32"}', ("h", "bytes", b"\xff"), ("h", "bytes", b"\xff")),
        (b'{"h":"table"}', ("h", "bytes", b"\xff"), ("h", "bytes", b"\xff")),
        (b'{"h":"string"}', ("h", "bytes", b"\xff"), ("h", "string", b"\xff")),
        (b'{"h":"bytes"}', ("h", "bytes", b"\xff"), ("h", "bytes", b"\xff")),
        (b'{"h":"bytes"}', ("h", "string", "text"), ("h", "bytes", b"text")),
        (b'{"h":"i32"}', ("h", "void", None), ("h", "void", None)),
        (b'{"h":"void"}', ("h", "void", None), ("h", "void", None)),
        (b'{"h":"void"}', ("h", "string", ""), ("h", "void", None)),
        (b'{"h":"void"}', ("h", "string", "text"), ("h", "string", "text")),
        (b'{"other":"i32"}', ("h", "string", "7"), ("h", "string", "7")),
    ],
)
def test_what_does_not_fit_its_type_stays_as_it_is(mark: bytes, header: Header, expected: Header) -> None:
    assert typed(mark, header) == [expected]


def test_bytes_are_base64_where_they_cannot_cross_as_they_are() -> None:
    assert typed(b'{"h":"bytes"}', ("h", "string", "-_8="), raw=False) == [("h", "bytes", b"\xfb\xff")]
    assert typed(b'{"h":"bytes"}', ("h", "string", "no base64"), raw=False) == [("h", "string", "no base64")]


def test_repeated_headers_have_a_type_each() -> None:
    headers: list[Header] = [("h", "string", "1"), ("h", "string", "x"), ("h", "string", "2")]
    assert typed(b'{"h":["i32","string"]}', *headers) == [("h", "i32", 1), ("h", "string", "x"), ("h", "string", "2")]
    assert typed(b'{"h":"i32"}', *headers) == [("h", "i32", 1), ("h", "string", "x"), ("h", "i32", 2)]


MARKS = st.sampled_from([b'{"a":"i8"}', b'{"a":["bool","i8"]}', b'{"b":"array"}', b"[1]", b"", b" " * 2000])
TEXTS: st.SearchStrategy[Value] = st.sampled_from(["1", "true", "[1]", ""])


@given(st.lists(st.tuples(MARKS, st.lists(st.tuples(NAMES, TEXTS), max_size=4)), max_size=8))
def test_what_is_remembered_of_marks_that_were_read_changes_nothing(
    given_messages: list[tuple[bytes, list[tuple[str, Value]]]],
) -> None:
    remembering = MarkReader(raw=True)
    for mark, texts in given_messages:
        headers: list[Header] = [(name, "string", text) for name, text in texts]
        assert remembering.typed(mark, headers) == MarkReader(raw=True).typed(mark, headers)


@given(st.lists(HEADERS, max_size=8))
def test_what_is_remembered_of_marks_that_were_made_is_what_would_be_made(some: list[list[Header]]) -> None:
    marks = Marks()
    for headers in some:
        shape = shape_of(headers)
        assert marks.learn(shape) == mark_of(shape)
        assert marks.known[shape] == mark_of(shape)


def test_marks_that_are_remembered_are_bounded_in_bytes() -> None:
    marks = Marks()
    for number in range(3000):
        marks.learn(((f"h{number}",), ("i8",)))
    assert 0 < len(marks.known) <= 256
    kept = dict(marks.known)
    marks.learn((("x" * 1025,), ("i8",)))
    marks.learn((("x",) * 65, ("i8",) * 65))
    assert marks.known == kept


def test_marks_that_were_read_and_are_remembered_are_bounded_in_bytes() -> None:
    reader = MarkReader(raw=True)
    for number in range(3000):
        reader.typed(b'{"h":"i%d"}' % number, [("h", "string", "1")])
    assert 0 < len(reader._known) <= 256
    kept = dict(reader._known)
    reader.typed(b" " * 1025, [("h", "string", "1")])
    assert reader._known == kept
