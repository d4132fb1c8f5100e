"""What a survey of a broker finds of what a route needs there, and the words for it.

`fedbridge check --connect` has each connector look, without changing anything; see `connectors.*.survey`.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from bridge.ports import Place
from config.settings import SinkSettings, SourceSettings

Verdict = Literal["ok", "created", "unknown", "warning", "missing", "forbidden", "conflict"]
"""How a thing was found: there; to be made by the route; not to be told before a message, or not by this user; working,
at a price; or wrong in one of 3 ways."""

FAULTS: frozenset[Verdict] = frozenset({"missing", "forbidden", "conflict"})
"""The verdicts with which a route does not work until somebody has done something."""


class Finding(NamedTuple):
    """One thing that a route needs at a broker: how it was found, a sentence, and what to do.

    A remedy is a line each: a command after "$ ", which may be run as it stands, or words; what begins with "or " is
    done instead of what is before it. `thing` names what is missing or will be created, such as "topic orders", where
    another route may make what this one needs.
    """

    verdict: Verdict
    text: str
    remedies: tuple[str, ...] = ()
    thing: str | None = None


class End(NamedTuple):
    """A source or a target of a route; `key` is its path in the configuration, such as "routes.orders.from.amqp"."""

    key: str
    place: Place
    settings: SourceSettings | SinkSettings


Tell = Callable[[End, Finding], None]
"""Takes what was found for an end, as soon as it was."""
