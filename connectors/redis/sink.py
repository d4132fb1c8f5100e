"""The Redis sink: messages are appended to streams in blocks of commands, and replies are outcomes, one by one.

A refusal is about one command alone: what is before and behind it in its block was taken, or refused, by itself. So the
messages that wait for a server that lacks memory, or is a replica now, are exactly those that it does not have.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Never

from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.ports import Place, Sink
from bridge.sends import STEADY, Sends, Submission
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.redis import RedisSinkSettings
from connectors.redis.codec import LARGEST, Encoder
from connectors.redis.commands import pack
from connectors.redis.connection import Wire, connected, place_of
from connectors.redis.errors import Refused, fault_of, meaning_of, outcome_of
from connectors.redis.hooks import Reply
from connectors.redis.packer import Packer


@asynccontextmanager
async def open_sink(broker: BrokerSettings, settings: RedisSinkSettings, place: Place) -> AsyncIterator[Sink]:
    """Open a sink, connected, for the time of the context.

    Raises RouteFault (authentication, forbidden, missing, conflict: a stream without template fields that is none) or
    Disconnected; both also later, out of a body that is cancelled for it. Leaving makes every unresolved outcome
    UNKNOWN and takes a second at most.
    """
    name = f"fedbridge {place.bridge}.{place.route} sink {settings.name}"
    async with connected(broker, name) as wire:
        guard = place.guard(broker, f"redis:{place_of(broker)}")
        sink = RedisSink(wire, settings, min(settings.max_in_flight or place.messages, place.messages), guard)
        await sink.prepare()
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as tasks:
                    watching = tasks.create_task(sink.watch(), name=f"{name}: loss")
                    try:
                        yield sink
                    finally:
                        watching.cancel()
        finally:
            sink.lose(Disconnected(f"{wire.broker}: the sink was closed", "cancelled"))


class RedisSink:
    """A `bridge.ports.Sink` on a connection of its own."""

    waiting = None
    """Nothing: what a server lacks to take messages shows in their outcomes."""

    def __init__(self, wire: Wire, settings: RedisSinkSettings, limit: int, guard: Guard) -> None:
        """Begin; at most `limit` messages are unconfirmed. `prepare` comes first, `watch` runs beside."""
        self._wire = wire
        self._fixed = settings.stream.fixed
        self._encoder = Encoder(settings.max_length)
        self._packer = Packer(settings.stream, self._encoder, guard)
        self._sends = Sends(limit, STEADY)
        self._fault: RouteFault | None = None
        self._blocks = 0  # on their way
        wire.on_loss(self.lose)

    async def prepare(self) -> None:
        """Ask how large a field may be; of a stream that is known, whether it is one and may be appended to.

        Nothing is appended by that: the id is one that no entry can have. Raises RouteFault or Disconnected.
        """
        asked = [pack("CONFIG", "GET", "proto-max-bulk-len")]
        if self._fixed is not None:
            asked += (pack("XADD", self._fixed, "0-0", "a", "b"), pack("TYPE", self._fixed))
        limit, *about = await self._wire.ask(*asked)
        self._encoder.largest = int(limit[1]) if isinstance(limit, list) and len(limit) == 2 else LARGEST
        if about:
            appended, kind = about
            doing = f"looking at stream {self._fixed}"
            if isinstance(appended, Refused) and meaning_of(appended).kind in {"route", "stream"}:
                raise fault_of(appended, self._wire.broker, doing)
            if isinstance(kind, bytes) and kind not in {b"stream", b"none"}:  # not everybody may ask for it
                raise fault_of(Refused(f"WRONGTYPE it is a {kind.decode()}"), self._wire.broker, doing)

    async def room(self) -> int:
        """As `bridge.ports.Sink.room`: there is room by what is unconfirmed, `max_in_flight` at most."""
        while True:
            if self._sends.loss is not None:
                raise self._sends.loss
            if self._sends.room and self._fault is None:
                return self._sends.room
            await self._sends.news()

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[Sequence[Outcome]]:
        """As `bridge.ports.Sink.send`; never waits."""
        if self._sends.loss is not None:
            raise self._sends.loss
        submission = self._sends.begin(messages)
        parts: list[bytes] = []
        sent = self._pack(submission, parts)
        if sent:
            self._blocks += 1
            self._wire.post(b"".join(parts), len(sent), self._taker(submission, sent))
        else:
            self._sends.finish()
        return submission.future

    async def watch(self) -> Never:
        """Wait for the loss of the sink, and raise it."""
        while True:
            await self._sends.news()

    def lose(self, error: FedbridgeError) -> None:
        """Note the loss of the sink, once: what has no outcome is UNKNOWN."""
        if isinstance(error, Disconnected | RouteFault):
            self._sends.lose(error)

    def _pack(self, submission: Submission, parts: list[bytes]) -> Sequence[int]:
        """Pack the messages, settle what cannot be sent, and give the positions of the others."""
        everything = range(len(submission.messages))
        refused = dict(self._packer.pack(submission.messages, parts))
        for position, outcome in refused.items():
            submission.settle(position, outcome)
        return [position for position in everything if position not in refused] if refused else everything

    def _taker(self, submission: Submission, sent: Sequence[int]) -> Callable[[Sequence[Reply]], None]:
        """Make what takes the replies to the messages at these positions."""
        left = sent

        def take(replies: Sequence[Reply]) -> None:
            nonlocal left
            positions, left = left[: len(replies)], left[len(replies) :]
            if Refused in map(type, replies):
                for position, reply in zip(positions, replies, strict=True):
                    if isinstance(reply, Refused):
                        submission.settle(position, self._refusal(reply, submission.messages[position]))
            submission.settle_range(positions)
            self._sends.finish()
            if not left:
                self._blocks -= 1
            if self._fault is not None and not self._blocks:
                self.lose(self._fault)

        return take

    def _refusal(self, refused: Refused, message: Message) -> Outcome:
        """The outcome of a message; what is wrong for every one of them ends the sink when the last reply is there."""
        stream = (self._packer.stream(message) or b"").decode(errors="replace")
        kind = meaning_of(refused).kind
        if kind == "route" or (kind == "stream" and self._fixed is not None):
            fault = fault_of(refused, self._wire.broker, f"writing to stream {stream}")
            if isinstance(fault, RouteFault):
                self._fault = fault
        return outcome_of(refused, self._wire.broker, stream, fixed=self._fixed is not None)
