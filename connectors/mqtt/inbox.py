"""What a source has read and nobody has settled: PUBLISH packets in the order they came, bounded."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from connectors.mqtt.packets import Publish
from connectors.mqtt.tap import PacketTap

_COST: Final = 256  # bytes that a short message takes beside its own: a tuple and three objects


class Reader(Protocol):
    """What is read: a session."""

    tap: PacketTap
    reading: bool
    """Whether what comes is read."""


class Inbox:
    """Takes what the tap diverts, counts it from 1, and stops reading where that is more than the window.

    `messages` and `size` (bytes) are the window. What the broker may send unacknowledged is bounded by Receive Maximum,
    which is no more than `messages`. QoS 0 goes beyond, and so does Mosquitto 2.0.11 (its issue 2301: for each
    acknowledgement it sends a whole Receive Maximum more): that has to wait in the system's buffers or the broker's.
    Counting is by chunk read, which overshoots by at most one chunk and keeps nothing per message.

    What was settled counts as taken until it is `gone`: a broker that has not read its acknowledgements may give it
    again, and the window bounds how much. The word that it is gone may come behind messages. While it is what is waited
    for, reading goes on as long as `size` allows; where it does not, messages are given all the same.
    """

    def __init__(self, session: Reader, messages: int, size: int) -> None:
        self._session = session
        self._messages = messages
        self._size = size
        self._ready: list[Publish] = []
        self._acks: list[bytes] = []  # of what was taken and is not settled
        self._taken = 0
        self._settled = 0
        self._gone = 0
        self._unsettled = 0  # bytes
        self._chunks: deque[tuple[int, int]] = deque()  # the number of its last message, and its bytes
        self._overruns = False
        self.dropped = False
        """Whether messages were dropped (`overrun`): nothing more comes of this connection."""

    @property
    def empty(self) -> bool:
        """Whether everything that was read has been taken."""
        return not self._ready

    @property
    def full(self) -> bool:
        """Whether nothing more is read until something is settled."""
        beyond = self._taken - self._settled + len(self._ready) - self._messages
        if beyond <= 0 or not self.held:
            return self._unsettled >= self._size or beyond > 0
        return self._unsettled + beyond * _COST >= self._size

    @property
    def held(self) -> bool:
        """Whether nothing is given until something is gone."""
        return self._taken - self._gone >= self._messages

    @property
    def read_ahead(self) -> int:
        """The bytes that were read and are not settled."""
        return self._unsettled

    def collect(self) -> None:
        """Take what the tap has diverted."""
        fresh, self._session.tap.publishes = self._session.tap.publishes, []
        if not fresh:
            return
        if self.dropped or (self._overruns and self.full):
            self.dropped = True
            return
        self._ready += fresh
        size = sum([len(packet.topic) + len(packet.content) for packet in fresh])
        self._chunks.append((self._taken + len(self._ready), size))
        self._unsettled += size
        self._regulate()

    def take(self, limit: int) -> tuple[list[Publish], int]:
        """Give up to `limit` packets, and the number of the first: no more than the window has room for."""
        counted = self._settled if self.held and self.full else self._gone
        limit = min(limit, self._messages - (self._taken - counted))
        batch = self._ready[:limit] if limit > 0 else []
        del self._ready[: len(batch)]
        first = self._taken + 1
        self._taken += len(batch)
        self._acks += [packet.ack for packet in batch]
        self._regulate()
        return batch, first

    def settle(self, number: int) -> bytes:
        """Everything up to this number is settled: give the acknowledgements, in order, as one block."""
        count = number - self._settled
        block = b"".join(self._acks[:count])
        del self._acks[:count]
        self._settled = number
        chunks = self._chunks
        while chunks and chunks[0][0] <= number:
            self._unsettled -= chunks.popleft()[1]
        self._regulate()
        return block

    def forget(self, number: int) -> None:
        """Everything up to this number is gone for good."""
        self._gone = number
        self._regulate()

    @contextmanager
    def overrun(self) -> Iterator[None]:
        """Read on although the window is full: an answer is awaited that may come behind messages.

        What does not fit is dropped and `dropped` set; it is not acknowledged, and comes again on another connection.
        """
        self._overruns = True
        self._regulate()
        try:
            yield
        finally:
            self._overruns = False
            self._regulate()

    def _regulate(self) -> None:
        self._session.reading = self._overruns or not self.full
