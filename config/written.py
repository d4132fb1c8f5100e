"""Typed values in TOML: writing them as `config.typed` reads them, as short as they can be. Pure."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final


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
    if kind == "void":
        return {"type": kind}
    written = _WRITE[kind](value) if kind in _WRITE else value
    return written if kind in _PLAIN and not isinstance(written, dict) else {"type": kind, "value": written}


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


def _string(value: str | bytes) -> Any:
    return written_text(value) if isinstance(value, str) else written_bytes(value)


def _array(elements: Sequence[tuple[str, Any]]) -> list[Any]:
    return [written_value(*each) for each in elements]


_PLAIN: Final = frozenset({"bool", "i64", "f64", "string"})
_WRITE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "string": _string,
    "bytes": written_bytes,
    "decimal": str,
    "array": _array,
    "table": written_headers,
}


def _written_header(name: str, kind: str, value: Any) -> dict[str, Any]:
    written = written_value(kind, value)
    typed = written if isinstance(written, dict) else {"value": written}
    return {"name": written_text(name), **typed}
