"""Makes the brokers' files available: what the system has, else Debian's packages and Maven's artefacts.

Nothing is fetched twice: a second call finds everything and runs no tool at all.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import run

KAFKA_VERSION = "3.9.1"
_OLDEST_JAVA = 11
_APT_SECONDS = 900.0
_POLICY = Path("/usr/sbin/policy-rc.d")

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fedbridge</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""

Say = Callable[[str], None]
"""Takes one line of progress."""


class RabbitFiles(NamedTuple):
    """Where RabbitMQ is: `home` holds sbin/, and `root` is what its packages were unpacked into (`/`: installed)."""

    home: Path
    root: Path


class KafkaFiles(NamedTuple):
    """Where Kafka is: the Java program, its version, the folder of jars, and a folder for the class archive."""

    java: str
    java_version: str
    jars: Path
    cache: Path


class Files(NamedTuple):
    """What a broker is started from."""

    rabbit: RabbitFiles
    kafka: KafkaFiles


def cache_folder() -> Path:
    """`.brokers` in the checkout this code belongs to, else ~/.cache/fedbridge; made when it is missing."""
    checkout = Path(__file__).resolve().parents[3]
    folder = checkout / ".brokers" if (checkout / "pyproject.toml").exists() else Path.home() / ".cache" / "fedbridge"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError as error:
        raise Unavailable(f"the brokers' files have no place: {error}") from None
    return folder


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process at a time into a `with` block of that lock file; the others wait, for as long as it takes."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def provide(say: Say) -> Files:
    """Find both brokers' files, installing what is missing; one at a time for one cache folder.

    Raises Unavailable, naming what is missing and the command that installs it.
    """
    cache = cache_folder()
    with alone(cache / "lock"):
        unpacked = cache / "debian"
        jars = cache / f"kafka-{KAFKA_VERSION}"
        packages = [] if _rabbit(Path("/")) or _rabbit(unpacked) else ["rabbitmq-server"]
        if not shutil.which("java"):
            packages.append("default-jre-headless")
        if not shutil.which("mvn") and not jars.exists():
            packages.append("maven")
        if packages:
            _debian_packages(packages, unpacked, say)
        rabbit = _rabbit(Path("/")) or _rabbit(unpacked)
        if rabbit is None:
            raise Unavailable(
                "RabbitMQ's package is installed, but there is no /usr/lib/rabbitmq/lib/rabbitmq_server-*"
            )
        version = _java_version()
        if not jars.exists():
            _fetch_jars(jars, say)
        return Files(rabbit, KafkaFiles("java", version, jars, cache))


def _rabbit(root: Path) -> RabbitFiles | None:
    homes = sorted((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return RabbitFiles(homes[-1], root) if homes else None


def _java_version() -> str:
    version = run(["java", "-XshowSettings:none", "--version"]).splitlines()[0]
    number = re.search(r"\d+", version)
    if number is None or int(number[0]) < _OLDEST_JAVA:
        raise Unavailable(
            f"Kafka {KAFKA_VERSION} needs Java {_OLDEST_JAVA} or later, `java` is {version}; install it: "
            "apt-get install -y --no-install-recommends default-jre-headless"
        )
    return version


def _debian_packages(packages: Sequence[str], unpacked: Path, say: Say) -> None:
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    missing = f"missing: {', '.join(packages)}; install with: sudo {' '.join(command)}"
    if not shutil.which("apt-get"):
        raise Unavailable(f"{missing} (this system has no apt-get: install them by its own means)")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        if os.geteuid() == 0:
            say(f"installing {', '.join(packages)} with apt-get (some minutes, once)")
            with _no_services():
                run(["apt-get", "-qq", "update"], env=env, seconds=_APT_SECONDS)
                run(command, env=env, seconds=_APT_SECONDS)
        elif list(packages) == ["rabbitmq-server"]:
            say(f"unpacking RabbitMQ's Debian packages into {unpacked} (no root needed; once)")
            _unpack(unpacked)
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


def _unpack(target: Path) -> None:
    """Unpack rabbitmq-server and what it needs beyond the installed packages into a folder, without root."""
    plan = run(["apt-get", "install", "-s", "--no-install-recommends", "rabbitmq-server"])
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    part = target.with_name("debian.part")
    shutil.rmtree(part, ignore_errors=True)
    debs = part / "debs"
    debs.mkdir(parents=True)
    run(["sh", "-c", 'cd "$0" && apt-get download "$@"', str(debs), *names], seconds=_APT_SECONDS)
    for deb in sorted(debs.glob("*.deb")):
        run(["dpkg", "-x", str(deb), str(part)])
    shutil.rmtree(debs)
    for script in [part / "usr/lib/erlang/bin/erl", *part.glob("usr/lib/erlang/erts-*/bin/erl")]:
        # Debian writes the installed place into the script.
        text = script.read_text("utf-8")
        script.write_text(text.replace("ROOTDIR=/usr/lib/erlang", "ROOTDIR=${ERL_ROOTDIR:-/usr/lib/erlang}"), "utf-8")
    part.rename(target)


def _fetch_jars(jars: Path, say: Say) -> None:
    say(f"fetching Kafka {KAFKA_VERSION} with Maven (once)")
    part = jars.with_name(f"{jars.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    pom = part / "pom.xml"
    pom.write_text(_POM, "utf-8")
    run(
        ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
        seconds=_APT_SECONDS,
    )
    if not (part / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        raise Unavailable(f"Maven ended well, but brought no kafka_2.13-{KAFKA_VERSION}.jar into {part}")
    part.rename(jars)
