"""What was left running is ended by its process id, and only while that id is still that process."""

from pathlib import Path

import pytest

from bridge.cli.demo import kept
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, run


@pytest.fixture
def sleeper(tmp_path: Path) -> Process:
    return Process("sleeper", ["sleep", "600"], tmp_path / "log")


def test_a_record_survives_writing_and_ends_what_it_names(sleeper: Process, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    record = kept.note([sleeper], folder, {"URL": "amqp://x"})
    path = tmp_path / "running.json"
    kept.write(path, record)
    assert kept.read(path) == record
    assert kept.alive(record)
    assert kept.end(record) == ["sleeper"]
    assert sleeper.wait(5) != 0
    assert not folder.exists()
    assert not kept.alive(record)
    assert kept.end(record) == []


def test_a_process_id_that_was_given_anew_is_left_alone(sleeper: Process, tmp_path: Path) -> None:
    try:
        (process,) = kept.note([sleeper], tmp_path, {}).processes
        stale = kept.Record((process._replace(started=process.started - 1),), str(tmp_path / "none"), {})
        assert not kept.alive(stale)
        assert kept.end(stale) == []
        assert sleeper.running()
    finally:
        sleeper.kill()


def test_no_record(tmp_path: Path) -> None:
    assert kept.read(tmp_path / "running.json") is None


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        run(["no-such-program"])
    with pytest.raises(Unavailable, match="exit code 3"):
        run(["sh", "-c", "exit 3"])
