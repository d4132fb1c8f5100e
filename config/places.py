"""What is wrong with the values of documents, and where each value was written."""

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.documents import Document
from config.errors import Problem
from config.positions import Path, Position, dotted, inside


class Finding(NamedTuple):
    """Something that is wrong with a setting, and where in its text, if that is known."""

    path: Path
    text: str
    offset: int | None = None


class Places:
    """Where a setting was written: in which file and where there, or in which variable."""

    def __init__(self, documents: Sequence[Document], origins: Mapping[Path, str]) -> None:
        self._documents = documents
        self._origins = origins

    def problem(self, finding: Finding) -> Problem:
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
