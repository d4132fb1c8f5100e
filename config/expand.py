"""`${NAME}`, `${NAME:default}`, `${file:PATH}` and `$$` in the string values of a parsed document.

Expansion happens after parsing and once, so that what is put in cannot change the structure of the file.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

from config.files import read_value
from config.positions import Path
from config.shape import meant

_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace every reference in a text.

    Raises ValueError for a reference that cannot be replaced: an undefined variable without a default, a file that
    cannot be read, or a `${` that is none of the three forms. A `$` before anything else is an ordinary character.
    """
    return _REFERENCE.sub(lambda match: _value(match, environ), text) if "$" in text else text


def expand_all(value: Any, environ: Mapping[str, str], report: Callable[[Path, str], None], path: Path = ()) -> Any:
    """Expand every string of a parsed document; what cannot be replaced is reported with its path and left alone.

    What was replaced is read as the setting at its path wants it: a boolean is not text.
    """
    if isinstance(value, dict):
        return {key: expand_all(inner, environ, report, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [expand_all(inner, environ, report, (*path, number)) for number, inner in enumerate(value)]
    if isinstance(value, str):
        try:
            text = expand(value, environ)
        except ValueError as error:
            report(path, str(error))
            return value
        return value if text == value else meant(text, path)
    return value


def _value(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    name, colon, default = match[1].partition(":")
    if not match[0].endswith("}") or not _NAME.fullmatch(name):
        raise ValueError("a ${ that is not ${NAME}, ${NAME:default} or ${file:PATH}; a dollar itself is written $$")
    if name == "file" and colon:
        return _content(FilePath(default))
    if name in environ:
        return environ[name]
    if not colon:
        raise ValueError(f"${{{name}}} is not set in the environment; set it, or give a default: ${{{name}:…}}")
    return default


def _content(path: FilePath) -> str:
    try:
        return read_value(path)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
