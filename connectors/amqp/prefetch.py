"""How many messages the broker may send ahead: the window in messages, lowered by the mean size observed. Pure.

A prefetch that lets more bytes come than the window holds ends in a paused socket, and RabbitMQ cuts a connection that
takes nothing for 30 to 40 s (seen on 3.10.8, whatever the heartbeat). So it begins low, and is raised when messages
turn out to be small. It is never lowered: what the broker has sent it does not take back, and a connection that was cut
begins low again.
"""

from typing import Final

from bridge.ports import Place

LARGE: Final = 1 << 20
"""The size in bytes that messages are taken for until some were seen: few are larger."""

ENOUGH: Final = 32
"""Messages that must have been seen before the prefetch is raised; a whole prefetch of them, if that is less."""

_MEMORY: Final = 1000  # messages after which those before count half


class Prefetch:
    """The prefetch in force, and the one that would fit the sizes seen."""

    def __init__(self, place: Place, stated: int | None, *, lasting: bool = False) -> None:
        """A `stated` prefetch is used as it is; a `lasting` one is not raised, for a consumer that nobody may replace.

        Where only one consumer is served at a time, another may get its place, and a classic queue gives the next one
        nothing until something is published (seen on 3.10.8).
        """
        self._place = place
        self._lasting = lasting or stated is not None
        self._messages = 0
        self._bytes = 0
        self.current = stated or min(place.messages, max(1, place.size // LARGE))
        """The prefetch in force, in messages."""

    def saw(self, messages: int, size: int) -> None:
        """Count messages that came, with their bytes."""
        if self._messages >= _MEMORY:
            self._messages //= 2
            self._bytes //= 2
        self._messages += messages
        self._bytes += size

    @property
    def next(self) -> int:
        """The prefetch of a consumer that replaces an exhausted one: what fits, less what that one keeps.

        What fits are messages of the mean size seen, until they fill the window in messages or in bytes.
        """
        fitting = min(self._place.messages, self._place.size * self._messages // max(1, self._bytes))
        return fitting - self.current

    @property
    def due(self) -> bool:
        """Whether to raise the prefetch, to at least the double: it takes three round trips."""
        current = self.current
        if self._lasting or 3 * current > self._place.messages or self._messages < min(ENOUGH, current):
            return False
        return self.next >= 2 * current
