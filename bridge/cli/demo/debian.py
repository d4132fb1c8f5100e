"""Debian's packages: installed where root asks for them, else unpacked, each with what it needs, into a folder."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import run

FETCH_SECONDS = 900.0
"""How long apt-get, or another tool that fetches, may take."""

_POLICY = Path("/usr/sbin/policy-rc.d")
_UNPACKABLE = {"rabbitmq-server", "mosquitto", "redis-server"}

Say = Callable[[str], None]
"""Takes one line of progress."""


def install(packages: Sequence[str], unpacked: Path, say: Say) -> None:
    """Install packages without letting them start services; without root unpack them as `unpacked`/PACKAGE.

    Raises Unavailable, naming what is missing and the command that installs it.
    """
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    missing = f"missing: {', '.join(packages)}; install with: sudo {' '.join(command)}"
    if not shutil.which("apt-get"):
        raise Unavailable(f"{missing} (this system has no apt-get: install them by its own means)")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        if os.geteuid() == 0:
            say(f"installing {', '.join(packages)} with apt-get (some minutes, once)")
            with _no_services():
                run(["apt-get", "-qq", "update"], env=env, seconds=FETCH_SECONDS)
                run(command, env=env, seconds=FETCH_SECONDS)
        elif _UNPACKABLE.issuperset(packages):
            for package in packages:
                say(f"unpacking Debian's package {package} into {unpacked} (no root needed; once)")
                _unpack(package, unpacked)
        else:
            raise Unavailable(missing)
    except Unavailable as error:
        raise Unavailable(missing if str(error) == missing else f"{missing}\n{error}") from None


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep Debian's packages from starting system services: policy-rc.d says no (101); one that is there stays."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _unpack(package: str, folder: Path) -> None:
    """Unpack a package and what it needs beyond the installed ones into a folder named like it, without root."""
    plan = run(["apt-get", "install", "-s", "--no-install-recommends", package])
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    part = folder / f"{package}.part"
    shutil.rmtree(part, ignore_errors=True)
    debs = part / "debs"
    debs.mkdir(parents=True)
    run(["sh", "-c", 'cd "$0" && apt-get download "$@"', str(debs), *names], seconds=FETCH_SECONDS)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg", "-x", str(deb), str(part)])
    shutil.rmtree(debs)
    for script in [*part.glob("usr/lib/erlang/bin/erl"), *part.glob("usr/lib/erlang/erts-*/bin/erl")]:
        # Debian writes the installed place into the script.
        text = script.read_text("utf-8")
        script.write_text(text.replace("ROOTDIR=/usr/lib/erlang", "ROOTDIR=${ERL_ROOTDIR:-/usr/lib/erlang}"), "utf-8")
    part.rename(folder / package)
