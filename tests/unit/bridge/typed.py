"""Typed values for hypothesis: pairs of a type and a value of it."""

from typing import Any, cast

from hypothesis import strategies as st

from bridge.message import Element, Header, Type, Value

BITS = {"i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "u32": 32, "i64": 64, "u64": 64}


def _integers(kind: str) -> st.SearchStrategy[tuple[Any, Any]]:
    top = 1 << BITS[kind]
    bounds = (0, top - 1) if kind[0] == "u" else (-top // 2, top // 2 - 1)
    return st.tuples(st.just(kind), st.integers(*bounds))


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

scalars: st.SearchStrategy[tuple[Any, Any]] = st.one_of(
    st.tuples(st.just("bool"), st.booleans()),
    *(_integers(kind) for kind in BITS),
    st.tuples(st.just("timestamp"), st.integers(-(1 << 63), (1 << 64) - 1) | st.integers(-(1 << 36), 1 << 38)),
    st.tuples(st.just("f32"), st.floats(width=32)),
    st.tuples(st.just("f64"), st.floats()),
    st.tuples(st.just("decimal"), st.decimals()),
    st.tuples(st.just("string"), _text),
    st.tuples(st.just("bytes"), st.binary(max_size=8)),
    st.tuples(st.just("void"), st.none()),
)
"""Values that are neither tables nor arrays."""


def _nested(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    named = st.tuples(_text, inner).map(lambda pair: (pair[0], *pair[1]))
    return st.tuples(st.just("array"), st.lists(inner, max_size=4).map(tuple)) | st.tuples(
        st.just("table"), st.lists(named, max_size=4).map(tuple)
    )


values: st.SearchStrategy[tuple[Any, Any]] = st.recursive(
    scalars | st.tuples(st.just("string"), st.binary(max_size=8)), _nested, max_leaves=12
)
"""Values of every type; strings may be bytes that are not UTF-8."""


def came_back(header: Header) -> Header:
    """A header as it comes back: as it was, but that strings which are not UTF-8 are bytes."""
    name, kind, value = header
    return name, *_whole(kind, value)


def _whole(kind: Type, value: Value) -> Element:
    match kind:
        case "table":
            return kind, tuple((name, *_whole(its, item)) for name, its, item in cast("tuple[Header, ...]", value))
        case "array":
            return kind, tuple(_whole(*element) for element in cast("tuple[Element, ...]", value))
        case "string":
            raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
            try:
                return kind, raw.decode()
            except UnicodeDecodeError:
                return kind, raw
        case _:
            return kind, value
