"""From what a source gave to what a sink is sent: pure, over a batch at a time.

For now the mapping is the identity; the rules of `map` come here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict


class Refusal(NamedTuple):
    """A message of a batch that does not reach any sink: its position, and the outcome that says why."""

    position: int
    outcome: Outcome


def map_batch(deliveries: Sequence[Delivery]) -> tuple[list[Message], list[Refusal]]:
    """Map a batch: one message for each delivery, by position, and the refusals of those that have none.

    The message of a refused position is a stand-in that is never sent; it keeps what is known for the log.
    """
    messages: list[Message] = []
    refusals: list[Refusal] = []
    for position, delivery in enumerate(deliveries):
        message = delivery.message
        if isinstance(message, Undecodable):
            refusals.append(Refusal(position, Outcome(Verdict.REJECTED, message.reason, message.detail)))
            message = Message(message.body, "", message.address, message.exchange)
        messages.append(message)
    return messages, refusals
