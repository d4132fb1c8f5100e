"""One exchange at the broker: looked up first, created only where it is missing and that is wanted, never changed.

Every question goes over a throw-away channel, since the broker closes the channel that asked for something missing.
"""

from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from bridge.errors import RouteFault
from config.amqp import ExchangeType
from connectors.amqp.connection import Link
from connectors.amqp.errors import missing
from connectors.amqp.methods import declare_exchange


class Exchange:
    """An exchange that a route names, of a type and a durability if the route states them."""

    def __init__(self, link: Link, name: str, type_: ExchangeType | None, durable: bool | None) -> None:
        self.name = name
        self._link = link
        self._type = type_
        self._durable = durable
        self._known = False

    async def present(self) -> bool:
        """Whether the exchange is there, after creating it if it is missing and its durability is stated.

        An exchange belongs to its publisher: without a stated durability it is his to declare. Raises RouteFault:
        conflict if it is of another type than the route says, forbidden. Raises Disconnected.
        """
        there = await self._exists() or await self._made()
        if there and not self._known:
            await self._check_type()
        self._known = there
        return there

    async def _exists(self) -> bool:
        async with self._link.throwaway(f"looking up exchange {self.name}") as channel:
            try:
                await declare_exchange(channel, self.name, passive=True)
            except ChannelNotFoundEntity as error:
                if not missing(error):
                    raise
                return False
        return True

    async def _made(self) -> bool:
        if self._durable is None or self._type is None:
            return False
        async with self._link.throwaway(f"declaring exchange {self.name}") as channel:
            try:
                await declare_exchange(channel, self.name, type_=self._type, durable=self._durable)
            except ChannelPreconditionFailed:
                return await self._exists()  # somebody was faster, and of another mind
        return True

    async def _check_type(self) -> None:
        """Compare the type of an existing exchange with the route's, without ever creating one.

        An argument of the wrong type makes RabbitMQ refuse to create (`alternate-exchange` is text), while an exchange
        that exists is compared, and the first difference that it names is the type. Seen on 3.10.8.
        """
        if self._type is None:
            return
        said = ""
        async with self._link.throwaway(f"comparing exchange {self.name}") as channel:
            try:
                await declare_exchange(
                    channel,
                    self.name,
                    type_=self._type,
                    durable=bool(self._durable),
                    arguments={"alternate-exchange": 1},
                )
            except ChannelAccessRefused:
                return
            except ChannelPreconditionFailed as error:
                said = str(error)
        if (have := other_type(said)) is not None:
            what = f"a {have} exchange" if have else "an exchange of another type"
            raise RouteFault(
                f"{self._link.broker}: {self.name} is {what}, the route says {self._type}: change exchange_type",
                "conflict",
            )


def other_type(refusal: str) -> str | None:
    """The type of an exchange, if it was not declared again because of that; "" where RabbitMQ cut what it said."""
    if "inequivalent arg 'type'" not in refusal:
        return None
    return refusal.rpartition(" but current is '")[2].partition("'")[0] if " but current is '" in refusal else ""
