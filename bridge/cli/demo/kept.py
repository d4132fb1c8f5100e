"""What was left running on purpose: written down, so that exactly that can be ended later."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.process import Process

_GRACE = 20.0
_POLL = 0.05


class Kept(NamedTuple):
    """One process: its name, its id, and when it was started (clock ticks since boot: an id may be given anew)."""

    name: str
    pid: int
    started: int


class Record(NamedTuple):
    """All that one run left: its processes in the order to end them, its folder, and its endpoints by variable name."""

    processes: tuple[Kept, ...]
    folder: str
    endpoints: Mapping[str, str]


def note(processes: Iterable[Process], folder: Path, endpoints: Mapping[str, str]) -> Record:
    """The record of what runs now."""
    kept = [Kept(process.name, process.pid, started) for process in processes if (started := _started(process.pid))]
    return Record(tuple(kept), str(folder), dict(endpoints))


def write(path: Path, record: Record) -> None:
    """Write a record down; `path` is replaced as a whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps({**record._asdict(), "processes": [kept._asdict() for kept in record.processes]}))
    part.rename(path)


def read(path: Path) -> Record | None:
    """The record, or None when there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Record(tuple(Kept(**kept) for kept in data["processes"]), data["folder"], data["endpoints"])


def alive(record: Record) -> bool:
    """Whether every process of it still runs."""
    return all(_is_running(kept) for kept in record.processes)


def end(record: Record) -> list[str]:
    """End what still runs of it, one after the other (SIGTERM, after 20 s SIGKILL), and remove its folder.

    Returns the names of what was ended. A process id that belongs to another process by now is left alone.
    """
    ended = []
    for kept in record.processes:
        if _is_running(kept):
            _end(kept)
            ended.append(kept.name)
    shutil.rmtree(record.folder, ignore_errors=True)
    return ended


def _end(kept: Kept) -> None:
    deadline = time.monotonic() + _GRACE
    with contextlib.suppress(ProcessLookupError):
        os.kill(kept.pid, signal.SIGTERM)
    while _is_running(kept):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(kept.pid, signal.SIGKILL)
        time.sleep(_POLL)


def _is_running(kept: Kept) -> bool:
    return _started(kept.pid) == kept.started


def _started(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot (field 22 of /proc/PID/stat); None: it has ended."""
    try:
        # The second field is the program's name in brackets and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
