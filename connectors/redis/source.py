"""The Redis source: streams read by a member of a consumer group, each entry acknowledged by itself.

Two connections: one waits for entries, on the other go acknowledgements and claims, which must not wait.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge.errors import Disconnected, FedbridgeError
from bridge.message import Delivery, Receipt
from bridge.ports import Place, Source
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.redis import RedisSourceSettings
from connectors.redis import ledger
from connectors.redis.acks import Acks
from connectors.redis.backlog import Backlog
from connectors.redis.claims import Claims
from connectors.redis.commands import Member
from connectors.redis.connection import Wire, connected, place_of
from connectors.redis.decoder import Decoder
from connectors.redis.group import Group
from connectors.redis.lag import LAG_EVERY, Lag
from connectors.redis.past import Past
from connectors.redis.reading import Reading


@asynccontextmanager
async def open_source(
    broker: BrokerSettings,
    settings: RedisSourceSettings,
    place: Place,
    past: Past | None = None,
    *,
    lag_every: float = LAG_EVERY,
) -> AsyncIterator[Source]:
    """Connect and see to the group; see `bridge.ports` for the contract of a source.

    `past` is what is to be remembered from one opening to the next; `lag_every` is in seconds, see LAG_EVERY. Raises
    RouteFault (authentication, forbidden, missing, conflict) or Disconnected; both also later, out of a body that is
    cancelled for it.
    """
    name = f"fedbridge {place.bridge}.{place.route} source"
    member = member_of(settings, place)
    async with connected(broker, name) as reading, connected(broker, f"{name} acks") as control:
        group = Group(control, member, settings.streams, place.route, past or Past())
        await group.prepare(settings.start.encode())
        source = RedisSource(reading, control, group, broker, settings, place)
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as tasks:
                    running = [
                        tasks.create_task(source.guard(work), name=f"{name}: redis {what}")
                        for what, work in source.work(lag_every).items()
                    ]
                    try:
                        yield source
                    finally:
                        for task in running:
                            task.cancel()
        finally:
            source.lose(Disconnected(f"{reading.broker}: the source was closed", "cancelled"))


def member_of(settings: RedisSourceSettings, place: Place) -> Member:
    """The group and the consumer that a source is."""
    group = settings.group or place.names.group
    return Member(group.encode(), (settings.consumer or place.names.consumer).encode())


class RedisSource:
    """A `bridge.ports.Source`. Receipts are those of its ledgers, which no other opening has."""

    redelivers = True

    def __init__(  # noqa: PLR0917 - what one opening is made of
        self,
        reading: Wire,
        control: Wire,
        group: Group,
        broker: BrokerSettings,
        settings: RedisSourceSettings,
        place: Place,
    ) -> None:
        self._timeout = broker.broker_timeout
        self._shown = reading.broker
        self._group = group
        self._backlog = Backlog(group.window, place.messages, place.size)
        trail = place.trail(broker, f"redis:{place_of(broker)}")
        decoder = Decoder(place_of(broker), settings.body, settings.no_body, trail)
        self._reading = Reading(reading, group, self._backlog, decoder, broker.broker_timeout)
        self._acks = Acks(control, group, self._reading.freed.set)
        self._claims = Claims(control, group, settings.claim_idle, place.messages, self._reading.look_back)
        self._lag = Lag(control, group)
        self._arrived = asyncio.Event()
        self._loss: FedbridgeError | None = None
        self._reading.arrived = self._arrived.set
        self._reading.settled = self._acks.move
        for wire in (reading, control):
            wire.on_loss(self.lose)

    @property
    def waiting(self) -> str | None:
        """That the server does not give, or take, anything at present, or None."""
        obstacle = self._reading.obstacle or self._acks.obstacle
        return None if obstacle is None else f"the server to work again: {obstacle}"

    @property
    def lag(self) -> int | None:
        """Entries not given to the group or not acknowledged by it, as of the last look; None if nobody can tell."""
        return self._lag.known

    def on_revoked(self, revoked: Callable[[], None]) -> None:
        """Do nothing: entries that another consumer takes over were idle for too long, and come twice."""

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """As `bridge.ports.Source.on_missed`: of pending entries that were trimmed, and of streams and groups."""
        self._group.on_missed(missed)

    def work(self, lag_every: float) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """The tasks that are to run beside it, by what they do."""
        return {
            "reading": self._reading.run,
            "acks": self._acks.run,
            "keeping": self._claims.keep,
            "claiming": self._claims.take_over,
            "lag": lambda: self._lag.run(lag_every),
        }

    async def guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of the tasks, and note the loss that it ends with before others learn of it."""
        try:
            await work()
        except FedbridgeError as error:
            self.lose(error)
            raise

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """As `bridge.ports.Source.receive`."""
        while not self._backlog:
            if self._loss is not None:
                raise self._loss
            self._arrived.clear()
            await self._arrived.wait()
        return self._backlog.take(limit)

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """As `bridge.ports.Source.settle`; each entry is acknowledged by itself, whatever came before it."""
        of: dict[ledger.Ledger, list[bytes]] = {}
        for receipt in receipts:
            if isinstance(receipt, ledger.Receipt):
                of.setdefault(receipt.ledger, []).append(receipt.entry)
        for each, entries in of.items():
            each.settle(entries)
        self._acks.move()
        self._reading.freed.set()

    async def flush(self) -> None:
        """As `bridge.ports.Source.flush`: wait until everything that is settled is acknowledged."""
        try:
            async with asyncio.timeout(self._timeout):
                while self._loss is None and self._acks.due:
                    self._acks.taken.clear()
                    await self._acks.taken.wait()
        except TimeoutError:
            text = f"{self._shown}: entries could not be acknowledged for {self._timeout:g} s"
            raise Disconnected(text, "timeout") from None
        if self._loss is not None:
            raise self._loss

    def lose(self, error: FedbridgeError) -> None:
        """Note the loss, once, and wake who waits for something."""
        if self._loss is None:
            self._loss = error
            self._backlog.clear()
            for event in (self._arrived, self._acks.taken):
                event.set()
