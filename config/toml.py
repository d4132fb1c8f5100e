"""Writing TOML: the few shapes that settings have, so that tomllib reads back what was given."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(data: Mapping[str, Any]) -> str:
    """Write a document: None is left out; tables stand under headers of their own, after what is no table.

    Takes texts, whole numbers, floats, booleans, and lists and mappings of them. A mapping of nothing but None may be
    left out too.
    """
    return "\n".join(_table((), data)).lstrip("\n") + "\n"


def inline(value: object) -> str:
    """Write one value, as it stands behind a key."""
    return _value(value)


def bare_or_quoted(key: str) -> str:
    """Write a key."""
    return _key(key)


def _table(path: tuple[str, ...], data: Mapping[str, Any]) -> Iterator[str]:
    inner = {key: value for key, value in data.items() if _is_table(value) or _is_tables(value)}
    for key, value in data.items():
        if key not in inner and value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner.items():
        name = ".".join(map(_key, (*path, key)))
        if _is_tables(value):
            for each in value:
                yield f"\n[[{name}]]"
                yield from _table((*path, key), each)
        else:
            if not all(part is None or _is_table(part) or _is_tables(part) for part in value.values()):
                yield f"\n[{name}]"
            yield from _table((*path, key), value)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_table, value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    """A literal string where that spares escapes, else a basic one, with escapes for what cannot be shown."""
    if text.isprintable() and "'" not in text and ('"' in text or "\\" in text):
        return f"'{text}'"
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else "".join(map(_shown, quoted))


def _shown(character: str) -> str:
    number = ord(character)
    return character if character.isprintable() else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"
