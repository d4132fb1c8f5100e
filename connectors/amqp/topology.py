"""What a source needs at the broker: looked up first, created only where missing, and asserted again and again."""

import asyncio
from typing import Final

import structlog

from bridge.ports import Place
from config.amqp import AmqpSourceSettings
from connectors.amqp.connection import Link
from connectors.amqp.exchanges import Exchange
from connectors.amqp.queues import Queue

ASSERT_EVERY: Final = 15.0
"""Seconds between two assertions of the bindings: an exchange that was deleted and declared again has none of them."""

LOOK_EVERY: Final = 1.0
"""Seconds between two lookups of a missing exchange."""

_log = structlog.get_logger(__name__)


class Topology:
    """The queue of a source, its exchange and its bindings. `waiting` names the exchange while it is missing."""

    def __init__(self, link: Link, queue: Queue, settings: AmqpSourceSettings, place: Place) -> None:
        """The exchange is looked up over `link`."""
        self.queue = queue
        self.waiting: str | None = None
        self._exchange = (
            None
            if settings.exchange is None
            else Exchange(link, settings.exchange, settings.exchange_type, settings.exchange_durable)
        )
        self._known = False
        self._log = _log.bind(route=place.route, broker=link.broker, exchange=settings.exchange)

    async def prepare(self) -> None:
        """See to the queue, then to the exchange and the bindings.

        Raises RouteFault: missing for a queue that is not to be created, conflict for an exchange of another type or a
        stream, forbidden, locked. Raises Disconnected.
        """
        await self.queue.prepare()
        await self.assert_bindings()

    async def watch(self, assert_every: float = ASSERT_EVERY, look_every: float = LOOK_EVERY) -> None:
        """Assert the bindings for ever; both intervals are in seconds. Raises as `prepare` does."""
        while self._exchange is not None:
            await asyncio.sleep(look_every if self.waiting else assert_every)
            await self.assert_bindings()

    async def assert_bindings(self) -> None:
        """Bind the queue to the exchange if that is there; else create it, where its durability is stated, or wait."""
        if self._exchange is None:
            return
        exchange = self._exchange.name
        present = await self._exchange.present() and await self.queue.bind(exchange)
        if present != self._known or (not present and self.waiting is None):
            self._log.info("the exchange is there, the queue is bound" if present else "waiting for the exchange")
        self._known = present
        self.waiting = None if present else f"exchange {exchange}"
