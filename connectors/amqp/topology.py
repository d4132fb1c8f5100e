"""What a source needs at the broker: looked up first, created only where missing, and asserted again and again.

Every question goes over a throw-away channel, since the broker closes the channel that asked for something missing.
"""

import asyncio
from typing import Final

import structlog
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from bridge.errors import Disconnected, RouteFault
from bridge.ports import Place
from config.settings import AmqpSourceSettings
from connectors.amqp.connection import Link
from connectors.amqp.errors import missing

ASSERT_EVERY: Final = 15.0
"""Seconds between two assertions of the bindings: an exchange that was deleted and declared again has none of them."""

LOOK_EVERY: Final = 1.0
"""Seconds between two lookups of a missing exchange."""

_log = structlog.get_logger(__name__)


class Topology:
    """The queue of a source, its exchange and its bindings. `waiting` names the exchange while it is missing."""

    def __init__(self, link: Link, settings: AmqpSourceSettings, place: Place) -> None:
        self.queue = settings.queue or f"fedbridge.{place.bridge}.{place.route}"
        self.waiting: str | None = None
        self._link = link
        self._settings = settings
        self._route = place.route
        self._known = False

    async def prepare(self) -> None:
        """See to the queue, then to the exchange and the bindings.

        Raises RouteFault: missing for a queue that is not to be created, conflict for an exchange of another type,
        forbidden, locked. Raises Disconnected.
        """
        if not await self._has_queue():
            if not self._settings.declares:
                raise RouteFault(
                    f"{self._link.broker}: there is no queue {self.queue}: create it, or set declare = true", "missing"
                )
            async with self._link.throwaway(f"declaring queue {self.queue}") as channel:
                await channel.queue_declare(self.queue, durable=True)
        await self.assert_bindings()

    async def watch(self, assert_every: float = ASSERT_EVERY, look_every: float = LOOK_EVERY) -> None:
        """Assert the bindings for ever; both intervals are in seconds. Raises as `prepare` does."""
        if self._settings.exchange is None:
            return
        while True:
            await asyncio.sleep(look_every if self.waiting else assert_every)
            await self.assert_bindings()

    async def assert_bindings(self) -> None:
        """Bind the queue to the exchange if that is there; else create it, where its durability is stated, or wait."""
        exchange = self._settings.exchange
        if exchange is None:
            return
        present = await self._has_exchange(exchange) or await self._made_exchange(exchange)
        if present and not self._known:
            await self._check_type(exchange)
        present = present and await self._bound(exchange)
        if present != self._known or (not present and self.waiting is None):
            log = _log.bind(route=self._route, broker=self._link.broker, exchange=exchange)
            log.info("the exchange is there, the queue is bound" if present else "waiting for the exchange")
        self._known = present
        self.waiting = None if present else f"exchange {exchange}"

    async def _has_queue(self) -> bool:
        async with self._link.throwaway(f"looking up queue {self.queue}") as channel:
            try:
                await channel.queue_declare(self.queue, passive=True)
            except ChannelNotFoundEntity as error:
                if not missing(error):
                    raise
                return False
        return True

    async def _has_exchange(self, exchange: str) -> bool:
        async with self._link.throwaway(f"looking up exchange {exchange}") as channel:
            try:
                await channel.exchange_declare(exchange, passive=True)
            except ChannelNotFoundEntity as error:
                if not missing(error):
                    raise
                return False
        return True

    async def _made_exchange(self, exchange: str) -> bool:
        """Create the exchange, if its durability is stated: else it is its publisher's to declare."""
        durable, type_ = self._settings.exchange_durable, self._settings.exchange_type
        if durable is None or type_ is None:
            return False
        async with self._link.throwaway(f"declaring exchange {exchange}") as channel:
            try:
                await channel.exchange_declare(exchange, exchange_type=type_, durable=durable)
            except ChannelPreconditionFailed:
                return await self._has_exchange(exchange)  # somebody was faster, and of another mind
        return True

    async def _check_type(self, exchange: str) -> None:
        """Compare the type of an existing exchange with the route's, without ever creating one.

        An argument of the wrong type makes RabbitMQ refuse to create (`alternate-exchange` is text), while an exchange
        that exists is compared, and the first difference that it names is the type. Seen on 3.10.8.
        """
        said = ""
        async with self._link.throwaway(f"comparing exchange {exchange}") as channel:
            try:
                await channel.exchange_declare(
                    exchange,
                    exchange_type=self._settings.exchange_type or "direct",
                    durable=bool(self._settings.exchange_durable),
                    arguments={"alternate-exchange": 1},
                )
            except ChannelAccessRefused:
                return
            except ChannelPreconditionFailed as error:
                said = str(error)
        if "inequivalent arg 'type'" in said:
            have = said.rpartition("current is '")[2].partition("'")[0]
            want = self._settings.exchange_type
            raise RouteFault(
                f"{self._link.broker}: {exchange} is a {have} exchange, the route says {want}: change exchange_type",
                "conflict",
            )

    async def _bound(self, exchange: str) -> bool:
        async with self._link.throwaway(f"binding queue {self.queue} to exchange {exchange}") as channel:
            try:
                for key in self._settings.keys:
                    await channel.queue_bind(self.queue, exchange, routing_key=key)
            except ChannelNotFoundEntity as error:
                if "no exchange" not in str(error):  # the queue was deleted: the next open sees what to do
                    raise Disconnected(f"{self._link.broker}: queue {self.queue} is gone", "cancelled") from error
                return False
        return True
