"""One run: a load that is there beforehand, one relay that takes it to the target, and what that took.

The relay is started and gets idle - consuming, with nothing to consume - before the load is released. So neither its
start, nor its imports, nor the joining of a consumer group is in any number. The rate counts from the moment the first
messages are seen in the target (what was seen in that moment is not counted) to the moment the last are, looked at
every 10 ms. CPU time counts from the release until the relay rests: the last acknowledgements are in it.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, wait_until
from tests.bench.ends import Load, Names, Place, Target
from tests.bench.legs import Leg
from tests.bench.relays import Relay, Running

_TICKS = os.sysconf("SC_CLK_TCK")
_POLL = 0.01
_IDLE = 1.0  # seconds that a relay with a consumer is left alone before its CPU time is read
_START = 30.0
_STALLED = 30.0
_SETTLE = 0.25  # processes that used so little CPU time, at most, in so long are done
_REST = 0.02


class Run(NamedTuple):
    """What one relay did with one load."""

    relay: str
    messages: int
    arrived: int
    """In the target at the end; more than `messages`: duplicates."""
    left: int
    """At the source at the end: messages that were not acknowledged or committed."""
    rate: float
    """Messages per second, from the first seen in the target to the last."""
    cpu: float
    """CPU seconds, user and system, per 100,000 messages: of the relay, and of RabbitMQ where it is ours alone."""
    own: float
    """The part of `cpu` that the relay's process took; 0 for one that runs in the broker."""
    peak: int
    """Peak resident memory of the relay's process in bytes; 0 for one that runs in the broker."""

    @property
    def problems(self) -> str:
        """What makes the run worthless or worth a look, in words; empty when every message arrived once."""
        told = []
        if self.arrived < self.messages:
            told.append(f"{self.messages - self.arrived} missing")
        if self.arrived > self.messages:
            told.append(f"{self.arrived - self.messages} duplicates")
        if self.left:
            told.append(f"{self.left} not acknowledged")
        return ", ".join(told)


async def measure(
    leg: Leg, relay: Relay, place: Place, messages: int, folder: Path, profile: Path | None = None
) -> Run:
    """Have the relay take one load over the leg, and give what it took; `profile` is where py-spy writes its stacks.

    Raises Unavailable when the relay does not start, or does not wait for the load's release.
    """
    unique = f"bench-{relay.name}-{secrets.token_hex(4)}"
    names = Names(unique, f"{unique}-to")
    async with leg.target(place, names) as target, leg.load(place, names, messages) as load:
        running = relay.start(place, names, folder)
        try:
            await _idle(load, target, running)
            broker = place.private.processes[0].pid if place.private else None
            before = cpu_seconds(running.pid), cpu_seconds(broker)
            async with _profiled(running.pid, profile, folder):
                await load.release(running.pid)
                rate = await _rate(target, messages)
                await _settled(running.pid, broker)
            own, brokers = cpu_seconds(running.pid) - before[0], cpu_seconds(broker) - before[1]
            peak = peak_memory(running.pid)
            running.stop()
        finally:
            running.kill()
        share = 100_000 / messages
        arrived, left = await target.count(), await load.left()
        return Run(relay.name, messages, arrived, left, rate, (own + brokers) * share, own * share, peak)


def cpu_seconds(pid: int | None) -> float:
    """Give a process's CPU seconds so far, user and system, of all its threads (proc(5): fields 14 and 15 of stat)."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory(pid: int | None) -> int:
    """Give a process's peak resident memory in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines() if pid is not None else ()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


async def _idle(load: Load, target: Target, running: Running) -> None:
    """Wait until the relay consumes, and a second more; nothing may have reached the target."""
    deadline = time.monotonic() + _START
    while not await load.attached():
        if not running.running() or time.monotonic() > deadline:
            raise Unavailable(f"{running.name} did not consume within {_START:g} s{running.tail()}")
        await asyncio.sleep(_POLL)
    await asyncio.sleep(_IDLE)
    if early := await target.count():
        raise Unavailable(f"{running.name} relayed {early} messages that were not released yet{running.tail()}")


async def _rate(target: Target, messages: int) -> float:
    """Wait until all messages are there, or none has come for 30 s; messages per second, from the first ones on."""
    first, at_first = 0, 0.0
    last, at_last = 0, time.monotonic()
    while last < messages and time.monotonic() - at_last < _STALLED:
        count, now = await target.count(), time.monotonic()
        if count > last:
            last, at_last = count, now
            if not first:
                first, at_first = count, now
        await asyncio.sleep(_POLL)
    return (last - first) / (at_last - at_first) if at_last > at_first > 0 else 0.0


async def _settled(*pids: int | None) -> None:
    """Wait until the processes rest, at most 5 s: the last acknowledgements follow the last messages."""
    before = sum(map(cpu_seconds, pids))
    for _ in range(20):
        await asyncio.sleep(_SETTLE)
        now = sum(map(cpu_seconds, pids))
        if now - before < _REST:
            return
        before = now


@contextlib.asynccontextmanager
async def _profiled(pid: int | None, path: Path | None, folder: Path) -> AsyncIterator[None]:
    """Have py-spy sample the process into `path`: a flame graph for .svg, else one line for each stack."""
    if path is None:
        yield
        return
    form = "flamegraph" if path.suffix == ".svg" else "raw"
    spy_path = str(Path(sys.executable).with_name("py-spy"))
    command = [spy_path, "record", "--pid", str(pid), "--rate", "500", "--format", form, "--output", str(path)]
    log = folder / "py-spy.log"
    spy = Process("py-spy", command, log)
    try:
        wait_until(lambda: "Sampling" in log.read_text("utf-8", "replace"), "py-spy to sample", spy, _START)
        yield
        spy.signal(signal.SIGINT)
        spy.wait(_START)
    finally:
        spy.kill()
