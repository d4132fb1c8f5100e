"""Reading the TOML: one file, or a directory of them merged into one configuration.

In a directory every `*.toml` counts, in the order of names. Files share the top-level tables, and everything in those
(a broker, a route, a key of `[log]`) stands in one place only: twice is an error that names both places.
"""

import re
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from config.errors import ConfigError, Problem
from config.positions import Index, Path, Position, index

_UNQUOTED = re.compile(r"[A-Za-z/$]")
"""How text begins that cannot be anything else."""
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")


class Document:
    """One TOML file: its path, its values and, when they are asked for, the positions of its keys."""

    def __init__(self, path: FilePath, text: str, data: dict[str, Any]) -> None:
        self.path = path
        self.text = text
        self.data = data

    @cached_property
    def index(self) -> Index:
        """The positions of all keys."""
        return index(self.text)

    def where(self, position: Position) -> str:
        """FILE:LINE:COL of a position in this file."""
        return f"{self.path}:{position.line}:{position.column}"


def read(path: FilePath) -> list[Document]:
    """Read a file, or all `*.toml` of a directory in the order of names.

    Raises ConfigError with every problem: nothing there, not readable, not UTF-8, not TOML, a key that is there twice.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in _files(path):
        try:
            documents.append(read_file(file))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return documents


def merge(documents: Sequence[Document]) -> dict[str, Any]:
    """Merge documents into one; raises ConfigError for every key that stands in two of them."""
    merged: dict[str, Any] = {}
    owners: dict[Path, Document] = {}
    problems: list[Problem] = []
    for document in documents:
        for key, value in document.data.items():
            entries = (
                {(key, name): inner for name, inner in value.items()} if isinstance(value, dict) else {(key,): value}
            )
            for path in entries:
                first = owners.setdefault(path, document)
                if first is not document:
                    problems.append(_in_both(path, first, document))
            if isinstance(value, dict) and isinstance(merged.setdefault(key, {}), dict):
                merged[key].update(value)
            else:
                merged[key] = value
    if problems:
        raise ConfigError(problems)
    return merged


def _in_both(path: Path, first: Document, second: Document) -> Problem:
    key = ".".join(map(str, path))
    return Problem(
        second.where(second.index.at[path]), key, f"is there twice; the first is at {first.where(first.index.at[path])}"
    )


def _files(path: FilePath) -> list[FilePath]:
    if path.is_dir():
        files = sorted(file for file in path.glob("*.toml") if file.is_file())
        if not files:
            raise ConfigError([Problem("", "", f"no configuration in {path}: no file there is named *.toml")])
        return files
    if not path.exists():
        raise ConfigError([Problem("", "", f"no configuration at {path}; write one or give -c")])
    return [path]


def read_file(path: FilePath) -> Document:
    """Read one file; raises ConfigError: not there, not readable, not UTF-8, not TOML, a key that is there twice."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(f"{path}:{line}", "", "is not UTF-8 text")]) from None
    try:
        return Document(path, text, tomllib.loads(text))
    except RecursionError:
        raise ConfigError([Problem(str(path), "", "is nested too deeply")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(Document(path, text, {}), str(error))) from None
    except ValueError:  # Python reads no decimal number of more than 4,300 digits
        raise ConfigError([Problem(str(path), "", "has a number of too many digits")]) from None


def _syntax(document: Document, message: str) -> list[Problem]:
    """Say what is wrong with the TOML: the keys that are there twice, with both places, and what stopped the parser."""
    twice = [
        Problem(document.where(second), ".".join(map(str, path)), f"is there twice; the first is at line {first.line}")
        for path, first, second in document.index.twice
    ]
    if twice and message.startswith("Cannot "):
        return twice
    place = _AT.search(message)
    if place is None:
        lines = document.text.split("\n")
        position = Position(len(lines), len(lines[-1]) + 1)
    else:
        position = Position(int(place[1]), int(place[2]))
    line, at = document.text.split("\n")[position.line - 1], position.column - 1
    reason = _reason(_AT.sub("", message).removesuffix(" (at end of document)"), line[:at], line[at:])
    return [*twice, Problem(document.where(position), "", f"not TOML: {reason[:1].lower()}{reason[1:]}")]


def _reason(said: str, before: str, behind: str) -> str:
    """What the parser said, in other words where those say what to do; with what is before and behind the place."""
    if said == "Invalid value" and _UNQUOTED.match(behind):
        return f'{said}; text is written in quotes: "…"'
    inside = said == "Unclosed inline table" or (
        said.startswith("Invalid initial") and before.rstrip()[-1:] in ("{", ",")
    )
    if inside and behind.strip()[:1] in ("", "#"):
        return "an inline table, { … }, stands on one line; write a [table] for several"
    if inside and behind.startswith("}"):
        return "an inline table has no comma before its }"
    return said
