"""What the contract needs to know of a connector: how to open it, and how to look at its broker from outside."""

import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bridge.message import Header, Message
from bridge.ports import Sink, Source


class SourceKit(Protocol):
    """A source under test, at one queue of its own that is empty at first."""

    cannot: Mapping[str, str]
    """The checks this connector cannot pass, by name, each with the reason: visible here and nowhere else."""

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        """Open it with a window."""

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        """Put messages into the queue by other means than the connector's."""

    async def left(self) -> int:
        """Count what the broker still holds for this queue, on loan or not. Nobody is connected."""

    async def stop(self) -> None:
        """Stop the broker; returns when it is gone."""

    async def start(self) -> None:
        """Start the broker again."""


class SinkKit(Protocol):
    """A sink under test, at one target of its own that is empty at first."""

    cannot: Mapping[str, str]
    """The checks this connector cannot pass, by name, each with the reason: visible here and nowhere else."""

    refused: Message
    """A message that the broker or the sink must refuse for good."""

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        """Open it with a window."""

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        """Give body and headers of everything in the target, at least `count` messages, by other means; bounded."""

    async def stop(self) -> None:
        """Stop the broker; returns when it is gone."""

    async def start(self) -> None:
        """Start the broker again."""


SourceCheck = Callable[[SourceKit], Awaitable[None]]
SinkCheck = Callable[[SinkKit], Awaitable[None]]


@contextlib.contextmanager
def memory_growth_below(limit: int) -> Iterator[None]:
    """Fail when the process's resident memory grows by more than `limit` bytes."""
    before = _resident()
    yield
    grown = _resident() - before
    assert grown < limit, f"memory grew by {grown} bytes"


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
