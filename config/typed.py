"""Typed values in TOML, which has fewer types than messages: reading and writing them. Pure.

    "text"  true  7  1.5                               string, bool, i64, f64
    { type = "u8", value = 7 }                         any type
    { base64 = "/w==" }                                in place of text that is not UTF-8, and for bytes
    { n = 1, repeated = ["a", 2] }                     headers by their names; a list is the values of a name that repeats
    [{ name = "n", type = "u8", value = 7 }, …]        headers in their order

Headers and their values are plain tuples here, as `bridge.message` has them.
"""

import base64
import binascii
import difflib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeAlias

from config.positions import Path

Report: TypeAlias = Callable[[Path, str], None]
"""Takes what is wrong: the path of it, beginning at what is read, and a sentence."""

_BITS: Final = {"i8": 8, "u8": 8, "i16": 16, "u16": 16, "i32": 32, "u32": 32, "i64": 64, "u64": 64}
TYPES: Final = ("bool", *_BITS, "f32", "f64", "decimal", "string", "bytes", "timestamp", "table", "array", "void")
"""The types of a header's value, as `bridge.message.Type` has them."""

_DEEPEST: Final = 32  # tables in tables
_UNREAD: Final = ("void", None)  # stands for a value that was reported


class Headers(NamedTuple):
    """Headers as triples of name, type and value; `ordered` says that their order was written too."""

    items: tuple[tuple[str, str, Any], ...] = ()
    ordered: bool = False


def read_text(written: Any, report: Report, path: Path = ()) -> str:
    """Read text, or { base64 = … } of what is not UTF-8, which comes with surrogate escapes."""
    return read_bytes(written, report, path).decode("utf-8", "surrogateescape")


def read_bytes(written: Any, report: Report, path: Path = ()) -> bytes:
    """Read text as its UTF-8, or { base64 = … }."""
    if isinstance(written, str):
        return written.encode()
    if not isinstance(written, dict):
        report(path, 'is not text, or { base64 = "…" }')
        return b""
    _only(written, ("base64",), report, path)
    text = written.get("base64")
    if text is None:
        report(path, "needs base64")
        return b""
    try:
        return base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None, validate=True)
    except (TypeError, ValueError, binascii.Error):
        report((*path, "base64"), "is not base64")
        return b""


def read_headers(written: Any, report: Report, path: Path = (), depth: int = 0) -> Headers:
    """Read headers, or what is in a value of type `table`."""
    if isinstance(written, dict):
        found = [
            (name, *typed)
            for name, value in written.items()
            for typed in _repeats(value, report, (*path, name), depth)
        ]
        return Headers(tuple(found))
    if isinstance(written, list):
        return Headers(tuple(_named(each, report, (*path, at), depth) for at, each in enumerate(written)), ordered=True)
    report(path, "is not a table of headers by their names, or a list of { name, type, value }")
    return Headers()


def _repeats(written: Any, report: Report, path: Path, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(written, list):
        yield _value(written, report, path, depth)
        return
    if not written:
        report(path, "is an empty list: of a name that repeats it has the values")
    for at, each in enumerate(written):
        yield _value(each, report, (*path, at), depth)


def _named(written: Any, report: Report, path: Path, depth: int) -> tuple[str, str, Any]:
    if not isinstance(written, dict):
        report(path, "is not { name, type, value }")
        return ("", *_UNREAD)
    _only(written, ("name", "type", "value"), report, path)
    if "name" not in written:
        report(path, "needs name")
    name = read_text(written["name"], report, (*path, "name")) if "name" in written else ""
    return (name, *_typed({key: value for key, value in written.items() if key != "name"}, report, path, depth))


def _value(written: Any, report: Report, path: Path, depth: int) -> tuple[str, Any]:
    """The type and the value of what stands for one."""
    if isinstance(written, dict):
        _only(written, ("type", "value"), report, path)
        return _typed(written, report, path, depth)
    return _plain(written, report, path)


def _plain(written: Any, report: Report, path: Path) -> tuple[str, Any]:
    kind = {bool: "bool", int: "i64", float: "f64", str: "string"}.get(type(written))
    if kind is None:
        report(path, "is not text, a number, true, false or { type, value }")
        return _UNREAD
    return kind, _of(kind, written, report, path, 0)


def _typed(written: Mapping[str, Any], report: Report, path: Path, depth: int) -> tuple[str, Any]:
    kind = written.get("type")
    if kind is None:
        if "value" in written:
            return _plain(written["value"], report, (*path, "value"))
        report(path, "needs type and value")
        return _UNREAD
    if kind not in TYPES:
        close = difflib.get_close_matches(str(kind), TYPES, 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        report((*path, "type"), f"is not a type: {', '.join(TYPES)}{hint}")
        return _UNREAD
    if kind == "void":
        if "value" in written:
            report((*path, "value"), "void has no value")
        return _UNREAD
    if "value" not in written:
        report(path, f"needs value, of type {kind}")
        return _UNREAD
    if depth > _DEEPEST:
        report(path, "is nested too deep")
        return _UNREAD
    return kind, _of(kind, written["value"], report, (*path, "value"), depth)


def _of(kind: str, written: Any, report: Report, path: Path, depth: int) -> Any:
    """The value of a type; None where that cannot be, which is reported."""
    match kind:
        case "string":
            raw = read_bytes(written, report, path)
            try:
                return raw.decode()
            except UnicodeDecodeError:
                return raw
        case "bytes":
            return read_bytes(written, report, path)
        case "table":
            return read_headers(written, report, path, depth + 1).items
        case "array" if isinstance(written, list):
            return tuple(_value(each, report, (*path, at), depth + 1) for at, each in enumerate(written))
        case "bool" if isinstance(written, bool):
            return written
    try:
        return _SCALARS[kind](kind, written)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation):
        report(path, f"is not {_WORDS.get(kind, kind)}")
        return None


def _integer(kind: str, written: Any) -> int:
    bits = _BITS[kind]
    low, high = (0, 1 << bits) if kind[0] == "u" else (-1 << bits - 1, 1 << bits - 1)
    if isinstance(written, bool) or not isinstance(written, int) or not low <= written < high:
        raise ValueError(kind)
    return written


def _float(kind: str, written: Any) -> float:
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise TypeError(kind)
    return float(written) if kind == "f64" else float(struct.unpack(">f", struct.pack(">f", written))[0])


def _decimal(_kind: str, written: Any) -> Decimal:
    if not isinstance(written, str):
        raise TypeError(_kind)
    return Decimal(written)


def _moment(kind: str, written: Any) -> int:
    if isinstance(written, datetime):
        if written.tzinfo is None or written.microsecond:
            raise ValueError(kind)
        since = written - datetime(1970, 1, 1, tzinfo=UTC)
        return since.days * 86400 + since.seconds
    if isinstance(written, bool) or not isinstance(written, int) or not -(2**63) <= written < 2**64:
        raise ValueError(kind)
    return written


_SCALARS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(_BITS, _integer),
    "f32": _float,
    "f64": _float,
    "decimal": _decimal,
    "timestamp": _moment,
}
_WORDS: Final = {
    **{
        kind: f"a whole number of {bits} bits" + (", 0 or more" if kind[0] == "u" else "")
        for kind, bits in _BITS.items()
    },
    "bool": "true or false",
    "f32": "a number of 32 bits",
    "f64": "a number",
    "decimal": 'a decimal number in quotes, such as "1.50"',
    "timestamp": "seconds since 1970, or a time with its zone, in whole seconds",
    "array": "a list",
}


def _only(table: Mapping[str, Any], known: Sequence[str], report: Report, path: Path) -> None:
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            report((*path, key), f"unknown key ({hint})")


def written_bytes(raw: bytes) -> Any:
    """Write bytes as `read_bytes` reads them: as text where they are UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def written_text(text: str) -> Any:
    """Write text as `read_text` reads it; raises UnicodeEncodeError for what no bytes stand for."""
    return text if text.isascii() else written_bytes(text.encode("utf-8", "surrogateescape"))


def written_value(kind: str, value: Any) -> Any:
    """Write a value of a type, as short as it can be."""
    match kind:
        case "bool" | "i64" | "f64":
            return value
        case "string":
            text = written_text(value) if isinstance(value, str) else written_bytes(value)
            return text if isinstance(text, str) else {"type": kind, "value": text}
        case "void":
            return {"type": kind}
        case "bytes":
            return {"type": kind, "value": written_bytes(value)}
        case "decimal":
            return {"type": kind, "value": str(value)}
        case "array":
            return {"type": kind, "value": [written_value(*each) for each in value]}
        case "table":
            return {"type": kind, "value": written_headers(value)}
        case _:
            return {"type": kind, "value": value}


def written_headers(items: Sequence[tuple[str, str, Any]]) -> Any:
    """Write headers by their names where that says their order too, else as a list."""
    names = [name for name, _, _ in items]
    grouped: dict[str, list[Any]] = {}
    for name, kind, value in items:
        grouped.setdefault(name, []).append(written_value(kind, value))
    in_order = [name for name, values in grouped.items() for _ in values]
    if names == in_order and all(isinstance(written_text(name), str) for name in grouped):
        return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
    return [_written_header(*each) for each in items]


def _written_header(name: str, kind: str, value: Any) -> dict[str, Any]:
    written = written_value(kind, value)
    typed = written if isinstance(written, dict) else {"value": written}
    return {"name": written_text(name), **typed}
