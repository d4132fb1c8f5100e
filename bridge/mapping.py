"""From what a source gave to what a sink is sent: pure, over a batch at a time.

What the route's filter does not want, its source's `match` does not describe, or its rules cannot map, goes no further
(`bridge.filters`, `bridge.addresses`, `bridge.rules`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bridge.errors import Unmappable
from bridge.message import Delivery, Message, Outcome, Undecodable, Verdict

_FILTERED = Outcome(Verdict.FILTERED, "filter")


class Rules(NamedTuple):
    """What a route does to its messages: which are wanted, and what they become; None: all of them, and nothing.

    `wanted` and `changed` raise Unmappable for a message that they have no answer for. A message is judged as it came.
    """

    wanted: Callable[[Message], bool] | None = None
    changed: Callable[[Message], Message] | None = None
    mismatch: Callable[[str], str] | None = None
    """Says what is wrong with an address, "" where nothing is."""


NO_RULES = Rules()
"""Everything is relayed as it came."""


class Refusal(NamedTuple):
    """A message of a batch that does not reach any sink: its position, and the outcome that says why.

    FILTERED: it is not wanted; REJECTED: it cannot be decoded or mapped.
    """

    position: int
    outcome: Outcome


def map_batch(deliveries: Sequence[Delivery], rules: Rules = NO_RULES) -> tuple[list[Message], list[Refusal]]:
    """Map a batch: one message for each delivery, by position, and the refusals of those that are not to be sent.

    The message of a refused position is never sent; it keeps what is known for the log.
    """
    messages: list[Message] = []
    refusals: list[Refusal] = []
    for position, delivery in enumerate(deliveries):
        message = delivery.message
        if isinstance(message, Undecodable):
            refusals.append(Refusal(position, Outcome(Verdict.REJECTED, message.reason, message.detail)))
            message = Message(message.body, "", message.address, message.exchange)
        messages.append(message)
    if rules != NO_RULES:
        _apply(rules, messages, refusals)
    return messages, refusals


def _apply(rules: Rules, messages: list[Message], refusals: list[Refusal]) -> None:
    """Map the messages in place, but for those that are refused already, and add the refusals, in order."""
    wanted, changed, mismatch = rules
    refused = {position for position, _ in refusals}
    for position, message in enumerate(messages):
        if position in refused:
            continue
        try:
            if wanted is not None and not wanted(message):
                refusals.append(Refusal(position, _FILTERED))
            elif mismatch is not None and (text := mismatch(message.address)):
                refusals.append(Refusal(position, Outcome(Verdict.REJECTED, "no_match", text)))
            elif changed is not None:
                messages[position] = changed(message)
        except Unmappable as error:
            refusals.append(Refusal(position, Outcome(Verdict.REJECTED, error.reason, str(error))))
        except UnicodeEncodeError as error:
            detail = f"not text that has bytes: {error.object!a:.80}"
            refusals.append(Refusal(position, Outcome(Verdict.REJECTED, "unencodable", detail)))
    refusals.sort(key=lambda refusal: refusal.position)
