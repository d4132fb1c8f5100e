"""Typed values in TOML, which has fewer types than messages: reading them; `config.written` writes them. Pure.

    "text"  true  7  1.5                               string, bool, i64, f64
    { type = "u8", value = 7 }                         any type
    { base64 = "/w==" }                                in place of text that is not UTF-8, and for bytes
    { n = 1, twice = ["a", 2] }                        headers by their names; a list is the values of one that repeats
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
    if "base64" not in written:
        if not written:
            report(path, "needs base64")
        return b""
    text = written["base64"]
    try:
        return base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None, validate=True)
    except (TypeError, ValueError, binascii.Error):
        report((*path, "base64"), "is not base64")
        return b""


def read_headers(written: Any, report: Report, path: Path = (), depth: int = 0) -> Headers:
    """Read headers, or what is in a value of type `table`."""
    if isinstance(written, dict):
        found = [
            (name, *typed) for name, value in written.items() for typed in _repeats(value, report, (*path, name), depth)
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
    if kind is None and "value" in written:
        return _plain(written["value"], report, (*path, "value"))
    key, wrong = _mistyped(written, depth)
    if wrong:
        report((*path, key) if key else path, wrong)
    if wrong or kind == "void":
        return _UNREAD
    return str(kind), _of(str(kind), written["value"], report, (*path, "value"), depth)


def _mistyped(written: Mapping[str, Any], depth: int) -> tuple[str, str]:
    """What is wrong with a typed value beside the value itself, and at which key, "" for all of it."""
    kind = written.get("type")
    if kind is None:
        return "", "needs type and value"
    if kind not in TYPES:
        close = difflib.get_close_matches(str(kind), TYPES, 1)
        return "type", f"is not one of {', '.join(TYPES)}" + (f" (did you mean {close[0]}?)" if close else "")
    if kind == "void":
        return ("value", "void has no value") if "value" in written else ("", "")
    if "value" not in written:
        return "", f"needs value, of type {kind}"
    return "", "is nested too deep" if depth > _DEEPEST else ""


def _of(kind: str, written: Any, report: Report, path: Path, depth: int) -> Any:
    """The value of a type; None where that cannot be, which is reported."""
    if kind == "bytes":
        return read_bytes(written, report, path)
    if kind == "string":
        return _lenient(read_bytes(written, report, path))
    if kind == "table":
        return read_headers(written, report, path, depth + 1).items
    if kind == "array" and isinstance(written, list):
        return tuple(_value(each, report, (*path, at), depth + 1) for at, each in enumerate(written))
    try:
        return _SCALARS[kind](kind, written)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation):
        report(path, f"is not {_WORDS[kind]}")
        return None


def _lenient(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _boolean(kind: str, written: Any) -> bool:
    if not isinstance(written, bool):
        raise TypeError(kind)
    return written


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


def _decimal(kind: str, written: Any) -> Decimal:
    if not isinstance(written, str):
        raise TypeError(kind)
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
    "bool": _boolean,
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
