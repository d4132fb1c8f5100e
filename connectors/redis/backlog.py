"""What was read and not handed out yet, and how much more may be read: pure."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from bridge.message import Delivery
from connectors.redis.ledger import Window

_MOST: Final = 1000  # entries in one read: decoding more keeps the loop from everything else
_FIRST: Final = 64  # entries of the first read, while nobody knows how large they are


class Backlog:
    """Deliveries in the order in which they were read, within the window of the route."""

    def __init__(self, window: Window, messages: int, size: int) -> None:
        """Begin; at most `messages` of about `size` bytes are to be in hand."""
        self._window = window
        self._messages = messages
        self._size = size
        self._mean = 0.0
        self._waiting: deque[Delivery] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def room(self) -> int:
        """How many entries may be read now: what is left of the window, by the mean size of what was read last."""
        window = self._window
        room = min(self._messages - window.messages, _MOST)
        if window.size >= self._size or room <= 0:
            return 0
        if not self._mean:
            return min(room, _FIRST)
        return max(1, min(room, int((self._size - window.size) / self._mean)))

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Add what was read."""
        self._waiting.extend(deliveries)
        mean = sum([delivery.size for delivery in deliveries]) / len(deliveries)
        self._mean = max(1.0, mean, (self._mean + mean) / 2)  # large ones are believed at once, small ones by and by

    def take(self, limit: int) -> list[Delivery]:
        """Take up to `limit` deliveries, those first that were read first."""
        waiting = self._waiting
        if len(waiting) <= limit:
            taken = list(waiting)
            waiting.clear()
            return taken
        take = waiting.popleft
        return [take() for _ in range(limit)]

    def clear(self) -> None:
        """Forget everything: the source is lost."""
        self._waiting.clear()
