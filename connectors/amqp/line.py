"""A channel that is published to around the library: frames out in blocks, confirms in through the tap, in bulk."""

import asyncio
from collections.abc import Callable, Sequence

from aiormq.abc import AbstractConnection

from bridge.errors import Disconnected, Unmappable
from bridge.message import UNROUTABLE, Outcome, Verdict
from bridge.sends import Submission
from connectors.amqp.codec import uid_of
from connectors.amqp.confirms import Confirm, ConfirmTap, Return
from connectors.amqp.connection import Link, give_up_after
from connectors.amqp.destinations import Destination, Destinations
from connectors.amqp.errors import translated
from connectors.amqp.flights import Flights
from connectors.amqp.publish import Encoder
from connectors.amqp.stream import FrameStream


class ConfirmReader:
    """The reader of a sink's connection: `heard` is called for what the tap has taken, and may be replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tap = ConfirmTap()
        self.heard: Callable[[], None] = _ignore
        self.stream = FrameStream(loop, self.tap, self._fed)

    def discard(self) -> None:
        """Take no answers any more."""
        self.heard = _ignore

    def _fed(self) -> None:
        self.heard()


class Line:
    """The channel of a sink, and what is in flight on it; where one was closed, another is opened."""

    def __init__(
        self, link: Link, reader: ConfirmReader, destinations: Destinations, persistent: bool | None, dead_after: float
    ) -> None:
        """Begin without a channel; `dead_after` is in seconds, as in `connection.give_up_after`."""
        self.flights = Flights()
        self.blocked: str | None = None
        """Why the broker takes no publishes at present, in its words, or None."""
        self.connection: AbstractConnection | None = None
        """aiormq's connection, once a channel was opened."""
        self._link = link
        self._tap = reader.tap
        self._destinations = destinations
        self._persistent = persistent
        self._dead_after = dead_after
        self._encoder: Encoder | None = None
        self._heard_at = 0.0

    @property
    def open(self) -> bool:
        """Whether there is a channel to publish on."""
        return self._encoder is not None

    @property
    def farewell(self) -> tuple[int, str]:
        """Code and text of the broker's close of the last channel."""
        return self._tap.closed or (0, "")

    async def reopen(self) -> None:
        """Open a channel in confirm mode, with nothing in flight; raises Disconnected."""
        with translated(self._link.broker, "opening a channel to publish on"):
            async with asyncio.timeout(self._link.timeout):
                channel = await self._link.channel()
                await channel.confirm_delivery()
        self.connection = channel.connection
        frame_max = self.connection.connection_tune.frame_max
        self._tap.divert(channel.number, frame_max)
        self.flights = Flights()
        self._encoder = Encoder(channel.number, frame_max, self._link.connection.url.user or "", self._persistent)

    def publish(self, submission: Submission, positions: Sequence[int]) -> None:
        """Write messages of a submission in one block, and settle those that cannot be sent as what they are.

        No uid of theirs may be in flight. Raises Disconnected.
        """
        encoder = self._encoder
        if encoder is None or self._link.stream.closed:
            raise Disconnected(f"{self._link.broker}: the connection is closed")
        frames: list[bytes] = []
        sent: list[int] = []
        add, of, messages = encoder.add, self._destinations.of, submission.messages
        for position in positions:
            message = messages[position]
            destination = of(message)
            if isinstance(destination, Outcome):
                submission.settle(position, destination)
                continue
            try:
                add(message, *destination, frames)
            except Unmappable as error:
                submission.settle(position, Outcome(Verdict.REJECTED, error.reason, str(error)))
                continue
            sent.append(position)
        if not self.flights:
            self._heard_at = asyncio.get_running_loop().time()
        self.flights.add(submission, positions if len(sent) == len(positions) else sent)
        self._link.writer.write(b"".join(frames))

    def take_answers(self) -> None:
        """Take what the tap has: settle messages, and note a block or the close of the channel.

        Raises Disconnected for a return of what is not in flight: then nobody knows which message was not delivered.
        """
        tap = self._tap
        if tap.returns:
            returns, tap.returns = tap.returns, []
            self._take_returns(returns)
        if tap.confirms:
            confirms, tap.confirms = tap.confirms, []
            self._take_confirms(confirms)
        if tap.blocked != self.blocked:
            self._heard_at = asyncio.get_running_loop().time()
            self.blocked = tap.blocked
            # A blocked broker does not read, which to TCP is the same as a dead one; its heartbeats go on.
            give_up_after(self._link.stream.transport, 0 if tap.blocked is not None else self._dead_after)
        if tap.closed is not None:
            self._encoder = None

    def silent_for(self, now: float) -> float:
        """Seconds without a confirm while one was due, at the time `now` of the event loop."""
        return now - self._heard_at if self.flights and self.open and self.blocked is None else 0.0

    def destination(self, submission: Submission, position: int) -> Destination:
        """Where a message in flight was published."""
        return self._destinations.was(submission.messages[position])

    def _take_returns(self, returns: Sequence[Return]) -> None:
        for code, text, properties in returns:
            found = self.flights.find(uid_of(properties))
            if found is None:
                raise Disconnected(f"{self._link.broker} returned a message that was not in flight ({text})", "error")
            exchange, key = self.destination(*found)
            where = f"exchange {exchange!r} has no queue for routing key {key!r}" if exchange else f"no queue {key!r}"
            found[0].say(
                found[1], Outcome(Verdict.REJECTED, UNROUTABLE, f"{self._link.broker}: {where} ({code} {text})")
            )

    def _take_confirms(self, confirms: Sequence[Confirm]) -> None:
        flights = self.flights
        for tag, multiple, nack in confirms:
            if not nack:
                flights.acked(tag, multiple)
                continue
            for submission, position in flights.nacked(tag, multiple):
                exchange, key = self.destination(submission, position)
                text = f"a queue takes no more from exchange {exchange!r} with routing key {key!r} (nack): is it full?"
                submission.settle(position, Outcome(Verdict.HOLD, "nack", f"{self._link.broker}: {text}"))
        flights.sweep()
        self._heard_at = asyncio.get_running_loop().time()


def _ignore() -> None:
    """Take nothing."""
