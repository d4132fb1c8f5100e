"""What a target would get of a message, found out without its broker; each connector has a `rehearsal` module."""

from collections.abc import Callable
from typing import TypeAlias

from bridge.errors import Unmappable
from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict

Rehearse: TypeAlias = Callable[[Message], Message | Outcome]
"""Gives a message as a reader of the target would have it, or the outcome it has without being sent; never raises.

It goes through the connector's own encoder and decoder, so that what the target cannot carry is missing. What only a
broker knows is not looked at: whether it has the place, lets the bridge write there, and takes messages of that size.
"""


def refused(error: Unmappable) -> Outcome:
    """The outcome of a message that cannot be encoded."""
    return Outcome(Verdict.REJECTED, error.reason, str(error))


def as_read(found: Message | Undecodable) -> Message | Outcome:
    """What was decoded again; what could not be is an outcome too."""
    if isinstance(found, Undecodable):
        return Outcome(Verdict.REJECTED, found.reason, found.detail)
    return found


def only(deliveries: list[Delivery]) -> Message | Outcome:
    """The message of one delivery, as `as_read` gives it."""
    (delivery,) = deliveries
    return as_read(delivery.message)
