"""The hook into the library: a StreamReader that diverts deliveries and bounds what is read ahead."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from bridge.errors import Disconnected
from connectors.amqp.codec import RawDelivery
from connectors.amqp.tap import HEARTBEAT, BadFrame, FrameTap

TICK: Final = 1.0
"""Seconds between two signs of life for aiormq while diverted traffic flows or reading is paused."""


class TapReader(asyncio.StreamReader):
    """The reader of a connection: diverts deliveries, gives the library the rest, stops reading at a limit.

    `window` is in bytes of body and properties: with that much complete and unsettled, the transport is paused. Only
    complete messages count, so that one bigger than the window still gets through. Counting is by read chunk, which
    overshoots by at most one chunk and keeps nothing per message.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, window: int) -> None:
        super().__init__(loop=loop)
        self.arrived = asyncio.Event()
        self.failure: str | None = None
        self._tap = FrameTap()
        self._ready: list[RawDelivery] = []
        self._window = window
        self.unsettled = 0
        self._chunks: deque[tuple[int, int]] = deque()
        self._pipe: asyncio.Transport | None = None
        self._paused_here = False
        self._over = False
        self._fed = False
        self._seen: Callable[[int, int], None] | None = None
        self._overruns = False
        self.dropped = False
        """Whether deliveries were dropped (`overrun`): nothing more comes of this connection."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._pipe is None or self._pipe.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport, for frames that go around the library; raises Disconnected when there is none."""
        if self._pipe is None:
            raise Disconnected("the connection was never made")
        return self._pipe

    @property
    def farewell(self) -> tuple[int, str] | None:
        """Code and text of the broker's Connection.Close, once it came."""
        return self._tap.farewell

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport from asyncio's protocol."""
        super().set_transport(transport)
        self._pipe = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def feed_data(self, data: Any) -> None:
        """Take what was read from the socket; bytes that are not AMQP end the connection."""
        if self._over:
            return
        self._fed = True
        try:
            others = self._tap.feed(data)
        except BadFrame as error:
            self._fail(str(error))
            return
        if others:
            super().feed_data(others)
        if self._tap.deliveries:
            fresh, self._tap.deliveries = self._tap.deliveries, []
            self._keep(fresh)

    def feed_eof(self) -> None:
        """Take the end of the connection."""
        self._over = True
        super().feed_eof()

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
        """Show aiormq a sign of life if the socket gave one, or if nobody is reading it.

        aiormq takes a connection for dead after three heartbeats without a frame, and the frames it would count are
        diverted. While reading is paused a dead peer shows by TCP_USER_TIMEOUT, since our own heartbeats go on.
        """
        if (self._fed or self._paused_here) and not self._over:
            self._fed = False
            super().feed_data(HEARTBEAT)

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

    def _keep(self, fresh: list[RawDelivery]) -> None:
        """Keep and count what one chunk brought, and stop reading at the window."""
        if self.dropped or (self._overruns and self.unsettled >= self._window):
            self.dropped = True
            return
        self._ready.extend(fresh)
        size = sum([len(raw.properties) + len(raw.body) for raw in fresh])
        self._chunks.append((fresh[-1].tag, size))
        self.unsettled += size
        full = self.unsettled >= self._window and not self._overruns
        if full and not self._paused_here and self._pipe is not None:
            self._paused_here = True
            self._pipe.pause_reading()
        self.arrived.set()
        if self._seen is not None:
            self._seen(len(fresh), size)

    def _fail(self, text: str) -> None:
        self._over = True
        self.failure = text
        self.set_exception(ConnectionResetError(f"not AMQP: {text}"))
        if self._pipe is not None:
            self._pipe.abort()
