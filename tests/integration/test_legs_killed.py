"""The bridge is killed three times under load on every leg: none is lost, and what comes twice is within the window."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bridge.cli.demo.brokers import Brokers
from tests.ends import End, wait_found
from tests.legs import GROUP, LEGS, Ends, MakeBridge, route
from tests.routes import everywhere, numbered, wait

WINDOW = 500
PORTION = 250
KILLS = 3


class Load:
    """Numbered messages that are put in, portion after portion, by a thread of its own until it is told to stop."""

    def __init__(self, end: End) -> None:
        self.sent = 0
        self._end = end
        self._enough = threading.Event()

    async def run(self) -> None:
        while not self._enough.is_set():
            await self._end.fill(numbered(PORTION, first=self.sent))
            self.sent += PORTION
            await asyncio.sleep(0.05)  # what is to be relayed is put in no faster than this, so that a leg is short

    def stop(self) -> None:
        self._enough.set()


@contextmanager
def load(end: End) -> Iterator[Load]:
    """Put messages in for the length of a `with` block; after it, `sent` says how many."""
    made = Load(end)
    with ThreadPoolExecutor(1) as thread:
        feeding = thread.submit(asyncio.run, made.run())
        try:
            yield made
        finally:
            made.stop()
            feeding.result()


@pytest.mark.parametrize(("source", "sink"), LEGS)
async def test_killed_three_times_under_load_a_leg_loses_nothing(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, source: str, sink: str
) -> None:
    origin, target = await ends.make(source, "in"), await ends.make(sink, "out")
    table = route(origin, (sink, "out", target.target), more=f"window = {{ messages = {WINDOW} }}")
    daemon = bridge(everywhere(brokers, table))
    delivered = 'fedbridge_messages_total{outcome="delivered",route="updates"}'
    with load(origin) as fed:
        for _ in range(KILLS):
            wait(lambda: daemon.metric(delivered) > WINDOW, daemon.tail)
            daemon.kill()
            daemon.start()
        wait(lambda: daemon.metric(delivered) > 0, daemon.tail)  # else all may have been settled before the last kill
    count = fed.sent
    await wait_found(target, count)
    wait(lambda: 0 < daemon.fates()["received"] == daemon.fates()["delivered"], lambda: f"{daemon.fates()}")
    assert daemon.stop() == 0
    found = await target.found()
    assert sorted(set(found)) == numbered(count), "none is lost"
    duplicates = len(found) - count
    print(f"{source} -> {sink}: {count} messages, {duplicates} duplicates after {KILLS} kills, window {WINDOW}")
    assert duplicates <= KILLS * WINDOW
    assert max(Counter(found).values()) <= KILLS + 1
    assert list(dict.fromkeys(found)) == numbered(count), "in order of first occurrences"
    assert await origin.left(GROUP) == 0
