"""Messages that expire: the time they dwell in the bridge is taken off what they have left. Pure."""

from typing import Final, cast

from bridge.message import Message, Outcome, Properties, Verdict

EXPIRED: Final = Outcome(Verdict.REJECTED, "expired", "its expiration was over before a target took it")
"""The outcome of a message that has no time left."""

AGES_AFTER: Final = 1.0
"""Seconds that a message may dwell before anybody looks at its expiration: brokers' clocks are no finer, and looking at
every message costs."""

_DIGITS: Final = 20  # of a number of milliseconds that may be meant


def aged(message: Message, seconds: float) -> Message | None:
    """Give a message with what is left of its expiration after so long in the bridge; None if nothing is.

    An expiration that is no number of milliseconds is left as it is.
    """
    text = message.properties.get("expiration", "")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        return message
    left = int(text) - round(seconds * 1000)
    if left <= 0:
        return None
    return message._replace(properties=cast("Properties", {**message.properties, "expiration": str(left)}))
