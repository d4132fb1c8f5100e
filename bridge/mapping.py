"""From what a source gave to what a sink is sent: pure, over a batch at a time.

For now the mapping is the identity but for what the source's `match` refuses; the rules of `map` come here.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict


class Refusal(NamedTuple):
    """A message of a batch that does not reach any sink: its position, and the outcome that says why."""

    position: int
    outcome: Outcome


def map_batch(
    deliveries: Sequence[Delivery], mismatch: Callable[[str], str] | None = None
) -> tuple[list[Message], list[Refusal]]:
    """Map a batch: one message for each delivery, by position, and the refusals of those that are not to be sent.

    The message of a refused position is never sent; it keeps what is known for the log. `mismatch` says what is wrong
    with an address, "" where nothing is.
    """
    messages: list[Message] = []
    refusals: list[Refusal] = []
    for position, delivery in enumerate(deliveries):
        message = delivery.message
        if isinstance(message, Undecodable):
            refusals.append(Refusal(position, Outcome(Verdict.REJECTED, message.reason, message.detail)))
            message = Message(message.body, "", message.address, message.exchange)
        messages.append(message)
    return messages, refusals if mismatch is None else [*_unmatched(messages, refusals, mismatch)]


def _unmatched(
    messages: Sequence[Message], refusals: Sequence[Refusal], mismatch: Callable[[str], str]
) -> Iterator[Refusal]:
    """The refusals, and those of addresses that do not match, by position."""
    refused = dict(refusals)
    for position, message in enumerate(messages):
        if (outcome := refused.get(position)) is not None:
            yield Refusal(position, outcome)
        elif text := mismatch(message.address):
            yield Refusal(position, Outcome(Verdict.REJECTED, "no_match", text))
