"""The MQTT sink: batches of messages to topics, in a session of its own, confirmed one by one and counted in bulk."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby, repeat
from operator import itemgetter
from typing import Final, Never, TypeAlias

from bridge.errors import Disconnected, RouteFault
from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.ports import Place, Sink
from bridge.sends import STEADY, Sends, Submission
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.mqtt import MqttSinkSettings
from connectors.mqtt import reasons
from connectors.mqtt.codec import Encoder
from connectors.mqtt.connection import connected, identity_of
from connectors.mqtt.packer import Mids, Packer
from connectors.mqtt.past import Past
from connectors.mqtt.session import TICK, Session
from connectors.mqtt.terms import Terms

UNWRITTEN: Final = 1 << 20
"""Bytes that may wait for the system to take them; with more there is no room."""

_COST: Final = (
    "The broker refuses MQTT 5, so it is MQTT 3.1.1: only topic and body of a message are published, and what the "
    "broker refuses is lost without a word."
)

_Piece: TypeAlias = tuple[Submission, int]  # a send, and the position of a message in it
_Written: TypeAlias = tuple[int, Submission, Sequence[int]]  # how many bytes have been written then, and which messages


@asynccontextmanager
async def open_sink(
    broker: BrokerSettings, settings: MqttSinkSettings, place: Place, past: Past | None = None
) -> AsyncIterator[Sink]:
    """Open a sink, connected, for the time of the context.

    `past` is what is to be remembered from one opening to the next. Raises RouteFault (authentication, forbidden;
    conflict if the broker has no retained messages or no QoS 1 and the route wants them; taken_over) or Disconnected;
    both also later, out of a body that is cancelled for it. Leaving makes every unresolved outcome UNKNOWN.
    """
    name = place.names.client_id_of(settings.name)
    past = past or Past()
    async with connected(broker, Terms(name, clean=True), past) as session:
        if session.version < 5:
            past.tell_once(_COST, session.broker, session.client_id)
        _check(session, settings, past)
        sink = MqttSink(session, settings, place, past, place.guard(broker, identity_of(broker)))
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(sink.watch(), name=f"{name}: mqtt loss"),
                    tasks.create_task(sink.watch_time(), name=f"{name}: mqtt silence"),
                    tasks.create_task(session.watch(), name=f"{name}: mqtt keepalive"),
                ]
                try:
                    yield sink
                finally:
                    for task in running:
                        task.cancel()


class MqttSink:
    """A `bridge.ports.Sink` on a session of its own."""

    waiting = None

    def __init__(self, session: Session, settings: MqttSinkSettings, place: Place, past: Past, guard: Guard) -> None:
        self._session = session
        self._past = past
        self._confirms = settings.qos > 0
        limits = session.limits
        retain = settings.retain if limits.retain else False
        encoder = Encoder(settings.qos, retain, limits.packet, properties=session.version >= 5)
        self._packer = Packer(settings.topic, encoder, guard)
        self._window = min(settings.max_in_flight or place.messages, place.messages)
        if self._confirms:
            self._window = min(self._window, limits.receive_maximum)
        self._sends = Sends(self._window, STEADY)
        self._mids = Mids()
        self._flying: dict[int, _Piece] = {}
        self._unwritten: deque[_Written] = deque()  # at QoS 0
        self._answered = False
        self._loop = asyncio.get_running_loop()
        self._progress_at = 0.0
        session.stirred = self._stirred
        session.publishing = lambda: bool(self._flying)

    async def room(self) -> int:
        """As `bridge.ports.Sink.room`: there is room by what is unconfirmed, the window at most.

        It is half of the window at most, so that another half is on its way meanwhile: brokers allow few in flight, and
        a send of all of them would have its last confirmation before the next begins.
        """
        while True:
            if self._sends.loss is not None:
                raise self._sends.loss
            room = self._past.suspects.room(self._sends.room, idle=self._sends.idle)
            if room > 0 and self._session.unwritten <= UNWRITTEN:
                return min(room, max(1, self._window // 2))
            await self._sends.news()

    async def send(self, messages: Sequence[Message]) -> asyncio.Future[Sequence[Outcome]]:
        """As `bridge.ports.Sink.send`; never waits. At QoS 0 a message counts as delivered once it is written."""
        if self._sends.loss is not None:
            raise self._sends.loss
        submission = self._sends.begin(messages)
        mids = self._mids.take(len(messages), self._flying) if self._confirms else None
        blocks, positions, refused = self._packer.pack(messages, mids)
        for position, outcome in refused:
            submission.settle(position, outcome)
        if not self._flying and not self._unwritten:
            self._progress_at = self._loop.time()
        if mids is not None:
            used = mids if not refused else [mids[position] for position in positions]
            self._flying.update(zip(used, zip(repeat(submission), positions)))  # noqa: B905 - of equal lengths
        for block in blocks:
            self._session.write(block)
        if mids is None and positions:
            self._unwritten.append((self._session.queued, submission, positions))
        self._sends.finish()
        return submission.future

    async def watch(self) -> Never:
        """Wait for the loss of the session, and raise it."""
        raise await self._session.lost()

    async def watch_time(self) -> Never:
        """Lose the session when neither a confirmation comes nor anything can be written for `broker_timeout`."""
        session = self._session
        written, waiting = 0, False
        while True:
            await asyncio.sleep(min(TICK, session.timeout / 4))
            now = self._loop.time()
            if waiting and session.written != written:
                self._progress_at = now
            written, waiting = session.written, session.unwritten > 0  # a ping is written at once
            if (self._flying or self._unwritten) and now - self._progress_at > session.timeout:
                text = f"{session.broker}: no confirmation for {session.timeout:g} s"
                session.lose(Disconnected(text, "timeout"))

    def _stirred(self) -> None:
        """Take the answers that came, what was written, and the loss."""
        tap = self._session.tap
        if tap.acked or tap.refused:
            self._progress_at = self._loop.time()
            self._take_answers()
        while self._unwritten and self._unwritten[0][0] <= self._session.written:
            _, submission, positions = self._unwritten.popleft()
            submission.settle_range(positions)
        if self._session.loss is not None:
            self._lose(self._session.loss)
        self._sends.finish()

    def _take_answers(self) -> None:
        tap, flying = self._session.tap, self._flying
        self._answered = True
        acked, tap.acked = tap.acked, []
        refused, tap.refused = tap.refused, []
        pieces = [flying.pop(mid) for mid in acked if mid in flying]
        for submission, group in groupby(pieces, itemgetter(0)):
            submission.settle_range(sorted([position for _, position in group]))
        if refused:
            self._past.explained()  # Mosquitto before 2.0.22 ends the connection behind one if max_queued_messages is 0
        for mid, code, block in refused:
            if mid in flying:
                submission, position = flying.pop(mid)
                submission.settle(position, reasons.refusal(self._session.broker, code, block))
        self._past.suspects.answered(len(acked) + len(refused))

    def _lose(self, loss: Disconnected | RouteFault) -> None:
        """Leave everything without an answer, but for the one message that the broker ended the connection for."""
        flying = list(self._flying.values())
        self._flying.clear()
        self._unwritten.clear()
        code = self._session.farewell
        if code in reasons.POISONOUS or loss.reason == "lost":
            uids = [submission.messages[position].uid for submission, position in flying]
            if self._past.suspects.ended(uids, told=code in reasons.POISONOUS, answered=self._answered):
                submission, position = flying[0]
                submission.settle(position, reasons.blame(code, loss))
        self._sends.lose(loss)


def _check(session: Session, settings: MqttSinkSettings, past: Past) -> None:
    """Raise RouteFault (conflict) for a route that wants what the broker says it has not."""
    limits = session.limits
    if settings.qos > limits.maximum_qos:
        text = f"{session.broker}: it takes QoS 0 only, which nobody confirms: write qos = 0, or change the broker"
        raise RouteFault(text, "conflict")
    if not limits.retain and settings.retain:
        text = f"{session.broker}: it does not retain messages: take retain out of the route"
        raise RouteFault(text, "conflict")
    if not limits.retain and settings.retain is None:
        text = "The broker does not retain messages: those that ask for it are published without."
        past.tell_once(text, session.broker, session.client_id)
