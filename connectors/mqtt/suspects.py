"""Which message a broker ends the connection for: looked for among those that had no answer, fewer at a time. Pure.

A broker that finds fault with a packet ends the connection (M4 in research/reliability.md), with a code or without a
word, and does not say which packet it was. What was in flight is suspected then, and sent in parts until one message is
alone when the connection ends again.
"""

from collections.abc import Sequence
from typing import Final

PARTS: Final = 16
"""Parts that suspects are sent in: of 4,000 one is found on the fourth connection, after 48 round trips at most.

Halves would take thirteen connections, each after a longer pause than the one before, and one by one 4,000 round trips.
"""

WORDLESS: Final = 3
"""Connections in a row that ended without a word with the same message alone in flight, until it is blamed for it."""


class Suspects:
    """The memory of a sink's search, from one connection to the next."""

    def __init__(self) -> None:
        self.count = 0
        """How many of the messages that are sent next are suspected; 0 while nothing is looked for."""
        self._at_once = 0
        self._alone = ""  # the uid of who was alone when the connection ended without a word
        self._ends = 0

    def room(self, room: int, *, idle: bool) -> int:
        """Give how many messages may be sent where there is so much room, and `idle` says that none is on its way.

        Parts of suspects go one after the other.
        """
        if not self.count:
            return room
        return min(room, self._at_once) if idle else 0

    def answered(self, count: int) -> None:
        """Take it that the broker has answered so many messages."""
        self.count = max(0, self.count - count)

    def ended(self, unanswered: Sequence[str], *, told: bool, answered: bool) -> bool:
        """Take it that the broker ended a connection, and tell whether the one message without an answer is to blame.

        `unanswered` are the uids of what was in flight. `told` says that there was a code which one message may be the
        reason for, `answered` that some other message was answered on the connection: if it then ends without a word
        that is for another reason, unless the culprit is being looked for already.
        """
        if not unanswered or not (told or self.count or not answered):
            return False
        if len(unanswered) == 1:
            if told and self.count:
                self.count = 0
                return True
            if not told and self._still_alone(unanswered[0]):
                return True
        self.count = max(self.count, len(unanswered))
        self._at_once = max(1, len(unanswered) // PARTS)
        return False

    def _still_alone(self, uid: str) -> bool:
        self._alone, self._ends = uid, self._ends + 1 if uid == self._alone else 1
        return self._ends >= WORDLESS
