"""How far a broker has surely read the acknowledgements it was sent: a PINGREQ behind them, and its PINGRESP."""

from typing import Protocol

from connectors.mqtt.tap import PacketTap


class Marker(Protocol):
    """What a fence is set in: a session."""

    tap: PacketTap

    def mark(self) -> int:
        """Write a PINGREQ, and give how many PINGRESPs there will have been when its own has come."""


class Fence:
    """At most one PINGREQ is on its way, for all acknowledgements written before it.

    A broker that finds a connection broken may throw away what it has not read: what was acknowledged behind the last
    fence that it answered comes again (seen with Mosquitto 2.0.11: all of some thousands). It handles a client's
    packets one after the other, so that nothing in front of that fence does.
    """

    def __init__(self, session: Marker, every: int) -> None:
        """`every`: a fence is set when so many acknowledgements have been written since the last one."""
        self.passed = 0
        """The number of the last message that cannot come again."""
        self._session = session
        self._every = every
        self._goal = 0  # the number of the last message in front of the fence that is on its way
        self._pongs: int | None = None  # with which it will have been answered

    def see_to(self, number: int, *, urgent: bool) -> bool:
        """Note an answer, if it has come, and set the next fence where it is due; whether `passed` has changed.

        One is due at once if it is `urgent`: somebody waits for what was acknowledged. To be called when something was
        read, and when acknowledgements up to a message's `number` were written.
        """
        answered = self._pongs is not None and self._session.tap.pongs >= self._pongs
        if answered:
            self.passed, self._pongs = self._goal, None
        if self._pongs is None and number - self.passed >= (1 if urgent else self._every):
            self._goal, self._pongs = number, self._session.mark()
        return answered
