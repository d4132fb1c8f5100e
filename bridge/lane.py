"""One sink's lane of a route: its queue, what is in flight there, and working off what did not come through.

The lane outlives the sink it sends to: `run` is called with each newly opened sink and goes on where the last one was
lost. It submits batches in order and keeps several in flight. When a verdict is not final (HOLD, RETRY, UNKNOWN) it
stops submitting, awaits what is in flight, puts the unconfirmed back in the source's order and sends those again, after
a pause or, for UNKNOWN, through a new sink (DESIGN section 3). After a HOLD it begins with one message, and sends twice
as many after each success: an exchange of which one queue is full puts what is tried into its other queues every time.
"""

import asyncio
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Protocol

from bridge.backoff import delay
from bridge.batch import Fate, Parcel
from bridge.errors import Disconnected
from bridge.expiry import AGES_AFTER, EXPIRED, aged
from bridge.message import DELIVERED, UNROUTABLE, Message, Outcome, Verdict
from bridge.metrics import LaneMeters
from bridge.ports import Sink
from config.settings import RetrySettings


class Refuse(Protocol):
    """What a message's final refusal leads to: the route's `on_error`."""

    def __call__(self, message: Message, sink: str, outcome: Outcome) -> Fate:
        """Give the fate of a message that `sink` has refused for good."""


class Lane:
    """The queue and the flights of one sink."""

    def __init__(
        self,
        name: str,
        retry: RetrySettings,
        max_in_flight: int | None,
        meters: LaneMeters,
        *,
        clock: Callable[[], float],
        holds_unroutable: bool = False,
        refuse: Refuse,
        moved: Callable[[], None],
    ) -> None:
        """`clock` gives the time in seconds by which batches were received.

        `holds_unroutable` makes an unroutable message wait; `moved` is called when messages left queue or air.
        """
        self.name = name
        self.confirmed = 0
        """Messages the sink has confirmed so far: the supervisor's sign of progress."""
        self.obstacle = ""
        """What the sink's broker lacks to take messages, by its last verdicts; empty if it took them."""
        self._clock = clock
        self._retry = retry
        self._limit = sys.maxsize if max_in_flight is None else max_in_flight
        self._trial = sys.maxsize  # messages in flight at most, after the broker lacked something
        self._holds_unroutable = holds_unroutable
        self._meters = meters
        self._refuse = refuse
        self._moved = moved
        self._queue: deque[Parcel] = deque()
        self._flights: dict[int, Sequence[Parcel]] = {}
        self._flying = 0
        self._takeoffs = 0
        self._setbacks: list[Parcel] = []
        self._trouble: dict[Verdict, Outcome] = {}
        self._setbacks_in_a_row = 0
        self._changed = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether messages wait here for others to be confirmed: then more of them would only make more batches."""
        return bool(self._queue and self._flights)

    def push(self, parcel: Parcel) -> None:
        """Queue a run of messages behind all others."""
        self._queue.append(parcel)
        self._changed.set()

    async def run(self, sink: Sink) -> None:
        """Send through `sink` until it is lost; never returns.

        Raises Disconnected when the sink is lost or left a message without an answer: it is then to be closed and
        opened anew. Cancel-safe: what was being submitted counts as unanswered and is sent again by the next call.
        """
        await self._landed_all()
        self._requeue()
        while True:
            if self._trouble:
                await self._regroup()
            elif not self._queue or self._flying >= min(self._limit, self._trial):
                self._changed.clear()
                await self._changed.wait()
            else:
                room = await sink.room()
                if not self._trouble and self._queue:
                    await self._ship(sink, min(room, self._limit - self._flying, self._trial - self._flying))

    def recall(self, unwanted: Callable[[Parcel, int], bool]) -> None:
        """Take back what `unwanted(parcel, position)` picks of all that is not in flight; its fate is RETURNED."""
        kept: list[Parcel] = []
        for parcel in [*self._setbacks, *self._queue]:
            gone = [position for position in range(parcel.start, parcel.stop) if unwanted(parcel, position)]
            kept += parcel.without(frozenset(gone))
            for position in gone:
                parcel.batch.ended(position, Fate.RETURNED)
        self._setbacks.clear()
        self._queue = deque(sorted(kept, key=attrgetter("place")))
        self._see_past()

    def unsent(self) -> set[tuple[int, int]]:
        """Give the (batch number, position) of each message that was never submitted to the sink."""
        return {
            (parcel.batch.number, position)
            for parcel in self._queue
            if not parcel.sent
            for position in range(parcel.start, parcel.stop)
        }

    def abandon(self) -> None:
        """Give up everything that has no final outcome, in flight or not; its fate is RETURNED."""
        outstanding = [*self._queue, *(parcel for parcels in self._flights.values() for parcel in parcels)]
        outstanding += self._setbacks
        self._queue.clear()
        self._flights.clear()
        self._setbacks.clear()
        for parcel in outstanding:
            for position in range(parcel.start, parcel.stop):
                parcel.batch.ended(position, Fate.RETURNED)
        self._see_past()

    async def _ship(self, sink: Sink, room: int) -> None:
        parcels, messages = self._take(room)
        if self._clock() - parcels[0].batch.received > AGES_AFTER:
            parcels, messages = self._aged(parcels)
            if not messages:
                self._see_past()
                self._moved()
                return
        self._takeoffs += 1
        flight = self._takeoffs
        self._flights[flight] = parcels
        self._flying += len(messages)
        try:
            future = await sink.send(messages)
        except BaseException:
            self._land(flight, len(messages), [Outcome(Verdict.UNKNOWN, "unsent")] * len(messages))
            raise
        self._moved()
        future.add_done_callback(lambda done: self._land(flight, len(messages), done.result()))

    def _take(self, room: int) -> tuple[list[Parcel], Sequence[Message]]:
        first = self._queue.popleft()
        if not self._queue and first.stop - first.start == len(first.batch.messages) <= room:
            return [first], first.batch.messages
        parcels: list[Parcel] = []
        messages: list[Message] = []
        self._queue.appendleft(first)
        while self._queue and len(messages) < room:
            parcel = self._queue.popleft()
            end = parcel.start + room - len(messages)
            if end < parcel.stop:
                self._queue.appendleft(parcel._replace(start=end))
                parcel = parcel._replace(stop=end)
            parcels.append(parcel)
            messages += parcel.batch.messages[parcel.start : parcel.stop]
        return parcels, messages

    def _aged(self, parcels: Sequence[Parcel]) -> tuple[list[Parcel], Sequence[Message]]:
        """Take the time that messages dwelt here off their expirations, and those out that have none left."""
        kept: list[Parcel] = []
        messages: list[Message] = []
        now = self._clock()
        for parcel in parcels:
            batch, late = parcel.batch, list[int]()
            for position in range(parcel.start, parcel.stop):
                message = aged(batch.messages[position], now - batch.received)
                if message is None:
                    late.append(position)
                else:
                    messages.append(message)
            kept += parcel.without(frozenset(late))
            for position in late:
                self._meters.setback(EXPIRED.verdict, EXPIRED.reason)
                batch.ended(position, self._refuse(batch.messages[position], self.name, EXPIRED))
        return kept, messages

    def _land(self, flight: int, count: int, outcomes: Sequence[Outcome]) -> None:
        self._flying -= count
        self._changed.set()
        self._moved()
        parcels = self._flights.pop(flight, None)
        if parcels is None:  # abandoned meanwhile
            return
        delivered = outcomes.count(DELIVERED)
        if delivered == count:
            self._arrived(count)
            for parcel in parcels:
                parcel.batch.delivered(parcel.stop - parcel.start)
        else:
            self._sort_out(parcels, outcomes)
        if delivered:
            self._setbacks_in_a_row = 0
        if Verdict.HOLD not in self._trouble:
            self._see_past(taken=delivered > 0)

    def _see_past(self, *, taken: bool = False) -> None:
        """Forget an obstacle once nothing waits behind it, or the broker has `taken` messages without a HOLD."""
        if taken:
            self._trial = min(2 * self._trial, sys.maxsize)
        if taken or not (self._queue or self._flights or self._setbacks):
            self.obstacle = ""

    def _arrived(self, count: int) -> None:
        self.confirmed += count
        self._meters.delivered(count)

    def _sort_out(self, parcels: Sequence[Parcel], outcomes: Sequence[Outcome]) -> None:
        remaining = iter(outcomes)
        for parcel in parcels:
            for position in range(parcel.start, parcel.stop):
                outcome = next(remaining, Outcome(Verdict.UNKNOWN, "no_outcome"))
                self._judge(Parcel(parcel.batch, position, position + 1, True, parcel.refusals), outcome)

    def _judge(self, parcel: Parcel, outcome: Outcome) -> None:
        batch, position = parcel.batch, parcel.start
        verdict = outcome.verdict
        if verdict is Verdict.DELIVERED:
            self._arrived(1)
            batch.delivered(1)
            return
        if verdict is Verdict.REJECTED and outcome.reason == UNROUTABLE and self._holds_unroutable:
            verdict = Verdict.HOLD
        self._meters.setback(verdict, outcome.reason)
        if verdict is Verdict.RETRY:
            parcel = parcel._replace(refusals=parcel.refusals + 1)
            if parcel.refusals > self._retry.refusals:
                verdict = Verdict.REJECTED
        if verdict is Verdict.FILTERED:
            batch.ended(position, Fate.FILTERED)
        elif verdict is Verdict.REJECTED:
            batch.ended(position, self._refuse(batch.messages[position], self.name, outcome))
        elif batch.epoch.recalled:
            batch.ended(position, Fate.RETURNED)
        else:
            self._setbacks.append(parcel)
            self._trouble[verdict] = outcome

    async def _regroup(self) -> None:
        await self._landed_all()
        trouble = self._trouble.copy()
        self._requeue()
        if Verdict.UNKNOWN in trouble:
            reason = trouble[Verdict.UNKNOWN].reason
            raise Disconnected(f"no answer for messages sent to {self.name} ({reason})", "unknown_outcome")
        held = trouble.get(Verdict.HOLD)
        self.obstacle = "" if held is None else held.detail or held.reason
        if held is not None:
            self._trial = 1
        pause = delay(self._setbacks_in_a_row, self._retry.initial, self._retry.max, random.random())  # noqa: S311
        self._setbacks_in_a_row += 1
        await asyncio.sleep(pause)

    async def _landed_all(self) -> None:
        while self._flights:
            self._changed.clear()
            await self._changed.wait()

    def _requeue(self) -> None:
        """Put back what was not confirmed, ahead of what was never sent, in the source's order."""
        self._queue = deque(sorted([*self._setbacks, *self._queue], key=attrgetter("place")))
        self._setbacks.clear()
        self._trouble.clear()
