"""`fedbridge demo`: the story on real brokers, or the brokers alone for tests and development."""

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape

from bridge.cli import Exit
from bridge.cli.demo import brokers as real
from bridge.cli.demo import kept
from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.debian import Say
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.install import cache_folder
from bridge.cli.demo.report import Findings, arrivals, tallies
from bridge.cli.demo.story import Story

_STOP = f"{sys.argv[0]} demo --stop"


def demo(*, keep: bool = False, messages: int = 20, brokers_only: bool = False, stop: bool = False) -> None:
    """Play the story (`messages` updates at first), or start the brokers alone, or end what an earlier call left up.

    Ends with exit code 0 when everything arrived, 1 when something did not, 69 when a broker could not be had.
    """
    say = _progress(Console(stderr=True, highlight=False))
    with _terminable(), _told(say):
        if stop:
            _stop(say)
        elif brokers_only:
            _start_brokers(say)
        else:
            _play(keep, messages, say)


def _play(keep: bool, messages: int, say: Say) -> None:
    if keep:
        _refuse_second(say)
    brokers = real.start(say, outlives=keep)
    clean = interrupted = False
    try:
        clean = _tell(brokers, keep, messages, say)
    except (KeyboardInterrupt, SystemExit):
        interrupted = True
        raise
    finally:
        failed = not clean and not interrupted
        if not (keep and clean):
            brokers.close(keep_logs=failed)
        if failed:
            say(f"the logs are in {brokers.folder}")
    if not clean:
        raise typer.Exit(Exit.NEGATIVE)


def _tell(brokers: Brokers, keep: bool, messages: int, say: Say) -> bool:
    """Play the story and print what came of it; whether all is well. With `keep`, and if it is, all stays up."""
    for name, url in brokers.endpoints.items():
        say(f"{real.KINDS[name].name} answers at {url}")
    own = len(brokers.private) == len(real.KINDS)
    story = Story(brokers, say, tag="" if own else f"-{secrets.token_hex(3)}", outlives=keep)
    with contextlib.ExitStack() as undo:
        undo.callback(story.close)
        clean = _conclude(story.play(messages), say)
        if keep and clean:
            _leave(brokers, story, say)
            undo.pop_all()
        else:
            for line in story.remains:
                say(f"left on your brokers: {line}")
    return clean


def _conclude(findings: Findings, say: Say) -> bool:
    """Print the tables; whether everything is as it should be."""
    out = Console(highlight=False)
    out.print(arrivals(findings.chapters))
    out.print(tallies(findings.runs))
    problems = findings.problems()
    for problem in problems:
        say(f"wrong: {problem}")
    return not problems


def _leave(brokers: Brokers, story: Story, say: Say) -> None:
    """Leave everything up, and print where it is."""
    processes = [*story.processes, *brokers.processes]
    kept.write(_record(), kept.note(processes, brokers.folder, brokers.endpoints))
    for process in processes:
        process.release()
    print(f"RabbitMQ   {brokers.amqp_url}")
    print(f"Kafka      {brokers.kafka_url}, topic {story.updates}")
    print(f"Mosquitto  {brokers.mqtt_url}, topic shop/{story.updates}")
    print(f"Redis      {brokers.redis_url}, stream {story.updates}")
    print(f"bridge     http://127.0.0.1:{story.admin_port}/metrics, {story.config}")
    say(f"everything stays up; end it with: {_STOP}")


def _start_brokers(say: Say) -> None:
    record = kept.read(_record())
    if record is None or not kept.alive(record):
        if record is not None:
            _clear(record, say)
            _forget(record)
        record = _left_up(real.start(say, outlives=True))
    for name, url in record.endpoints.items():
        print(f"export {name}={url}")
    if record.processes:
        say(f"the brokers stay up; end them with: {_STOP}")
    else:
        say(f"{', '.join(record.endpoints)} are set: nothing was started")


def _clear(record: kept.Record, say: Say) -> None:
    """End what is left of it, now that some of it has ended by itself, and say so."""
    ended = kept.end(record)
    gone = [process.name for process in record.processes if process.name not in ended]
    say(f"no longer running: {', '.join(gone)}")
    if ended:
        say(f"ended too, with what was in them: {', '.join(ended)}")


def _left_up(brokers: Brokers) -> kept.Record:
    """Leave the brokers running and write that down, unless all of them are the user's own."""
    record = kept.note(brokers.processes, brokers.folder, brokers.endpoints)
    if record.processes:
        kept.write(_record(), record)
        brokers.release()
    else:
        brokers.close()
    return record


def _forget(record: kept.Record) -> None:
    """Remove the record, and from this process what `eval` of its endpoints had set: they lead nowhere now."""
    _record().unlink(missing_ok=True)
    for name, url in record.endpoints.items():
        if os.environ.get(name) == url:
            del os.environ[name]


def _stop(say: Say) -> None:
    record = kept.read(_record())
    ended = [] if record is None else kept.end(record)
    _record().unlink(missing_ok=True)
    say(f"ended: {', '.join(ended)}" if ended else "nothing was left up")


def _refuse_second(say: Say) -> None:
    record = kept.read(_record())
    if record is not None and kept.alive(record):
        raise Unavailable(f"something is up already; end it with: {_STOP}")
    if record is not None:
        _clear(record, say)


def _record() -> Path:
    return cache_folder() / "running.json"


def _progress(console: Console) -> Say:
    """Lines on stderr, each with the seconds since the start."""
    start = time.monotonic()
    return lambda line: console.print(f"[dim]{time.monotonic() - start:5.1f} s[/]  {escape(line)}", soft_wrap=True)


@contextlib.contextmanager
def _told(say: Say) -> Iterator[None]:
    """Turn what could not be had into a line and exit code 69."""
    try:
        yield
    except Unavailable as error:
        say(str(error))
        raise typer.Exit(Exit.UNREACHABLE) from None


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM unwind like Ctrl-C, so that everything is ended and removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(Exit.TERMINATED)

    before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
