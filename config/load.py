"""From files and the environment to `Settings`, or to every problem at once with the place of each."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.consistency import contradictions
from config.documents import Document, merge, read
from config.errors import ConfigError, Misplaced, Problem
from config.expand import expand_all
from config.messages import explain
from config.overrides import apply, secrets_directory
from config.positions import Path, Position, dotted, inside
from config.settings import Settings


class _Finding(NamedTuple):
    """Something that is wrong with a setting, and where in its text, if that is known."""

    path: Path
    text: str
    offset: int | None = None


def load(path: FilePath, environ: Mapping[str, str] = os.environ, secrets_dir: FilePath | None = None) -> Settings:
    """Read a file, or all `*.toml` of a directory, lay secrets and then the environment over it, and check all of it.

    `secrets_dir` defaults to $CREDENTIALS_DIRECTORY, else /run/secrets if it exists. Raises ConfigError with all
    problems that can be known; a file that is no TOML hides those of its values. Connects to nothing.
    """
    documents = read(path)
    data = merge(documents)
    found: list[_Finding] = []
    data = expand_all(data, environ, lambda key, text: found.append(_Finding(key, text)))
    directory = secrets_directory(environ) if secrets_dir is None else secrets_dir
    origins, problems = apply(data, environ, directory)
    found = [item for item in found if not any(item.path[:depth] in origins for depth in range(1, len(item.path) + 1))]
    settings = _validated(data, found)
    found.extend(_Finding(*each) for each in contradictions(data, {item.path for item in found}))
    if settings is None or found or problems:
        places = _Places(documents, origins)
        in_order = sorted(found, key=lambda item: places.rank(item.path))
        raise ConfigError([*map(places.problem, in_order), *problems])
    return settings


def _validated(data: dict[str, Any], found: list[_Finding]) -> Settings | None:
    """Validate; adds what is wrong to `found`, but for values that could not be expanded in the first place."""
    unusable = {item.path for item in found}
    try:
        return Settings.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        explained = [_Finding(*explain(detail), _offset(detail)) for detail in error.errors(include_url=False)]
        found.extend(item for item in explained if item.path not in unusable)
        return None


def _offset(detail: ErrorDetails) -> int | None:
    mistake = detail.get("ctx", {}).get("error")
    return mistake.offset if isinstance(mistake, Misplaced) else None


class _Places:
    """Where a setting was written: in which file and where there, or in which variable."""

    def __init__(self, documents: Sequence[Document], origins: Mapping[Path, str]) -> None:
        self._documents = documents
        self._origins = origins

    def problem(self, finding: _Finding) -> Problem:
        """The problem with its place; of a key that is missing, the place of its table."""
        path, text, offset = finding
        where = None if offset is None else self._inside(path, offset)
        if where is None and offset:
            text += f" (at character {offset + 1} of it)"
        return Problem(where or self._where(path), dotted(path), text + self._suggestion(path, text))

    def rank(self, path: Path) -> tuple[int, int, int]:
        """The order of problems: as the files have them, what is not in a file last."""
        if self._origin(path) is not None:
            return len(self._documents), 0, 0
        number, depth = self._deepest(path)
        return (number, *(self._documents[number].index.at[path[:depth]] if depth else (0, 0)))

    def _suggestion(self, path: Path, text: str) -> str:
        """The name that was meant, where a variable made a broker or a route by misspelling one of the files'."""
        if not text.startswith("needs ") or len(path) != 2 or self._origin(path) is None:
            return ""
        keys = [key for document in self._documents for key in document.index.at if len(key) == 2]
        close = difflib.get_close_matches(str(path[1]), [str(name) for table, name in keys if table == path[0]], 1)
        return f" (did you mean {path[0]}.{close[0]}?)" if close else ""

    def _where(self, path: Path) -> str:
        origin = self._origin(path)
        if origin is not None:
            return origin
        number, depth = self._deepest(path)
        document = self._documents[number]
        return document.where(document.index.at[path[:depth]]) if depth else str(document.path)

    def _inside(self, path: Path, offset: int) -> str | None:
        """The place of a character of a text, None if it is not known."""
        if self._origin(path) is not None:
            return None
        document = self._documents[self._deepest(path)[0]]
        written = document.index.texts.get(path)
        position: Position | None = None if written is None else inside(written, offset)
        return None if position is None else document.where(position)

    def _origin(self, path: Path) -> str | None:
        """The variable or secret that set this, or the table it is in; or all there is of a table that no file has."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self._origins:
                return self._origins[path[:depth]]
        if any(path in document.index.at for document in self._documents) or not path:
            return None
        return next((origin for key, origin in self._origins.items() if key[: len(path)] == path), None)

    def _deepest(self, path: Path) -> tuple[int, int]:
        """The document that knows most of a path, and how many of its parts it knows."""
        return max(
            ((number, self._known(document, path)) for number, document in enumerate(self._documents)),
            key=lambda item: (item[1], -item[0]),
        )

    def _known(self, document: Document, path: Path) -> int:
        return next((depth for depth in range(len(path), 0, -1) if path[:depth] in document.index.at), 0)
