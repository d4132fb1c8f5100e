"""Where the demo finds a broker's program, and how one that was unpacked is started."""

from pathlib import Path

import pytest

from bridge.cli.demo.install import Program, program

NAME = "fedbridge-no-such-program"


def put(place: Path) -> str:
    place.mkdir(parents=True)
    file = place / NAME
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return str(file)


def test_there_is_none(tmp_path: Path) -> None:
    assert program(NAME, tmp_path) is None


def test_one_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "debian" / NAME / "usr/sbin")
    found = put(tmp_path / "own")
    monkeypatch.setenv("PATH", str(tmp_path / "own"))
    assert program(NAME, tmp_path / "debian") == Program(found)


@pytest.mark.parametrize("place", ["usr/sbin", "usr/bin"])
def test_one_that_was_unpacked_brings_its_libraries(tmp_path: Path, place: str) -> None:
    found = put(tmp_path / NAME / place)
    libraries = tmp_path / NAME / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    assert program(NAME, tmp_path) == Program(found, (libraries,))


def test_the_environment_leads_to_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    assert Program("x").environment()["LD_LIBRARY_PATH"] == "/before"
    assert Program("x", (Path("/one"), Path("/two"))).environment()["LD_LIBRARY_PATH"] == "/one:/two:/before"
    monkeypatch.delenv("LD_LIBRARY_PATH")
    assert Program("x", (Path("/one"),)).environment()["LD_LIBRARY_PATH"] == "/one"
    assert "LD_LIBRARY_PATH" not in Program("x").environment()
