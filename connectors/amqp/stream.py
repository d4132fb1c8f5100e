"""The hook into the library: the StreamReader of a connection, which lets a tap see every byte first."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from bridge.errors import Disconnected
from connectors.amqp.frames import HEARTBEAT, BadFrame

TICK: Final = 1.0
"""Seconds between two signs of life for aiormq while diverted traffic flows or reading is paused."""


class Tap(Protocol):
    """Takes a connection's bytes, from the first one on, and leaves some to the library."""

    farewell: tuple[int, str] | None
    """Code and text of the broker's Connection.Close, once it came."""

    def feed(self, data: bytes) -> bytes:
        """Take what was read and give the frames that are the library's; raises BadFrame."""


class FrameStream(asyncio.StreamReader):
    """The stream that aiormq reads: what `tap` leaves. `fed` is called after each read chunk that the tap has taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tap: Tap, fed: Callable[[], None]) -> None:
        super().__init__(loop=loop)
        self.failure: str | None = None
        """What was wrong with the bytes, if they were not AMQP."""
        self._tap = tap
        self._fed = fed
        self._pipe: asyncio.Transport | None = None
        self._alive = False
        self._over = False

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
        self._alive = True
        try:
            others = self._tap.feed(data)
        except BadFrame as error:
            self._fail(str(error))
            return
        if others:
            super().feed_data(others)
        self._fed()

    def feed_eof(self) -> None:
        """Take the end of the connection."""
        self._over = True
        super().feed_eof()

    def tick(self, unread: bool = False) -> None:
        """Show aiormq a sign of life if the socket gave one, or if it is left `unread`.

        aiormq takes a connection for dead after three heartbeats without a frame, and the frames it would count are
        diverted. While reading is paused a dead peer shows by TCP_USER_TIMEOUT, since our own heartbeats go on.
        """
        if (self._alive or unread) and not self._over:
            self._alive = False
            super().feed_data(HEARTBEAT)

    def _fail(self, text: str) -> None:
        self._over = True
        self.failure = text
        self.set_exception(ConnectionResetError(f"not AMQP: {text}"))
        if self._pipe is not None:
            self._pipe.abort()
