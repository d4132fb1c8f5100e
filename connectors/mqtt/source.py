"""The MQTT source: topic filters, read through a session that the broker keeps while the bridge is away."""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Never

from bridge.errors import Disconnected, RouteFault
from bridge.message import Delivery, Receipt
from bridge.paths import Trail
from bridge.ports import Place, Source
from bridge.prefix import Prefix
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.mqtt import MqttSourceSettings
from connectors.mqtt import reasons
from connectors.mqtt.connection import connected, identity_of
from connectors.mqtt.decoder import Decoder
from connectors.mqtt.fence import Fence
from connectors.mqtt.inbox import Inbox
from connectors.mqtt.past import Past
from connectors.mqtt.session import Session
from connectors.mqtt.terms import MOST, Terms

_NUMBER_BITS: Final = 64
_IF_NEW: Final = 1  # Retain Handling: retained messages only for a subscription that is new (section 3.8.3.1)
_FENCES: Final = 4  # to a window: the relay takes a window in four parts
_COST: Final = (
    "The broker refuses MQTT 5, so it is MQTT 3.1.1: messages come without their properties, retained ones come again "
    "whenever the bridge starts, and the broker does not tell of a second client of this id."
)


@asynccontextmanager
async def open_source(
    broker: BrokerSettings, settings: MqttSourceSettings, place: Place, past: Past | None = None
) -> AsyncIterator[Source]:
    """Connect, take up the session or begin one, and subscribe; see `bridge.ports` for the contract of a source.

    `past` is what is to be remembered from one opening to the next. Raises RouteFault (authentication, forbidden,
    conflict, taken_over) or Disconnected; both also later, out of a body that is cancelled for it: at once if what was
    read ahead comes again, else when all of that has been handed out.
    """
    name = place.names.client_id
    expiry = math.ceil(settings.session_expiry)
    terms = Terms(settings.client_id or name, clean=False, expiry=expiry, window=min(MOST, place.messages))
    past = past or Past()
    async with connected(broker, terms, past) as session:
        trail = place.trail(broker, identity_of(broker))
        source = MqttSource(session, settings, place, past, trail, lasting=_lasting(session, expiry, past))
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(source.watch(), name=f"{name}: mqtt loss"),
                    tasks.create_task(session.watch(), name=f"{name}: mqtt keepalive"),
                    tasks.create_task(source.subscribe(), name=f"{name}: mqtt subscription"),
                ]
                try:
                    await source.ready()
                    yield source
                finally:
                    for task in running:
                        task.cancel()


class MqttSource:
    """A subscribed session. A receipt is an int: the epoch above, the number of the message in the low 64 bits."""

    waiting = None
    lag = None

    def __init__(
        self, session: Session, settings: MqttSourceSettings, place: Place, past: Past, trail: Trail, *, lasting: bool
    ) -> None:
        """`lasting` says that the broker keeps the session when the connection is lost."""
        epoch = secrets.randbits(63)
        self.redelivers = settings.qos > 0 and lasting
        """False at QoS 0, and for a session that ends with its connection: what it gave is only here."""
        self._session = session
        self._settings = settings
        self._past = past
        self._lasting = lasting
        self._base = epoch << _NUMBER_BITS
        self._decoder = Decoder(f"mqtt:{epoch:016x}-", trail, properties=session.version >= 5)
        self._inbox = Inbox(session, place.messages, place.size)
        self._fence = Fence(session, max(1, place.messages // _FENCES))
        self._settled = 0
        self._prefix = Prefix(self._base + 1)
        self._subscribed = False
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()  # all that was read ahead of a loss has been handed out
        session.stirred = self._stirred
        self._stirred()

    @property
    def read_ahead(self) -> int:
        """The bytes that were read and are not settled."""
        return self._inbox.read_ahead

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """Do nothing: what was received is taken away only with the connection."""

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """Have `missed` told if the broker had no session any more: whatever it kept for the route is gone."""
        if self._past.session_lost:
            self._past.session_lost = False
            missed("session_lost", 1)

    async def subscribe(self) -> None:
        """Subscribe to what the route wants, and note whether the session was lost; raises RouteFault, Disconnected."""
        session, settings, past = self._session, self._settings, self._past
        filters = [f"$share/{settings.share}/{topic}" if settings.share else topic for topic in settings.topics]
        if past.subscribed is not None and not session.present:
            past.subscribed, past.session_lost = None, True
        if session.version >= 5 or past.subscribed != set(filters):  # in 3.1.1 each brings all retained messages again
            codes = await session.subscribe(filters, settings.qos, _IF_NEW)
            if len(codes) != len(filters):
                text = f"{session.broker}: not MQTT: an answer about {len(codes)} subscriptions to {len(filters)}"
                raise Disconnected(text, "error")
            for topic, code in zip(filters, codes, strict=True):
                if code >= reasons.FAILURE:
                    raise reasons.refused_subscription(session.broker, code, topic, version=session.version)
                if code < settings.qos:
                    raise RouteFault(
                        f"{session.broker}: it grants {topic} only QoS {code}, at which messages may be lost: "
                        "write qos = 0 if they may, or change the broker",
                        "conflict",
                    )
            if settings.share:  # the session may have them without it from before, and would bring each message twice
                session.unsubscribe(settings.topics)
        past.subscribed = set(filters) if self._lasting else None
        self._subscribed = True
        self._wake.set()

    async def ready(self) -> None:
        """Wait until the subscriptions are granted, or what the session kept fills the window: then it is to be read.

        The answer to SUBSCRIBE may come behind all of that.
        """
        while not self._subscribed and not self._inbox.full:
            self._wake.clear()
            await self._wake.wait()

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait for messages and give 1 to `limit` of them, decoded; cancel-safe.

        Raises Disconnected or RouteFault as soon as the session is lost and what was read ahead comes again; where it
        does not, that is given first.
        """
        while True:
            loss = self._session.loss
            if loss is not None and (self.redelivers or self._inbox.empty):
                raise loss
            batch, first = self._inbox.take(limit)
            if loss is not None and self._inbox.empty:
                self._empty.set()
            if batch:
                self._let_go()
                return self._decoder.deliveries(batch, self._base, first)
            self._wake.clear()
            await self._wake.wait()

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Take receipts back, and acknowledge the contiguous prefix of them, in order, as one block."""
        base = self._base
        end = base + (1 << _NUMBER_BITS)
        own = [receipt for receipt in receipts if isinstance(receipt, int) and base < receipt < end]
        reached = self._prefix.add(own)
        if reached is None:
            return
        self._settled = reached - base
        acks = self._inbox.settle(self._settled)
        if acks:
            self._session.write(acks)
        self._let_go()
        self._wake.set()

    async def flush(self) -> None:
        """Wait until the broker has taken all acknowledgements, by a PINGREQ behind them; raises Disconnected.

        What was settled beyond a gap is not acknowledged, since MQTT wants the order of receipt (MQTT 5, section 4.6).
        The answer comes behind what the broker has sent: reading goes on for it, and if more comes than the window
        holds, the source is lost after this. Where nothing comes again no answer is awaited.
        """
        if self._session.loss is not None:
            raise self._session.loss
        if not self.redelivers:
            return
        with self._inbox.overrun():
            await self._session.ping("waiting until all acknowledgements were taken")
        if self._inbox.dropped:
            text = f"{self._session.broker}: more came than the window holds while acknowledgements were flushed"
            self._session.lose(Disconnected(text))

    async def watch(self) -> Never:
        """Wait for the loss of the session, and raise it: at once, or when nothing that exists only here is left."""
        loss = await self._session.lost()
        if not self.redelivers and not self._inbox.empty:
            await self._empty.wait()
        raise loss

    def _stirred(self) -> None:
        self._inbox.collect()
        self._let_go()
        self._wake.set()

    def _let_go(self) -> None:
        """Have the inbox know what does not come again: all that is settled, where nothing does."""
        if not self.redelivers:
            self._inbox.forget(self._settled)
        elif self._session.loss is None and self._fence.see_to(self._settled, urgent=self._inbox.held):
            self._inbox.forget(self._fence.passed)


def _lasting(session: Session, expiry: int, past: Past) -> bool:
    """Tell whether the broker keeps the session after the connection, and say what it does not do as asked."""
    if session.version < 5:
        past.tell_once(_COST, session.broker, session.client_id)
    kept = expiry if session.limits.expiry is None else session.limits.expiry
    if kept < expiry:
        text = f"The broker keeps the session for {kept} s only, and not for session_expiry ({expiry} s)."
        past.tell_once(text, session.broker, session.client_id)
    return kept > 0
