"""Bridges as processes, ended with their test."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.routes import Bridge


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Callable[[str], Bridge]]:
    """Makes a started bridge from its configuration."""
    with contextlib.ExitStack() as ends:

        def make(toml: str) -> Bridge:
            folder = tmp_path / f"bridge-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            made = Bridge(folder, toml)
            made.start()
            ends.callback(made.kill)
            return made

        yield make
