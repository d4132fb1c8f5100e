"""What a source reads ahead of its connection: diverted deliveries, bounded."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.amqp.codec import RawDelivery
from connectors.amqp.stream import FrameStream
from connectors.amqp.tap import FrameTap


class TapReader:
    """The reader of a source's connection: diverts deliveries, gives the library the rest, stops reading at a limit.

    `window` is in bytes of body and properties: with that much complete and unsettled, the transport is paused. Only
    complete messages count, so that one bigger than the window still gets through. Counting is by read chunk, which
    overshoots by at most one chunk and keeps nothing per message.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, window: int) -> None:
        self.arrived = asyncio.Event()
        self._tap = FrameTap()
        self.stream = FrameStream(loop, self._tap, self._fed)
        self._ready: list[RawDelivery] = []
        self._window = window
        self.unsettled = 0
        self._chunks: deque[tuple[int, int]] = deque()
        self._paused_here = False
        self._seen: Callable[[int, int], None] | None = None
        self._overruns = False
        self.dropped = False
        """Whether deliveries were dropped (`overrun`): nothing more comes of this connection."""

    @property
    def failure(self) -> str | None:
        """What was wrong with the bytes, if they were not AMQP."""
        return self.stream.failure

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self.stream.closed

    @property
    def full(self) -> bool:
        """Whether nobody reads the connection, until something is settled."""
        return self.unsettled >= self._window and not self._overruns

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport, for frames that go around the library; raises Disconnected when there is none."""
        return self.stream.transport

    def divert(self, channel: int, frame_max: int, seen: Callable[[int, int], None] | None = None) -> None:
        """Divert the deliveries of this channel from now on; `seen` is told messages and bytes of each read chunk."""
        self._tap.divert(channel, frame_max)
        self._seen = seen

    def take(self, limit: int) -> list[RawDelivery]:
        """Take up to `limit` deliveries, in order; `arrived` is cleared when none are left."""
        ready = self._ready
        if len(ready) <= limit:
            self._ready = []
            self.arrived.clear()
            return ready
        batch = ready[:limit]
        del ready[:limit]
        return batch

    def settled(self, tag: int) -> None:
        """Everything up to this delivery tag is settled: its bytes are free, and reading goes on if it had stopped."""
        chunks = self._chunks
        while chunks and chunks[0][0] <= tag:
            self.unsettled -= chunks.popleft()[1]
        if self.unsettled < self._window:
            self._resume()

    def tick(self) -> None:
        """Show aiormq a sign of life if the socket gave one, or if nobody is reading it; see `FrameStream.tick`."""
        self.stream.tick(unread=self._paused_here)

    @contextmanager
    def overrun(self) -> Iterator[None]:
        """Read on although the window is full: an answer is awaited that may come behind deliveries.

        What does not fit is dropped and `dropped` set; it is unacked, and comes again on another connection.
        """
        self._overruns = True
        self._resume()
        try:
            yield
        finally:
            self._overruns = False

    def discard(self) -> None:
        """Drop deliveries from now on and read on, so that the broker's answer to our close gets through."""
        self._overruns = self.dropped = True
        self._ready = []
        self._resume()

    def _resume(self) -> None:
        if self._paused_here:
            self._paused_here = False
            if not self.closed:
                self.transport.resume_reading()

    def _fed(self) -> None:
        if self._tap.deliveries:
            fresh, self._tap.deliveries = self._tap.deliveries, []
            self._keep(fresh)

    def _keep(self, fresh: list[RawDelivery]) -> None:
        """Keep and count what one chunk brought, and stop reading at the window."""
        if self.dropped or (self._overruns and self.unsettled >= self._window):
            self.dropped = True
            return
        self._ready.extend(fresh)
        size = sum([len(raw.properties) + len(raw.body) for raw in fresh])
        self._chunks.append((fresh[-1].tag, size))
        self.unsettled += size
        if self.full and not self._paused_here and not self.closed:
            self._paused_here = True
            self.transport.pause_reading()
        self.arrived.set()
        if self._seen is not None:
            self._seen(len(fresh), size)
