"""Makes the brokers' files available: what the system has, else Debian's packages and Maven's artefacts.

Nothing is fetched twice: a second call finds everything and runs no tool at all.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo import debian
from bridge.cli.demo.debian import FETCH_SECONDS, Say
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import run

KAFKA_VERSION = "3.9.1"
_OLDEST_JAVA = 11
_PLACES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")  # Debian has mosquitto in /usr/sbin

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


class Program(NamedTuple):
    """A broker that is one program, and the folders of its libraries where it was unpacked and not installed."""

    path: str
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """The environment to start it with."""
        found = [*map(str, self.libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(found)} if self.libraries else dict(os.environ)


class Files(NamedTuple):
    """What each broker is started from."""

    rabbit: RabbitFiles
    kafka: KafkaFiles
    mosquitto: Program
    redis: Program


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
    """Find all brokers' files, installing what is missing; one at a time for one cache folder.

    Raises Unavailable, naming what is missing and the command that installs it.
    """
    cache = cache_folder()
    with alone(cache / "lock"):
        unpacked = cache / "debian"
        jars = cache / f"kafka-{KAFKA_VERSION}"
        if packages := _missing(unpacked, jars):
            debian.install(packages, unpacked, say)
        rabbit = _rabbit(unpacked)
        mosquitto, redis = program("mosquitto", unpacked), program("redis-server", unpacked)
        if rabbit is None or mosquitto is None or redis is None:
            raise Unavailable(
                "Debian's packages rabbitmq-server, mosquitto and redis-server are installed, but one of them brought "
                "no /usr/lib/rabbitmq/lib/rabbitmq_server-*, mosquitto or redis-server"
            )
        version = _java_version()
        if not jars.exists():
            _fetch_jars(jars, say)
        return Files(rabbit, KafkaFiles("java", version, jars, cache), mosquitto, redis)


def program(name: str, unpacked: Path) -> Program | None:
    """Find a program by $PATH, else in Debian's places, else in a package of the same name that was unpacked."""
    root = unpacked / name
    found = shutil.which(name) or shutil.which(name, path=_places(Path("/")))
    if found:
        return Program(found)
    found = shutil.which(name, path=_places(root))
    return Program(found, tuple(sorted(root.glob("usr/lib/*-linux-gnu*")))) if found else None


def _places(root: Path) -> str:
    return ":".join(str(root / place) for place in _PLACES)


def _missing(unpacked: Path, jars: Path) -> list[str]:
    """The Debian packages that are needed and not there."""
    missing = [] if _rabbit(unpacked) else ["rabbitmq-server"]
    missing += [name for name in ("mosquitto", "redis-server") if program(name, unpacked) is None]
    if not shutil.which("java"):
        missing.append("default-jre-headless")
    if not shutil.which("mvn") and not jars.exists():
        missing.append("maven")
    return missing


def _rabbit(unpacked: Path) -> RabbitFiles | None:
    for root in (Path("/"), unpacked / "rabbitmq-server"):
        if homes := sorted((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")):
            return RabbitFiles(homes[-1], root)
    return None


def _java_version() -> str:
    version = run(["java", "-XshowSettings:none", "--version"]).splitlines()[0]
    number = re.search(r"\d+", version)
    if number is None or int(number[0]) < _OLDEST_JAVA:
        raise Unavailable(
            f"Kafka {KAFKA_VERSION} needs Java {_OLDEST_JAVA} or later, `java` is {version}; install it: "
            "apt-get install -y --no-install-recommends default-jre-headless"
        )
    return version


def _fetch_jars(jars: Path, say: Say) -> None:
    say(f"fetching Kafka {KAFKA_VERSION} with Maven (once)")
    part = jars.with_name(f"{jars.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    pom = part / "pom.xml"
    pom.write_text(_POM, "utf-8")
    run(
        ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
        seconds=FETCH_SECONDS,
    )
    if not (part / f"kafka_2.13-{KAFKA_VERSION}.jar").exists():
        raise Unavailable(f"Maven ended well, but brought no kafka_2.13-{KAFKA_VERSION}.jar into {part}")
    part.rename(jars)
