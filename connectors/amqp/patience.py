"""Questions over a connection that is not read while the window is full."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiormq.abc import AbstractChannel

from connectors.amqp.connection import Link
from connectors.amqp.errors import translated

LOOK: Final = 0.5
"""Seconds between two looks whether anybody reads."""

Ask: TypeAlias = Callable[[str], AbstractAsyncContextManager[AbstractChannel]]
"""Opens a channel for one question that may close it, bounded; the text says in errors what was asked.

Raises RouteFault or Disconnected. `Link.throwaway` is one.
"""


def patient(link: Link, unread: Callable[[], bool]) -> Ask:
    """Make an `Ask` over a connection that a source reads, whose time does not pass while it is `unread`.

    An exclusive queue answers only the connection that consumes from it, and answers come behind deliveries: with the
    window full, they come when somebody settles.
    """

    @asynccontextmanager
    async def ask(doing: str) -> AsyncIterator[AbstractChannel]:
        with translated(link.broker, doing):
            async with _passing(link.timeout, unread), link.connection.channel(publisher_confirms=False) as channel:
                yield await channel.get_underlay_channel()

    return ask


@asynccontextmanager
async def _passing(seconds: float, held: Callable[[], bool]) -> AsyncIterator[None]:
    """A timeout that begins anew as long as it is `held`."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle
    async with asyncio.timeout(seconds) as limit:

        def look() -> None:
            nonlocal timer
            if held() and not limit.expired():
                limit.reschedule(loop.time() + seconds)
            timer = loop.call_later(min(LOOK, seconds / 2), look)

        timer = loop.call_later(0, look)
        try:
            yield
        finally:
            timer.cancel()
