"""What JSON does not tell of the types inside a table or an array, as `bridge.marks` writes it. Pure."""

import math
from collections.abc import Iterable
from typing import Any, Final, cast

from bridge.message import Element, Header, Type, Value
from bridge.parsing import Mark

_NESTING: Final = frozenset({"table", "array"})
_TOLD: Final = frozenset({"string", "bool", "i64", "void"})  # by JSON, whatever the value


def inside(kind: str, value: Value) -> Mark | None:
    """Give the mark of what JSON does not tell of what is inside a table or an array; None if nothing."""
    if kind == "table":
        named: dict[str, list[Mark | None]] = {}
        for name, inner, item in cast("Iterable[Header]", value):
            named.setdefault(name, []).append(_inner(inner, item))
        marks = {name: _summed(each) for name, each in named.items() if any(each)}
        return {kind: marks} if marks else None
    if kind == "array":
        each = [_inner(*element) for element in cast("Iterable[Element]", value)]
        return {kind: _summed(each)} if any(each) else None
    return None


def _inner(kind: Type, value: Value) -> Mark | None:
    """What JSON does not tell of something inside a table or an array."""
    if kind in _TOLD:
        return None
    if kind in _NESTING:
        return inside(kind, value)
    if kind == "f64":
        return None if math.isfinite(cast("float", value)) else kind
    if kind == "u64":
        return None if cast("int", value) >= 1 << 63 else kind
    return kind


def _summed(each: list[Mark | None]) -> Any:
    """One mark if it is that of all, and else all of them, up to the last that says something."""
    if all(mark == each[0] for mark in each):
        return each[0]
    while each[-1] is None:
        each.pop()
    return each
