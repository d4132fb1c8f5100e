"""What the lines about a source need to know of its route."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from config.names import Names

Fact = tuple[str, str]
"""A label of at most ten characters, and one line about it."""

TEMPORARY = (
    "messages published while the bridge is away are lost, and what is in hand when the connection is lost exists "
    "nowhere else: it is worked off, and LOST if the bridge ends before that"
)
"""What it costs when what a source reads ends with the connection."""


class View(NamedTuple):
    """A route as its source sees it."""

    own: Names
    """What it is called by default."""
    broker: str
    """The name of the source's broker."""
    targets: str
    """The names of the targets' brokers, as "rabbit and kafka"."""
    after: str
    """What comes before a message is settled, as "rabbit confirmed"."""
    unconfirmed: str
    """The names of the targets that nobody confirms, as "a and b"; empty where there are none."""
    window: int
    """What the route holds unsettled at most, in messages."""

    def promise(self, settled: str) -> str:
        """What is promised by a source that gives again what was not `settled` ("acknowledged", "committed")."""
        but = f", but for {self.unconfirmed} (qos)" if self.unconfirmed else ""
        return f"at least once{but}: {settled} at {self.broker} only after {self.after}"

    def no_promise(self) -> str:
        """What is said where what was not acknowledged does not come again; the reason is a line of its own, below."""
        return f"acknowledged at {self.broker} only after {self.after}; NOT at least once, since:"

    def duplicates(self, why: str, more: str = "") -> str:
        """How many messages may come twice, after what, and what is to be known of them."""
        return f"at most window.messages ({self.window}) after {why}" + (f"; {more}" if more else "")


def several(names: Sequence[str], word: str) -> str:
    """Names after a word for them: "topic a", "topics a, b"."""
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def together(names: Iterable[str]) -> str:
    """Names as a part of a sentence, each once: "a, b and c"."""
    *most, last = dict.fromkeys(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last
