"""The AMQP sink: batches of messages to exchanges, confirmed by the broker, in order.

One channel in confirm mode takes blocks of frames, and each answer settles a range of messages. Where one message makes
the broker close the channel, another is opened, and what was not confirmed is published again: one by one, until the
culprit is found, if the broker's words do not name it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import itemgetter
from typing import Never, TypeAlias, TypeVar

from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.message import Message, Outcome, Verdict
from bridge.ports import Place, Sink
from bridge.sends import STEADY, Sends, Submission
from bridge.tasks import ungrouped
from config.amqp import AmqpSinkSettings
from config.brokers import BrokerSettings
from connectors.amqp.connection import Link, dead_after, tapped
from connectors.amqp.destinations import LOOK_EVERY, MISSING_EXCHANGE, Destinations
from connectors.amqp.errors import explained, translated
from connectors.amqp.line import ConfirmReader, Line
from connectors.amqp.places import judge_of
from connectors.amqp.stream import TICK

_Piece: TypeAlias = tuple[Submission, int]
_T = TypeVar("_T")


@asynccontextmanager
async def open_sink(
    broker: BrokerSettings, settings: AmqpSinkSettings, place: Place, *, look_every: float = LOOK_EVERY
) -> AsyncIterator[Sink]:
    """Open a sink, connected, for the time of the context.

    `look_every` is in seconds, see `connectors.amqp.destinations`. Raises RouteFault (authentication, forbidden,
    conflict) or Disconnected; both also later, out of a body that is cancelled for it. An exchange without template
    fields that is missing is created or waited for. Leaving makes every unresolved outcome UNKNOWN.
    """
    name = f"fedbridge {place.bridge}.{place.route} sink {settings.name}"
    async with tapped(broker, name, ConfirmReader) as (link, reader):
        judge = judge_of(settings, place.guard(broker, link.identity))
        destinations = Destinations(link, settings, look_every, judge)
        line = Line(link, reader, destinations, settings.persistent, dead_after(broker))
        sink = AmqpSink(link, line, destinations, min(settings.max_in_flight or place.messages, place.messages))
        await sink.prepare()
        reader.heard = sink.heard
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as tasks:
                    running = [
                        tasks.create_task(sink.watch_connection(), name=f"{name}: loss"),
                        tasks.create_task(sink.watch_time(), name=f"{name}: time"),
                        tasks.create_task(sink.mend(look_every), name=f"{name}: mending"),
                    ]
                    try:
                        yield sink
                    finally:
                        for task in running:
                            task.cancel()
        finally:
            sink.close()


class AmqpSink:
    """A `bridge.ports.Sink` on a connection of its own."""

    def __init__(self, link: Link, line: Line, destinations: Destinations, limit: int) -> None:
        """Begin; at most `limit` messages are unconfirmed. `prepare` comes first, the `watch_…` and `mend` beside."""
        self._link = link
        self._line = line
        self._destinations = destinations
        self._exchange = destinations.exchange(destinations.fixed) if destinations.fixed else None
        self._missing = False
        self._mending = False
        self._sends = Sends(limit, STEADY)

    @property
    def waiting(self) -> str | None:
        """The exchange that is missing, or why the broker takes nothing, or None."""
        if self._missing and self._exchange is not None:
            return f"exchange {self._exchange.name}"
        return None if self._line.blocked is None else f"the broker to take messages again: {self._line.blocked}"

    async def prepare(self) -> None:
        """See to the exchange, and open the channel; raises RouteFault (conflict, forbidden) or Disconnected."""
        self._missing = self._exchange is not None and not await self._exchange.present()
        await self._line.reopen()

    async def room(self) -> int:
        """As `bridge.ports.Sink.room`: there is room by what is unconfirmed, `max_in_flight` at most."""
        while True:
            if self._sends.loss is not None:
                raise self._sends.loss
            room = self._sends.room
            if room and self._ready and not self._missing and self._line.blocked is None:
                return room
            await self._sends.news()

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[Sequence[Outcome]]:
        """As `bridge.ports.Sink.send`; waits for exchanges that no message named before, and for equal uids."""
        submission = self._sends.begin(messages)
        start = 0
        try:
            await self._patiently(lambda: self._destinations.find(messages))
            while start < len(messages):
                stop = await self._clear_until(messages, start)
                if self._missing:
                    self._held((submission, position) for position in range(start, len(messages)))
                    break
                self._line.publish(submission, range(start, stop))
                start = stop
            with translated(self._link.broker, "publishing"):
                await self._link.writer.drain()
        except BaseException:
            for position in range(start, len(messages)):
                submission.settle(position, Outcome(Verdict.UNKNOWN, "unsent"))
            raise
        finally:
            self._sends.finish()
        return submission.future

    def heard(self) -> None:
        """Take what the broker said; called for every chunk that was read."""
        try:
            self._line.take_answers()
        except Disconnected as error:
            self._lose(error)
        self._sends.finish()

    async def watch_connection(self) -> Never:
        """Wait for the loss of the connection, and raise it."""
        error: BaseException | None = None
        if self._line.connection is not None:
            closing = self._line.connection.closing
            try:
                await asyncio.wait({closing})
                error = None if closing.cancelled() else closing.exception()
            finally:
                closing.cancel()
        raise self._lose(explained(error, self._link.broker, "publishing"))

    async def watch_time(self) -> Never:
        """Show aiormq signs of life, and raise Disconnected when confirms are due for `broker_timeout`."""
        timeout, loop = self._link.timeout, asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(TICK, timeout / 4))
            self._link.stream.tick()
            if self._line.silent_for(loop.time()) > timeout:
                raise self._lose(Disconnected(f"{self._link.broker}: no confirmation for {timeout:g} s", "timeout"))

    async def mend(self, look_every: float) -> Never:
        """Look for an exchange that is missing, and replace a channel that the broker has closed, for ever.

        Raises RouteFault or Disconnected; also the loss that was noted elsewhere.
        """
        try:
            while True:
                if not self._line.open:
                    await self._replace_channel()
                elif self._missing and self._exchange is not None:
                    await asyncio.sleep(look_every)
                    self._missing = not await self._patiently(self._exchange.present)
                    self._sends.stir()
                else:
                    await self._sends.news()
        except (Disconnected, RouteFault) as error:
            raise self._lose(error) from error.__cause__

    def close(self) -> None:
        """Make every unresolved outcome UNKNOWN; a broker that would not read our farewell is left without one."""
        self._lose(Disconnected(f"{self._link.broker}: the sink was closed", "cancelled"))
        if self._line.blocked is not None:
            self._link.stream.transport.abort()

    @property
    def _ready(self) -> bool:
        return self._line.open and not self._mending

    async def _clear_until(self, messages: Sequence[Message], start: int) -> int:
        """Wait until messages from `start` on may be published, as far as the end that this gives.

        None may while the exchange is missing: that is no matter of waiting here, and `start` is given.
        """
        while not self._missing:
            if self._ready and (stop := self._line.flights.clear_until(messages, start)) > start:
                return stop
            await self._sends.news()
        return start

    async def _replace_channel(self) -> None:
        """Open another channel, and publish on it what the closed one had in flight, but for the culprit."""
        flying = list(self._line.flights.unsettled())
        if not flying:
            raise Disconnected(
                f"{self._link.broker} closed the channel, nothing was in flight: {self._line.farewell[1]}"
            )
        self._mending = True
        for submission, position in flying:
            submission.unsay(position)
        try:
            left = self._without_culprits(flying)
            await self._patiently(self._line.reopen)
            if len(left) == len(flying):
                left = await self._one_by_one(left)
            self._republish(left)
        finally:
            self._mending = False
            self._sends.stir()

    async def _one_by_one(self, flying: Sequence[_Piece]) -> Sequence[_Piece]:
        """Publish one message at a time until the broker closes the channel again; give those behind the culprit."""
        for number, piece in enumerate(flying, 1):
            self._republish([piece])
            while self._line.flights and self._line.open:
                await self._sends.news()
            if not self._line.open:
                for submission, position in self._without_culprits([piece]):
                    submission.settle(position, _refusal(self._link.broker, *self._line.farewell))
                self._sends.finish()
                await self._patiently(self._line.reopen)
                left = flying[number:]
                return self._held(left) if self._missing else left
        return ()

    def _without_culprits(self, flying: Sequence[_Piece]) -> Sequence[_Piece]:
        """Settle the messages that the broker's words, as it closed the channel, are about, and give the others.

        Raises RouteFault (forbidden) if they are about every message of the route.
        """
        code, text = self._line.farewell
        left: list[_Piece] = []
        for submission, position in flying:
            destination = self._line.destination(submission, position)
            outcome = self._destinations.blame(code, text, destination, alone=len(flying) == 1)
            if outcome is None:
                left.append((submission, position))
            elif self._exchange is not None and outcome.reason == MISSING_EXCHANGE:
                self._missing = True
                self._held([(submission, position)])
            else:
                submission.settle(position, outcome)
        self._sends.finish()
        return left

    def _held(self, pieces: Iterable[_Piece]) -> Sequence[_Piece]:
        """Settle messages as waiting for the exchange; gives that none is left."""
        name = "" if self._exchange is None else self._exchange.name
        outcome = Outcome(Verdict.HOLD, MISSING_EXCHANGE, f"{self._link.broker}: there is no exchange {name}")
        for submission, position in pieces:
            submission.settle(position, outcome)
        return ()

    def _republish(self, pieces: Sequence[_Piece]) -> None:
        for submission, group in groupby(pieces, key=itemgetter(0)):
            self._line.publish(submission, [position for _, position in group])
        self._sends.finish()

    async def _patiently(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask the broker something, and ask again if it did not answer because it was blocked."""
        while True:
            while self._line.blocked is not None:
                await self._sends.news()
            try:
                return await ask()
            except Disconnected:
                if self._line.blocked is None:
                    raise

    def _lose(self, error: Disconnected | RouteFault) -> FedbridgeError:
        """Note a loss, and give the one that counts: the first."""
        failure = self._link.stream.failure
        if failure is not None:
            error = Disconnected(f"{self._link.broker}: not AMQP: {failure}", "error")
        self._sends.lose(error)
        return self._sends.loss or error


def _refusal(broker: str, code: int, text: str) -> Outcome:
    """The outcome of a message for which the broker has closed the channel."""
    reason = "too_large" if "is larger than" in text else "refused"  # the words of RabbitMQ about max_message_size
    return Outcome(Verdict.REJECTED, reason, f"{broker} closed the channel: {text} ({code})")
