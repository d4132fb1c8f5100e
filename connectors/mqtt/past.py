"""What one end of a route remembers from one connection to the next, made anew after every loss."""

from collections.abc import Set as AbstractSet

import structlog

from connectors.mqtt.session import Session

_log = structlog.get_logger(__name__)


class Past:
    """The memory of a source or a sink, made once for as long as the bridge runs."""

    def __init__(self) -> None:
        self.subscribed: AbstractSet[str] | None = None
        """The topic filters of the session that the broker should have; None without one."""
        self.session_lost = False
        """Whether the broker had that session no more, and nobody has been told."""
        self.suspects = 0
        """How many messages are to be sent one by one: one of them may be why the broker ended the connection."""
        self._told: set[str] = set()

    def tell_version(self, session: Session, cost: str) -> None:
        """Say in the log, once, that a broker speaks 3.1.1 only and what that costs."""
        if session.version < 5:
            self.tell_once(f"The broker refuses MQTT 5, so it is MQTT 3.1.1: {cost}.", session)

    def tell_once(self, text: str, session: Session) -> None:
        """Write a warning to the log, unless it was written before."""
        if text not in self._told:
            self._told.add(text)
            _log.warning(text, broker=session.broker, client_id=session.client_id)
