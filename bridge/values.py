"""Typed header values as text, for targets and templates that know nothing else (research/mapping.md, section 4.0)."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import cast

from bridge.message import Element, Header, Type, Value


def text_of(kind: Type, value: Value) -> str:  # noqa: PLR0911 - one return for each form
    """The text form of a value of that type; never raises for a valid header.

    bool: true, false. Integers and decimals: decimal digits. Floats: the shortest text that reads as the same number,
    or nan, inf, -inf. string: as it is; where it is not UTF-8, with surrogate escapes. timestamp: RFC 3339 in UTC, or
    the number where no calendar has that day. bytes: base64url, padded. table, array: compact JSON, in the order of
    the headers and with repeats; what JSON has no form for is there as these texts. void: empty.
    """
    match kind:
        case "string":
            return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
        case "bool":
            return "true" if value else "false"
        case "timestamp":
            return rfc3339(cast("int", value), 1)
        case "bytes":
            return base64.urlsafe_b64encode(cast("bytes", value)).decode()
        case "table" | "array":
            return _json(kind, value)
        case "void":
            return ""
        case _:
            return str(value)


def rfc3339(count: int, per_second: int) -> str:
    """A time since 1970, in units of which there are 1 or 1,000 a second, as "2026-01-31T23:59:59.250Z".

    Milliseconds appear where they are not 0. What is before the year 1 or after 9999 is given as the number it was.
    """
    seconds, part = divmod(count, per_second)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return str(count)
    fraction = f".{part * 1000 // per_second:03}" if part else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"


def _json(kind: Type, value: Value) -> str:
    match kind:
        case "table":
            entries = (
                f"{_quoted(name)}:{_json(inner, item)}" for name, inner, item in cast("tuple[Header, ...]", value)
            )
            return "{" + ",".join(entries) + "}"
        case "array":
            return "[" + ",".join(_json(inner, item) for inner, item in cast("tuple[Element, ...]", value)) + "]"
        case "void":
            return "null"
        case "f32" | "f64" if math.isfinite(cast("float", value)):
            return str(value)
        case "bool" | "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64":
            return text_of(kind, value)
        case _:
            return _quoted(text_of(kind, value))


def _quoted(text: str) -> str:
    """A JSON string: readable where all of it can be shown, else in ASCII, so that surrogates are JSON too."""
    return json.dumps(text, ensure_ascii=not text.isprintable())
