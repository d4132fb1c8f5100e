"""What one end of a route remembers from one connection to the next, made anew after every loss."""

from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from bridge.errors import Disconnected, RouteFault
from connectors.mqtt.suspects import Suspects

QUICK: Final = 10.0
"""Seconds within which a connection that the broker has accepted ends quickly: a rival's pauses are shorter."""

MANY: Final = 4
"""Connections in a row that ended quickly and without a word, until another client is suspected."""


class Past:
    """The memory of a source or a sink, made once for as long as the bridge runs."""

    def __init__(self) -> None:
        self.subscribed: AbstractSet[str] | None = None
        """The topic filters of the session that the broker should have; None without one."""
        self.session_lost = False
        """Whether the broker had that session no more, and nobody has been told."""
        self.spoke_5 = False
        """Whether the broker has ever answered in MQTT 5."""
        self.suspects = Suspects()
        """Which messages may be why the broker ended the connection."""
        self._log = structlog.get_logger()
        self._ended = 0
        self._told: set[str] = set()

    def ended(self, error: Disconnected, client_id: str, lasted: float) -> Disconnected | RouteFault:
        """Judge a connection that the broker ended without a word, `lasted` seconds after it had accepted it.

        Mosquitto tells of a second client of the same id only since 2.0.15. Where that client comes back too, each ends
        the other's connection again and again: then this one goes out of its way, and tries again slowly, since it
        cannot be sure. Where a message is suspected, that may be why.
        """
        self._ended = self._ended + 1 if lasted < QUICK and not self.suspects.count else 0
        if self._ended < MANY:
            return error
        return RouteFault(
            f"{error}, {self._ended} times in a row soon after it was made: it seems that another client connects as "
            f"{client_id}; give each replica an instance of its own, or end the other client; if there is none, the "
            "broker's log may say which packet it ended the connection for",
            "taken_over",
        )

    def explained(self) -> None:
        """Take it that connections have ended for a reason that is known."""
        self._ended = 0

    def tell_once(self, text: str, broker: str, client_id: str) -> None:
        """Write a warning to the log, unless it was written before."""
        if text not in self._told:
            self._told.add(text)
            self._log.warning(text, broker=broker, client_id=client_id)
