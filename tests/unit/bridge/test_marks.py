"""`fedbridge-types`: how the types of headers are marked, and read back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.marks import Dialect, MarkReader, Marks, mark_of, types_of
from bridge.message import Header, Value
from bridge.values import text_of
from tests.unit.bridge.typed import came_back, values

TEXT = Dialect(raw=False, null=False, claimed=frozenset({"kafka-key"}))
BYTES = Dialect(raw=True, null=True, claimed=frozenset())

NAMES = st.sampled_from(["a", "b", "größe", "", "fedbridge-uid"])
HEADERS: st.SearchStrategy[list[Header]] = st.lists(
    st.tuples(NAMES, values).map(lambda header: (header[0], header[1][0], header[1][1])), max_size=6
)


def typed(mark: bytes, *headers: Header, dialect: Dialect = BYTES) -> list[Header]:
    return list(MarkReader(dialect).typed(mark, headers))


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ([], None),
        ([("a", "string", "x"), ("b", "string", "")], None),
        ([("a", "void", None), ("b", "bytes", b"\xff")], None),
        ([("a", "i32", 1), ("b", "string", "x")], {"a": "i32"}),
        ([("a", "i32", 1), ("b", "void", None), ("c", "bytes", b"\xff")], {"a": "i32", "b": "void", "c": "bytes"}),
        ([("a", "bytes", b"text")], {"a": "bytes"}),
        ([("a", "string", b"\xff")], {"a": "string"}),
        ([("a", "u8", 1), ("a", "u8", 2)], {"a": "u8"}),
        ([("b", "i64", 1), ("a", "string", "x"), ("b", "string", "x")], {"b": ["i64", "string"]}),
        ([("größe", "f64", 0.5)], {"größe": "f64"}),
        ([("a", "array", (("i64", 1), ("f64", 0.5), ("bool", True), ("void", None)))], {"a": "array"}),
        ([("a", "array", (("i8", 1), ("i8", 2)))], {"a": {"array": "i8"}}),
        ([("a", "array", (("i64", 1), ("i8", 2), ("i64", 3)))], {"a": {"array": [None, "i8"]}}),
        ([("a", "array", (("u64", 1), ("u64", 1 << 63)))], {"a": {"array": ["u64"]}}),
        ([("a", "table", (("t", "timestamp", 1), ("s", "string", "")))], {"a": {"table": {"t": "timestamp"}}}),
        ([("a", "table", (("t", "i64", 1), ("t", "i8", 1)))], {"a": {"table": {"t": [None, "i8"]}}}),
        ([("a", "array", (("table", (("n", "f32", 1.0),)),) * 2)], {"a": {"array": {"table": {"n": "f32"}}}}),
        ([("a", "array", (("f64", float("nan")),)), ("a", "i8", 1)], {"a": [{"array": "f64"}, "i8"]}),
    ],
)
def test_a_mark_says_what_is_not_told_without(headers: list[Header], mark: object) -> None:
    made = mark_of(headers, BYTES)
    assert (None if made is None else json.loads(made)) == mark
    assert made is None or b" " not in made


def test_a_name_that_means_something_else_has_a_list() -> None:
    assert mark_of([("kafka-key", "string", "x")], TEXT) == b'{"kafka-key":["string"]}'
    assert mark_of([], TEXT, {"kafka-key": "bytes"}) == b'{"kafka-key":"bytes"}'
    both = mark_of([("kafka-key", "i8", 1)], TEXT, {"kafka-key": "bytes"})
    assert both == b'{"kafka-key":[{"property":"bytes"},"i8"]}'
    reader = MarkReader(TEXT)
    for mark, claims, others in (
        (b'{"kafka-key":["string"],"a":["i8"]}', {"kafka-key": 1}, {}),
        (b'{"kafka-key":"bytes","a":"i8"}', {}, {"kafka-key": "bytes"}),
        (both, {"kafka-key": 1}, {"kafka-key": "bytes"}),
    ):
        assert (reader.claims(mark), reader.others(mark)) == (claims, others)
    assert typed(both, ("kafka-key", "string", "1"), dialect=TEXT) == [("kafka-key", "i8", 1)]


def test_a_mark_that_would_be_too_long_leaves_out_what_is_inside() -> None:
    array: Header = ("a", "array", (("i8", 1), ("u8", 1)) * 10_000)
    assert mark_of([array, ("a", "i8", 1)], BYTES) == b'{"a":["array","i8"]}'
    kept = mark_of([("a", "array", (("i8", 1), ("u8", 1)) * 5000)], BYTES)
    assert kept is not None
    assert len(kept) > 50_000


def test_what_is_inside_keeps_what_its_mark_does_not_fit() -> None:
    text: Header = ("h", "string", '{"a":1,"b":[300,"x",true,null],"c":"x"}')
    marks = b'{"h":{"table":{"a":"timestamp","b":{"array":"u8"},"c":{"table":{"d":"i8"}},"e":"i8"}}}'
    inside: Value = (("i64", 300), ("string", "x"), ("bool", True), ("void", None))
    assert typed(marks, text) == [("h", "table", (("a", "i64", 1), ("b", "array", inside), ("c", "string", "x")))]
    for odd in (b'{"h":{"table":7}}', b'{"h":{"table":["i8"]}}', b'{"h":{"table":{"b":{"array":{"array":[[]]}}}}}'):
        assert typed(odd, text) == typed(b'{"h":"table"}', text)
    assert typed(b'{"h":{"array":"i8"}}', text) == [text]


def test_marks_as_deep_as_anybody_likes_do_no_harm() -> None:
    for depth in (40, 400, 4000, 100_000):
        mark = b'{"h":' + b'{"array":' * depth + b'"i8"' + b"}" * depth + b"}"
        assert typed(mark, ("h", "string", "[[1]]"))[0][0] == "h"
        lists = b'{"h":{"array":' + b"[" * depth + b"]" * depth + b"}}"
        assert typed(lists, ("h", "string", "[[1]]"))[0][0] == "h"


@pytest.mark.parametrize(
    "mark",
    [
        b'{"h":"nonsense"}',
        b'{"h":7}',
        b'{"h":[]}',
        b'{"h":["i32",7]}',
        b'{"h":{"property":[]}}',
        b'{"h":{"table":{},"array":[]}}',
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


@given(HEADERS, st.sampled_from([TEXT, BYTES]))
def test_headers_that_went_through_text_are_what_they_were(headers: list[Header], dialect: Dialect) -> None:
    headers = [came_back(header) for header in headers]
    if not dialect.raw:
        headers = [header for header in headers if header[1] != "string" or isinstance(header[2], str)]
    mark = mark_of(headers, dialect)
    text = [_as_text(header, dialect) for header in headers]
    back = text if mark is None else typed(mark, *text, dialect=dialect)
    assert repr(back) == repr(headers), "by repr, since no nan is equal to itself"


def _as_text(header: Header, dialect: Dialect) -> Header:
    name, kind, value = header
    if kind == "void" and dialect.null:
        return header
    raw = value if isinstance(value, bytes) and dialect.raw else text_of(kind, value).encode("utf-8", "surrogateescape")
    try:
        return name, "string", raw.decode()
    except UnicodeDecodeError:
        return name, "bytes", raw


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
    assert typed(b'{"h":"bytes"}', ("h", "string", "-_8="), dialect=TEXT) == [("h", "bytes", b"\xfb\xff")]
    assert typed(b'{"h":"bytes"}', ("h", "string", "no base64"), dialect=TEXT) == [("h", "string", "no base64")]


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
    remembering = MarkReader(BYTES)
    for mark, texts in given_messages:
        headers: list[Header] = [(name, "string", text) for name, text in texts]
        assert remembering.typed(mark, headers) == MarkReader(BYTES).typed(mark, headers)


@given(st.lists(HEADERS, max_size=8))
def test_what_is_remembered_of_marks_that_were_made_is_what_would_be_made(some: list[list[Header]]) -> None:
    marks = Marks(BYTES)
    for headers in some:
        text = [header for header in headers if header[1] != "string" or isinstance(header[2], str)]
        if not text:
            continue
        assert marks.learn(text) == mark_of(text, BYTES)
        shape = tuple(name for name, _, _ in text), tuple(kind for _, kind, _ in text)
        if shape in marks.known:
            assert marks.known[shape] == mark_of(text, BYTES)
        else:
            assert {"bytes", "table", "array"}.intersection(shape[1])


def test_marks_that_are_remembered_are_bounded_in_bytes() -> None:
    marks = Marks(BYTES)
    for number in range(3000):
        marks.learn([(f"h{number}", "i8", 1)])
    assert 0 < len(marks.known) <= 256
    kept = dict(marks.known)
    marks.learn([("x" * 1025, "i8", 1)])
    marks.learn([("x", "i8", 1)] * 65)
    assert marks.known == kept


def test_marks_that_were_read_and_are_remembered_are_bounded_in_bytes() -> None:
    reader = MarkReader(BYTES)
    for number in range(3000):
        reader.typed(b'{"h":"i%d"}' % number, [("h", "string", "1")])
    assert 0 < len(reader._known) <= 256
    kept = dict(reader._known)
    reader.typed(b" " * 1025, [("h", "string", "1")])
    assert reader._known == kept
