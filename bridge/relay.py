"""The pump of one route: receive, map, hand to every sink's lane, settle; bounded and ordered.

The relay outlives the connections on both sides. `consume` is called with each newly opened source, every lane's `run`
with each newly opened sink; what is in hand in between stays here, within the window. A message is settled at the
source only once every sink has its final outcome (DESIGN section 3).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from bridge.batch import Batch, Epoch, Fate, Parcel
from bridge.errors import Disconnected
from bridge.expiry import EXPIRED
from bridge.lane import Lane
from bridge.mapping import NO_RULES, Rules, map_batch
from bridge.message import UNROUTABLE, Delivery, Message, Outcome, Verdict
from bridge.metrics import RouteMeters
from bridge.ports import Source
from bridge.tasks import until
from config.settings import OnError, RetrySettings, Unroutable, WindowSettings

_TELL_EVERY = 10.0  # seconds between two lines about dropped messages; the metric has each
FLUSH_AT_LEAST = 2.0
"""Seconds that the last acknowledgements have to be taken by the broker, however long the drain took."""


class RelaySettings(NamedTuple):
    """What a relay needs to know of its route; `sinks` gives each sink's `max_in_flight` by its name."""

    route: str
    sinks: Mapping[str, int | None]
    window: WindowSettings
    retry: RetrySettings
    on_error: OnError
    unroutable: Unroutable = "dead_letter"
    rules: Rules = NO_RULES


class Relay:
    """The messages a route has in hand, and the rules by which they come and go."""

    def __init__(self, settings: RelaySettings, meters: RouteMeters, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that never go back (the event loop's)."""
        self.lanes = tuple(
            Lane(
                name,
                settings.retry,
                limit,
                meters.lane(name),
                clock=clock,
                holds_unroutable=settings.unroutable == "hold",
                refuse=self._refuse,
                moved=self._move,
            )
            for name, limit in settings.sinks.items()
        )
        self.halted: str | None = None
        """Why the route stopped itself (`on_error`), or None."""
        self.settled = 0
        """Messages settled at the source so far: the supervisor's sign of progress."""
        self.messages = 0
        """Messages in hand."""
        self.bytes = 0
        """Bytes in hand."""
        self.undrained = 0
        """Messages that may come again after a stop: not drained in time, or their acknowledgement was not taken."""
        self.closing = asyncio.Event()
        """Set when nothing more is to be received: by `close`, or by a message that stops the route."""
        self._settings = settings
        self._meters = meters
        self._clock = clock
        self._epoch: Epoch  # the one in which messages are received, since `consume` was called
        self._source: Source | None = None
        self._batches: dict[int, Batch] = {}
        self._received = 0
        self._drops: dict[str, str] = {}
        self._dropped = 0
        self._told_at = -_TELL_EVERY
        self._changed = asyncio.Event()
        self._log = structlog.get_logger().bind(route=settings.route)

    @property
    def oldest(self) -> float:
        """Seconds since the oldest delivery in hand was received; 0 with none."""
        return self._clock() - next(iter(self._batches.values())).received if self._batches else 0.0

    @property
    def lag(self) -> int | None:
        """Messages that the source's broker holds and that are not settled; None while it cannot be asked."""
        return None if self._source is None else self._source.lag

    async def consume(self, source: Source, drain_timeout: float) -> None:
        """Relay what `source` gives until it is lost (Disconnected) or the relay is closing.

        When closing, drains for at most `drain_timeout` seconds, settles what every sink has taken, and returns once
        the broker has taken that. Cancel-safe: nothing is settled that was not delivered.
        """
        self._source, self._epoch = source, Epoch(source)
        source.on_revoked(self._revoke)
        source.on_missed(self._miss)
        try:
            await until(self.closing, self._receive(source))
            deadline = self._clock() + drain_timeout
            await self.drain(drain_timeout)
            async with asyncio.timeout(max(FLUSH_AT_LEAST, deadline - self._clock())):
                await source.flush()
            self._epoch.settled = 0
        except TimeoutError:
            raise Disconnected("the last acknowledgements were not confirmed in time", "timeout") from None
        finally:
            self._source = None
            self._lose()

    def close(self) -> None:
        """Receive nothing more: an open `consume` drains and returns."""
        self.closing.set()

    async def drain(self, timeout: float) -> None:
        """Wait at most `timeout` seconds until nothing is in hand; what is left then goes back to its source.

        What no sink was given yet goes back at once where the source gives it again: sending it would only take time.
        What one sink was given is worked off at all of them, so that a restart doubles nothing.
        """
        unsent = [lane.unsent() for lane in self.lanes]
        untouched = set.intersection(*unsent)
        for lane in self.lanes:
            lane.recall(
                lambda parcel, position: (
                    parcel.batch.epoch.source.redelivers and (parcel.batch.number, position) in untouched
                )
            )
        try:
            async with asyncio.timeout(timeout):
                while self._batches:
                    await self._change()
        except TimeoutError:
            self._log.warning(
                "The drain timeout is over; what was not confirmed goes back to the source.",
                messages=self.messages,
                timeout_s=timeout,
            )
            self.undrained += self.messages
            for lane in self.lanes:
                lane.abandon()

    async def _receive(self, source: Source) -> None:
        window = self._settings.window
        batch_limit = max(1, window.messages // 4)  # several batches in the window, so that its stages overlap
        # While every sink has messages waiting behind others in flight, what comes gathers at the source, to make one
        # large batch instead of many small ones: measured, 260 to 750 messages a batch in place of 100 to 150.
        while True:
            while (
                self.messages >= window.messages or self.bytes >= window.bytes or all(lane.busy for lane in self.lanes)
            ):
                await self._change()
            self._accept(await source.receive(min(self._room(), batch_limit)))

    def _room(self) -> int:
        window = self._settings.window
        room = window.messages - self.messages
        if self.bytes:
            mean = self.bytes / self.messages
            room = min(room, max(1, int((int(window.bytes) - self.bytes) / mean)))
        return room

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        messages, refusals = map_batch(deliveries, self._settings.rules)
        self._received += 1
        batch = Batch(
            self._received, self._epoch, deliveries, messages, self._clock(), len(self.lanes), concluded=self._conclude
        )
        self._batches[batch.number] = batch
        self.messages += len(messages)
        self.bytes += batch.size
        self._meters.received(deliveries, messages)
        start = 0
        for position, outcome in refusals:
            self._push(batch, start, position)
            filtered = outcome.verdict is Verdict.FILTERED
            fate = Fate.FILTERED if filtered else self._refuse(messages[position], "", outcome)
            batch.ended(position, fate, len(self.lanes))
            start = position + 1
        self._push(batch, start, len(messages))

    def _push(self, batch: Batch, start: int, stop: int) -> None:
        if start < stop:
            for lane in self.lanes:
                lane.push(Parcel(batch, start, stop))

    def _refuse(self, message: Message, sink: str, outcome: Outcome) -> Fate:
        """Give the fate of a message that can never be delivered, by the route's `unroutable` and `on_error`."""
        unwanted = self._settings.unroutable == "drop" and outcome.reason == UNROUTABLE
        late = outcome is EXPIRED and self._settings.on_error != "stop"  # as a broker does with it
        if unwanted or late or self._settings.on_error == "drop":
            self._dropped += 1
            self._drops.update(sink=sink, uid=message.uid, reason=outcome.reason, detail=outcome.detail)
            return Fate.DROPPED
        if self.halted is None:
            where = f"at {sink}" if sink else "before any sink"
            known = {"message_id": message.properties.get("message_id"), "address": message.address, "uid": message.uid}
            who = ", ".join(f"{name} {value}" for name, value in known.items() if value)
            self.halted = (
                f"a message was refused {where}: {outcome.reason}: {outcome.detail} ({who}); "
                "see to it, then restart fedbridge"
            )
            self._log.error("The route stops, and the message stays unacknowledged.", error=self.halted)
            self.closing.set()
        return Fate.RETURNED

    def _conclude(self, batch: Batch) -> None:
        del self._batches[batch.number]
        if self._drops and self._clock() >= self._told_at + _TELL_EVERY:
            self._told_at = self._clock()
            self._log.warning(
                "Messages were refused and dropped; the last of them:", so_far=self._dropped, **self._drops
            )
            self._drops.clear()
        self.messages -= len(batch.deliveries)
        self.bytes -= batch.size
        self._changed.set()
        counts = Counter(batch.fates.values())
        counts[Fate.DELIVERED] += len(batch.deliveries) - counts.total()
        settled = len(batch.deliveries) - counts[Fate.RETURNED]
        self._meters.concluded(counts, self._clock() - batch.received)
        if batch.epoch.lost:
            self._meters.stale(settled)
            if self.closing.is_set() and batch.epoch.recalled:
                self.undrained += settled
            return
        self.settled += settled
        batch.epoch.settled += settled
        if settled == len(batch.deliveries):
            batch.epoch.source.settle([delivery.receipt for delivery in batch.deliveries])
        elif settled:
            batch.epoch.source.settle(
                [
                    delivery.receipt
                    for position, delivery in enumerate(batch.deliveries)
                    if batch.fates.get(position) is not Fate.RETURNED
                ]
            )

    def _revoke(self) -> None:
        """Go on in a new epoch of the same source: what was received in the old one comes again."""
        source = self._epoch.source
        self._lose()
        self._epoch = Epoch(source)

    def _miss(self, reason: str, count: int) -> None:
        """Tell of messages that the source's broker no longer had when the route came for them."""
        self._meters.missed(reason, count)
        self._log.warning("Messages were gone at the source before the route got them.", reason=reason, at_least=count)

    def _lose(self) -> None:
        epoch = self._epoch
        epoch.lost = True
        if self.closing.is_set() and epoch.recalled and epoch.settled:
            doubtful = min(epoch.settled, self._settings.window.messages)
            self.undrained += doubtful
            self._log.warning("Lost while stopping: what was acknowledged last may come again.", up_to=doubtful)
        for lane in self.lanes:
            lane.recall(lambda parcel, _: parcel.batch.epoch.recalled)
        self._changed.set()

    def _move(self) -> None:
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
