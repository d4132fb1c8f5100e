"""One run: a queue filled beforehand, one relay that drains it into a topic, and what that took."""

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
from tests.bench.kafka import Topic, topic
from tests.bench.rabbit import Rabbit, encoded_messages
from tests.bench.relays import Endpoints, Relay

PARTITIONS = 4
_BODY = b"x" * 256
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL = 0.01
_IDLE = 1.0  # seconds that a relay with a consumer is left alone before its CPU time is read
_START = 30.0
_STALLED = 30.0
_SETTLE = 0.25  # a relay that used no CPU time for so long is done


class Run(NamedTuple):
    """What one relay did with one queue."""

    relay: str
    messages: int
    records: int
    """In the topic at the end; more than `messages`: duplicates."""
    left: int
    """In the queue at the end: messages that were not acknowledged."""
    rate: float
    """Messages per second, from the first record in the topic to the last."""
    cpu: float
    """CPU seconds, user and system, per 100,000 messages, from started and idle to all drained."""
    peak: int
    """Peak resident memory in bytes."""

    @property
    def problems(self) -> str:
        """What makes the run worthless or worth a look, in words; empty when every message arrived once."""
        told = []
        if self.records < self.messages:
            told.append(f"{self.messages - self.records} missing")
        if self.records > self.messages:
            told.append(f"{self.records - self.messages} duplicates")
        if self.left:
            told.append(f"{self.left} not acknowledged")
        return ", ".join(told)


async def measure(relay: Relay, endpoints: Endpoints, messages: int, folder: Path, profile: Path | None = None) -> Run:
    """Fill a fresh queue, have the relay drain it, and give what it took; `profile` is where py-spy writes its stacks.

    Before the relay starts the queue is filled, and a consumer of ours holds its messages: so the relay comes up and is
    idle, and gets all of them at once when ours goes. Raises Unavailable when the relay does not start.
    """
    name = f"bench-{relay.name}-{secrets.token_hex(4)}"
    control = Rabbit(endpoints.amqp_url)
    held = Rabbit(endpoints.amqp_url)
    async with topic(endpoints.bootstrap, name, PARTITIONS) as target:
        control.declare(name)
        try:
            control.publish(encoded_messages(name, messages, _BODY))
            held.hold(name, messages)
            process = relay.start(endpoints, name, folder)
            try:
                await _idle(control, name, process)
                before = cpu_seconds(process.pid)
                async with _profiled(process.pid, profile, folder):
                    held.close()
                    rate = await _rate(target, messages)
                    await _settled(process.pid)
                cpu, peak = cpu_seconds(process.pid) - before, peak_memory(process.pid)
                process.stop()
            finally:
                process.kill()
            left, _consumers = control.state(name)
            return Run(relay.name, messages, await target.count(), left, rate, cpu * 100_000 / messages, peak)
        finally:
            control.delete(name)
            control.close()


def cpu_seconds(pid: int) -> float:
    """Give a process's CPU seconds so far, user and system, of all its threads (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory(pid: int) -> int:
    """Give a process's peak resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


async def _idle(control: Rabbit, queue: str, process: Process) -> None:
    """Wait until a second consumer, the relay's, is at the queue, and a second more."""
    deadline = time.monotonic() + _START
    while control.state(queue)[1] < 2:
        if not process.running() or time.monotonic() > deadline:
            raise Unavailable(f"{process.name} did not consume within {_START:g} s{process.tail()}")
        await asyncio.sleep(_POLL)
    await asyncio.sleep(_IDLE)


async def _rate(target: Topic, messages: int) -> float:
    """Wait until as many records are there, or none has come for 30 s; messages per second, from the first one on."""
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


async def _settled(pid: int) -> None:
    """Wait until the process rests, at most 5 s: the last acknowledgements follow the last records."""
    before = -1.0
    for _ in range(20):
        now = cpu_seconds(pid)
        if now == before:
            return
        before = now
        await asyncio.sleep(_SETTLE)


@contextlib.asynccontextmanager
async def _profiled(pid: int, path: Path | None, folder: Path) -> AsyncIterator[None]:
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
