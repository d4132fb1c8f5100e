"""Streams of one run at Redis: filled out of sight of a group that is already there, and counted."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import redis.asyncio

from tests.bench.mosquitto import constant_fields, own_fields

BODY_FIELD: Final = "payload"
"""The field that holds the body: mq-bridge knows no other."""

_BEYOND = "18446744073709551615-18446744073709551615"
_AT_ONCE = 1_000


class HeldStream:
    """A stream whose group, of the same name, stands beyond the end: there is nothing to read for it.

    The last entry is missing: adding it wakes who waits.
    """

    def __init__(self, client: Any, name: str, last: dict[str, bytes | str], others: set[str]) -> None:
        self._client = client
        self._name = name
        self._last = last
        self._others = others

    async def attached(self) -> bool:
        """Whether there is a new client that waits in an XREADGROUP: Redis 7.0 shows a consumer once it has read."""
        return bool(await _waiting(self._client) - self._others)

    async def release(self, pid: int | None) -> None:
        """Put the group back to the beginning, and add the last entry."""
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xgroup_setid(self._name, self._name, "0")
            pipeline.xadd(self._name, self._last)
            await pipeline.execute()

    async def left(self) -> int:
        """Give the number of entries that are pending or unread."""
        (group,) = await self._client.xinfo_groups(self._name)
        read = group["last-delivered-id"].decode()
        return int(group["pending"]) + len(await self._client.xrange(self._name, f"({read}", "+"))


class CountedStream:
    """A stream that is written to."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    async def count(self) -> int:
        """Give the number of entries."""
        return int(await self._client.xlen(self._name))


@asynccontextmanager
async def held_stream(url: str, name: str, messages: int, body: bytes) -> AsyncIterator[HeldStream]:
    """Make a stream and a group of that name, and fill the stream but for the last entry."""
    async with _stream(url, name) as client:
        await client.xgroup_create(name, name, _BEYOND, mkstream=True)
        constant: dict[str, bytes | str] = {BODY_FIELD: body, **dict(constant_fields())}
        entries = (constant | dict(own_fields(number)) for number in range(messages))
        waiting = itertools.islice(entries, messages - 1)
        while chunk := list(itertools.islice(waiting, _AT_ONCE)):
            async with client.pipeline(transaction=False) as pipeline:
                for fields in chunk:
                    pipeline.xadd(name, fields)
                await pipeline.execute()
        yield HeldStream(client, name, next(entries), await _waiting(client))


@asynccontextmanager
async def counted_stream(url: str, name: str) -> AsyncIterator[CountedStream]:
    """Give a stream that nothing has been written to."""
    async with _stream(url, name) as client:
        yield CountedStream(client, name)


async def _waiting(client: Any) -> set[str]:
    """The ids of the clients that wait in an XREADGROUP."""
    return {each["id"] for each in await client.client_list() if each["cmd"] == "xreadgroup" and "b" in each["flags"]}


@asynccontextmanager
async def _stream(url: str, name: str) -> AsyncIterator[Any]:
    """A client, and the removal of the stream at the end."""
    async with redis.asyncio.from_url(url) as client:
        try:
            yield client
        finally:
            await client.delete(name)
