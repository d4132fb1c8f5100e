"""What a queue that is there is like, from how RabbitMQ refuses to declare it again. Pure.

An existing queue is compared with a declaration field by field: durable, auto_delete, then the arguments; the refusal
names the first difference. A declaration in which one argument is no value at all creates nothing where the queue is
missing, and differs in the end where it is there. What is said is cut at 252 bytes, within a long name or behind it:
then the field is known and the values are not. Seen on 3.10.8.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from config.amqp import AmqpSourceSettings, Scalar

SINGLE: Final = "x-single-active-consumer"
"""The argument of a queue of whose consumers one is served and the others wait."""

PROBE: Final[Mapping[str, Scalar]] = {SINGLE: "not a boolean"}
"""Arguments with which nothing is ever created."""

UNREADABLE: Final[Mapping[str, Scalar]] = {"x-priority": "not a number"}
"""Arguments with which nobody ever consumes."""

STREAM: Final = "rabbit_stream_queue"
"""What the refusal to consume from a stream with those ends with."""

UNSTREAMED: Final[Mapping[str, Scalar]] = {"x-priority": 0, "x-stream-offset": True}
"""Arguments of which a stream's consumers have the second alone, and others the first alone: for a name so long that
nothing is left of the end. RabbitMQ before 3.9 has no streams and would consume, so they are not the first question."""

OF_STREAM: Final = "invalid arg 'x-priority'"
"""What the refusal of a stream begins with then."""

ROUNDS: Final = 30
"""Refusals after which nothing more is to be learned; RabbitMQ compares some 20 arguments."""

_DIFFERENCE: Final = re.compile(
    r"inequivalent arg '([^']*)' for (?:.*?: received (.*?) but current is (.*)|.*\.\.\.$)", re.DOTALL
)
_TYPED: Final = re.compile(r"the value '(.*)' of type '(.*)'", re.DOTALL)
_PLAIN: Final = re.compile(r"'(.*)'", re.DOTALL)
_READ: Final[Mapping[str, Callable[[str], Scalar]]] = {
    "longstr": str,
    "bool": "true".__eq__,
    **dict.fromkeys(("byte", "short", "signedint", "long", "unsignedbyte", "unsignedshort", "unsignedint"), int),
}


class Traits(NamedTuple):
    """What decides how a queue is consumed; the defaults are what most are."""

    durable: bool = True
    auto_delete: bool = False
    single: bool = False
    arguments: tuple[tuple[str, Scalar], ...] = ()
    """Those that had to be known to learn the others."""

    @property
    def probe(self) -> Mapping[str, Scalar]:
        """The arguments to declare it with, to learn more."""
        return {**dict(self.arguments), **PROBE}


class Difference(NamedTuple):
    """One field that a queue has otherwise than a declaration; values as text, "" where one side has none.

    Both are None where they were cut off.
    """

    field: str
    declared: str | None
    current: str | None
    type_: str = ""
    """The type of the current value, where the declaration has none."""

    def __str__(self) -> str:
        if self.current is None:
            return f"{self.field} is another there than in the route"
        return f"{self.field} is {self.current or 'not set'} there, and {self.declared or 'not set'} in the route"


def cut(said: str) -> bool:
    """Whether RabbitMQ has cut what it said."""
    return said.endswith("...")


def difference(refusal: str) -> Difference | None:
    """Read the difference out of what RabbitMQ said, or None where it says something else."""
    found = _DIFFERENCE.search(refusal)
    if found is None:
        return None
    if cut(refusal):
        return Difference(found[1], None, None)
    return Difference(found[1], _value(found[2])[0], *_value(found[3]))


def learned(traits: Traits, refusal: str) -> Traits:
    """Correct an assumption by the refusal of a declaration that was made with it and with its `probe`.

    Gives the same traits when there is nothing more to learn. A queue of which that cannot be said, since what it is
    like was cut off, is taken for one that serves a single consumer: that costs speed and nothing else.
    """
    found = difference(refusal)
    if found is None:
        return traits
    field, current = found.field, found.current
    if field == "durable":
        return traits._replace(durable=current == "true")
    if field == "auto_delete":
        return traits._replace(auto_delete=current != "false")
    if field == SINGLE or current is None:
        return traits._replace(single=current in ("true", None))
    read = _READ.get(found.type_)
    if read is not None and field not in dict(traits.arguments):
        return traits._replace(arguments=(*traits.arguments, (field, read(current))))
    return traits


def differing(settings: AmqpSourceSettings, traits: Traits) -> list[Difference]:
    """Give the fields in which a queue is not what the route would create, its arguments left aside."""
    pairs = {"durable": (settings.durable, traits.durable), "auto_delete": (settings.auto_delete, traits.auto_delete)}
    return [Difference(field, _bool(mine), _bool(there)) for field, (mine, there) in pairs.items() if mine != there]


def _value(text: str) -> tuple[str, str]:
    """Split what is said of one side into value and type."""
    found = _TYPED.fullmatch(text)
    if found is not None:
        return found[1], found[2]
    found = _PLAIN.fullmatch(text)
    return ("", "") if found is None else (found[1], "")


def _bool(value: bool) -> str:
    return "true" if value else "false"
