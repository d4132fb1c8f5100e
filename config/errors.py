"""What is wrong with a configuration, as values: each problem says where, which key, and what to do."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong.

    `where` is FILE:LINE:COL, FILE, $VARIABLE or empty; `key` is the dotted path of the setting or empty; `text` is for
    a person and never holds the value of a secret. As a string it is one line, whatever was in the file.
    """

    where: str
    key: str
    text: str

    def __str__(self) -> str:
        line = ": ".join(part for part in self if part)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that are known, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Misplaced(ValueError):
    """A mistake inside of a text that is a setting: `offset` is its place there, in characters from 0."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset
