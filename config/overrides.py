"""Settings from the environment and from a directory of secrets, laid over the values of the files.

    FEDBRIDGE_ROUTES__PRODUCT_UPDATES__WINDOW__MESSAGES=10      routes.product-updates.window.messages
    $CREDENTIALS_DIRECTORY/brokers__rabbit__password            brokers.rabbit.password
    /run/secrets/brokers/rabbit/password                        the same, in folders

Names are lower-cased, `__` parts them, and `_` also matches `-` where the configuration has such a name. A table or a
list is written as JSON. pydantic-settings has sources for both; they are not used because they stop at the first value
that is no JSON without saying which variable it was, fail on any file in /run/secrets that is not text, cut spaces off
passwords, and know nothing of `-`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from config.errors import Problem
from config.files import read_value
from config.positions import Path
from config.shape import is_composite, is_scalar, keys_at, meant

PREFIX = "FEDBRIDGE_"
_OTHER_USES = ("FEDBRIDGE_TEST_",)
_DEEPEST = 8
"""How many folders deep secrets are looked for; no setting is deeper, and a link that leads back ends there."""


class Override(NamedTuple):
    """One value from outside the files: where it is from ("$VARIABLE" or a file), its path in lower case, its text."""

    origin: str
    path: Path
    text: str


def apply(
    data: dict[str, Any], environ: Mapping[str, str], directory: FilePath | None
) -> tuple[dict[Path, str], list[Problem]]:
    """Lay secrets (if there is a directory) and then the environment over the configuration, in place.

    Gives the origin of each setting that was laid over, "$VARIABLE" or a file, and what could not be.
    """
    origins: dict[Path, str] = {}
    found, problems = from_secrets(directory) if directory is not None else ([], [])
    for override in [*found, *from_environment(environ)]:
        try:
            origins[lay_over(data, override)] = override.origin
        except ValueError as error:
            problems.append(Problem(override.origin, ".".join(map(str, override.path)), str(error)))
    return origins, problems


def from_environment(environ: Mapping[str, str]) -> list[Override]:
    """Every variable that is a setting: FEDBRIDGE_ with a `__` in it; parents before their children."""
    names = sorted(name for name in environ if name.startswith(PREFIX) and "__" in name.removeprefix(PREFIX))
    return [
        Override(f"${name}", tuple(name.removeprefix(PREFIX).lower().split("__")), environ[name])
        for name in names
        if not name.startswith(_OTHER_USES)
    ]


def secrets_directory(environ: Mapping[str, str]) -> FilePath | None:
    """The directory of secrets if none is stated: systemd's $CREDENTIALS_DIRECTORY, else /run/secrets if it exists."""
    if "CREDENTIALS_DIRECTORY" in environ:
        return FilePath(environ["CREDENTIALS_DIRECTORY"])
    default = FilePath("/run/secrets")
    return default if default.is_dir() else None


def from_secrets(directory: FilePath) -> tuple[list[Override], list[Problem]]:
    """Every file whose name is the path of a single value, without its final newline; other files are not even read.

    Gives the problems of those that cannot be read as well.
    """
    found: list[Override] = []
    problems: list[Problem] = []
    for file in _walk(directory, _DEEPEST):
        path = tuple("__".join(file.relative_to(directory).parts).lower().split("__"))
        if not is_scalar(path):
            continue
        try:
            found.append(Override(str(file), path, read_value(file)))
        except ValueError as error:
            problems.append(Problem(str(file), ".".join(path), str(error)))
    return found, problems


def lay_over(data: dict[str, Any], override: Override) -> Path:
    """Put one value into the configuration, in place; gives the path it has there.

    Raises ValueError where nothing can be put: below a single value, or in a target that is not there.
    """
    path: Path = ()
    table: Any = data
    for part in override.path[:-1]:
        key = _matching(table, str(part), path)
        path = (*path, key)
        if isinstance(table, dict):
            table.setdefault(str(key), {})
        table = table[key]
    key = _matching(table, str(override.path[-1]), path)
    path = (*path, key)
    table[key] = _parsed(override.text, path)
    return path


def _matching(table: object, part: str, path: Path) -> str | int:
    """The key that a part of a variable's name means: the same, one that differs in `-`, an element's, or a new one."""
    if isinstance(table, list):
        names = [element.get("name", path[-1]) if isinstance(element, dict) else None for element in table]
        if part not in names:
            raise ValueError(f"none of {'.'.join(map(str, path))} is named {part}")
        return names.index(part)
    if not isinstance(table, dict):
        raise ValueError(f"{'.'.join(map(str, path))} is a single value")
    if part in table:
        return part
    known = [*table, *keys_at(path)]
    return next((key for key in known if key.replace("-", "_") == part.replace("-", "_")), part)


def _parsed(text: str, path: Path) -> Any:
    if text.lstrip()[:1] in ("[", "{") and is_composite(path):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return meant(text, path)


def _walk(directory: FilePath, depth: int) -> Iterator[FilePath]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        entry = directory / name
        if entry.is_dir():
            if depth:
                yield from _walk(entry, depth - 1)
        elif entry.is_file():
            yield entry
