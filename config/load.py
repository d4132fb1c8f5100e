"""From files and the environment to `Settings`, or to every problem at once with the place of each."""

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.consistency import contradictions
from config.documents import merge, read
from config.errors import ConfigError, Misplaced
from config.expand import expand_all
from config.messages import explain
from config.overrides import apply, secrets_directory
from config.places import Finding, Places
from config.settings import Settings


def load(path: FilePath, environ: Mapping[str, str] = os.environ, secrets_dir: FilePath | None = None) -> Settings:
    """Read a file, or all `*.toml` of a directory, lay secrets and then the environment over it, and check all of it.

    `secrets_dir` defaults to $CREDENTIALS_DIRECTORY, else /run/secrets if it exists. Raises ConfigError with all
    problems that can be known; a file that is no TOML hides those of its values. Connects to nothing.
    """
    documents = read(path)
    data = merge(documents)
    found: list[Finding] = []
    data = expand_all(data, environ, lambda key, text: found.append(Finding(key, text)))
    directory = secrets_directory(environ) if secrets_dir is None else secrets_dir
    origins, problems = apply(data, environ, directory)
    found = [item for item in found if not any(item.path[:depth] in origins for depth in range(1, len(item.path) + 1))]
    settings = _validated(data, found)
    found.extend(Finding(*each) for each in contradictions(data, {item.path for item in found}))
    if settings is None or found or problems:
        places = Places(documents, origins)
        in_order = sorted(found, key=lambda item: places.rank(item.path))
        raise ConfigError([*map(places.problem, in_order), *problems])
    return settings


def _validated(data: dict[str, Any], found: list[Finding]) -> Settings | None:
    """Validate; adds what is wrong to `found`, but for values that could not be expanded in the first place."""
    unusable = {item.path for item in found}
    try:
        return Settings.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        explained = [Finding(*explain(detail), _offset(detail)) for detail in error.errors(include_url=False)]
        found.extend(item for item in explained if item.path not in unusable)
        return None


def _offset(detail: ErrorDetails) -> int | None:
    mistake = detail.get("ctx", {}).get("error")
    return mistake.offset if isinstance(mistake, Misplaced) else None
