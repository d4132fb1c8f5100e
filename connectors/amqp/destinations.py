"""Where the messages of one sink go: exchange and routing key of each, and what is wrong where there is none."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from bridge.errors import RouteFault, Unmappable
from bridge.message import Message, Outcome, Verdict
from bridge.templates import lacking, render_text
from config.amqp import AmqpSinkSettings
from connectors.amqp.connection import Link
from connectors.amqp.exchanges import Exchange
from connectors.amqp.places import Judge

LOOK_EVERY: Final = 1.0
"""Seconds between two lookups of a missing exchange."""

MISSING_EXCHANGE: Final = "missing_exchange"
"""The reason of a message to an exchange that is not there."""

_DEFAULT: Final = "amq.default"  # what RabbitMQ calls the default exchange
_REMEMBERED: Final = 10_000  # exchanges
_NOT_FOUND, _ACCESS_REFUSED = 404, 403  # reply codes of AMQP 0-9-1
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class Destination(NamedTuple):
    """Where one message is published."""

    exchange: str
    key: str


Aim: TypeAlias = Callable[[Message], Destination | Outcome]
"""Gives where a message is to be published, or the outcome it has without that."""


def aim(settings: AmqpSinkSettings, judge: Judge) -> Aim:
    """Make what says where messages go by themselves, whatever is known of exchanges."""
    exchange_of = render_text(settings.exchange)
    key_of = _own_key if settings.routing_key is None else render_text(settings.routing_key)

    def of(message: Message) -> Destination | Outcome:
        exchange, key = exchange_of(message), key_of(message)
        if exchange is None or key is None:
            template = settings.exchange if exchange is None else settings.routing_key
            text = "the message has no routing key" if template is None else lacking(template, message)
            return Outcome(Verdict.REJECTED, "missing_field", text)
        destination: Destination = _new(Destination, (exchange, key))
        return judge(message.path, exchange, key) or destination

    return of


class Destinations:
    """Destinations of messages, and what is known of exchanges.

    A template without fields names one exchange, `fixed`, which the sink waits for. Of others each is looked up when a
    message first names it, and what is wrong with one is the affair of its messages: that is believed for `look_every`
    seconds, and then until the next `find`, however long the looking for others takes.
    """

    def __init__(self, link: Link, settings: AmqpSinkSettings, look_every: float, judge: Judge) -> None:
        self.fixed = None if settings.exchange.fields else "".join(map(str, settings.exchange.parts))
        self._fixed_key = settings.routing_key is not None and not settings.routing_key.fields
        self._link = link
        self._settings = settings
        self._look_every = look_every
        self._aim = aim(settings, judge)
        self._exchange = render_text(settings.exchange)
        self._key = _own_key if settings.routing_key is None else render_text(settings.routing_key)
        self._there: set[str] = {""}
        self._wrong: dict[str | Destination, tuple[float, Outcome]] = {}

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name, of the type and durability that the route states."""
        return Exchange(self._link, name, self._settings.exchange_type, self._settings.exchange_durable)

    def of(self, message: Message) -> Destination | Outcome:
        """Where a message goes, or the outcome it has without being sent."""
        destination = self._aim(message)
        if self._wrong and type(destination) is Destination:
            return self._known(destination.exchange) or self._known(destination) or destination
        return destination

    def was(self, message: Message) -> Destination:
        """Where a message was published, whatever became known of that since."""
        return Destination(self._exchange(message) or "", self._key(message) or "")

    async def find(self, messages: Sequence[Message]) -> None:
        """Look up the exchanges of messages of which nothing is known, or create them; raises Disconnected.

        What it finds is known until it is called again.
        """
        self._forget()
        if self.fixed is not None:
            return
        for name in dict.fromkeys(map(self._exchange, messages)):
            if name is not None and name not in self._there and self._known(name) is None:
                await self._look_up(name)

    def believe(self, place: str | Destination, outcome: Outcome) -> None:
        """Give this outcome to messages to an exchange, or of one routing key to it, for a while."""
        self._there.discard(place if isinstance(place, str) else place.exchange)
        self._wrong[place] = asyncio.get_running_loop().time() + self._look_every, outcome

    def blame(self, code: int, text: str, destination: Destination, *, alone: bool) -> Outcome | None:
        """What the broker's words, as it closed the channel, mean for a message to there; None where they do not say.

        It cuts them at 252 bytes, so that they may name nothing: `alone` says that nothing else was in flight. Raises
        RouteFault (forbidden) if they mean every message of the route. The words are those of RabbitMQ 3.10.8.
        """
        exchange, key = destination
        one = alone or self.fixed is not None
        if code == _NOT_FOUND and (f"no exchange '{exchange}'" in text or (one and "no exchange" in text)):
            outcome = self._missing(exchange)
            if self.fixed is None:
                self.believe(exchange, outcome)
            return outcome
        of_key = "access to topic" in text
        named = one or f"exchange '{exchange or _DEFAULT}'" in text
        if code != _ACCESS_REFUSED or not named or (of_key and not alone and f"topic '{key}'" not in text):
            return None
        if self.fixed is not None and (self._fixed_key or not of_key):
            text = (
                f"{self._link.broker}: {text}: let the user write to exchange {exchange or _DEFAULT}, or name another"
            )
            raise RouteFault(text, "forbidden")
        outcome = Outcome(Verdict.REJECTED, "forbidden", f"{self._link.broker}: {text}")
        self.believe(destination if of_key else exchange, outcome)
        return outcome

    async def _look_up(self, name: str) -> None:
        try:
            there = await self.exchange(name).present()
        except (RouteFault, Unmappable) as fault:
            self.believe(name, Outcome(Verdict.REJECTED, fault.reason, str(fault)))
            return
        if there:
            self._there.add(name)
        else:
            self.believe(name, self._missing(name))

    def _missing(self, exchange: str) -> Outcome:
        text = f"{self._link.broker}: there is no exchange {exchange}: create it, or state exchange_durable"
        return Outcome(Verdict.REJECTED, MISSING_EXCHANGE, text)

    def _known(self, place: str | Destination) -> Outcome | None:
        """What is known to be wrong with a place."""
        known = self._wrong.get(place)
        return None if known is None else known[1]

    def _forget(self) -> None:
        """Forget what is not to be believed any more."""
        now = asyncio.get_running_loop().time()
        if self._wrong:
            self._wrong = {place: known for place, known in self._wrong.items() if now < known[0]}
        if len(self._wrong) > _REMEMBERED:
            self._wrong = {}
        if len(self._there) > _REMEMBERED:
            self._there = {""}


def _own_key(message: Message) -> str:
    """The routing key that a message came with, if it came by AMQP."""
    return "" if message.exchange is None else message.address
