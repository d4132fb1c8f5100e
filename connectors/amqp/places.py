"""Where a message was read from, and where it would go, in the words of `bridge.paths`. Pure."""

from collections.abc import Callable
from typing import Final

from bridge.message import Outcome
from bridge.paths import Guard, Trail
from config.amqp import AmqpSinkSettings, AmqpSourceSettings

Locate = Callable[[str, str, str | None], str]
"""Gives the path of a message by its exchange, its routing key and the path it brought."""

Judge = Callable[[str, str, str], Outcome | None]
"""Gives the outcome of a message that is not to be published, by its path, the exchange and the routing key."""

_KEYLESS: Final = frozenset({"fanout", "headers"})
"""The types of exchanges that do not route by a key: the exchange alone is the place."""


def locator(settings: AmqpSourceSettings, trail: Trail) -> Locate:
    """Make what gives the paths of the messages of a source."""
    keyless = settings.exchange if settings.exchange_type in _KEYLESS else None

    def locate(exchange: str, key: str, brought: str | None) -> str:
        named = _escaped(exchange)
        return trail(named if exchange == keyless else f"{named}/{key}", brought)

    return locate


def judge_of(settings: AmqpSinkSettings, guard: Guard) -> Judge:
    """Make what says whether a message may go to an exchange with a routing key.

    Of an exchange whose type is not stated nobody knows whether the key matters. Where it is known that it does not,
    any key is the same place: a source that names its queue alone cannot state the type, and notes the keys.
    """
    if settings.exchange_type in _KEYLESS:
        return lambda path, exchange, _key: guard.judge(path, _escaped(exchange), below=True)

    def judge(path: str, exchange: str, key: str) -> Outcome | None:
        named = _escaped(exchange)
        return guard.judge(path, f"{named}/{key}", named)

    return judge


def _escaped(exchange: str) -> str:
    """The name of an exchange, in which no / is left: the first one of a place is where the key begins."""
    return exchange.replace("%", "%25").replace("/", "%2F")
