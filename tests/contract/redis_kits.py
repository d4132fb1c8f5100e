"""The contract's kits of Redis: a stream on a server that the suite may stop."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from redis.asyncio import Redis as Client

from bridge.cli.demo.redis import Redis
from bridge.message import Header, Message
from bridge.ports import Place, Sink, Source
from config.brokers import BrokerSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from connectors import redis
from connectors.redis.codec import Encoder


class RedisSourceKit:
    """A stream, written to by redis-py's client and read by a group of its own."""

    cannot: Mapping[str, str] = {}

    def __init__(self, server: Redis) -> None:
        self._server = server
        self._stream = f"contract-{secrets.token_hex(4)}"

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        settings = RedisSourceSettings.model_validate({"streams": [self._stream], "group": "group"})
        return redis.open_source(_broker(self._server), settings, Place("bridge", "node", "route", messages, size))

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        async with Client.from_url(self._server.url) as client:
            given: dict[Any, Any] = {**fields_of(Message(None, "uid", headers=headers))}
            del given[b"fedbridge-null"], given[b"fedbridge-uid"]
            for at in range(0, len(bodies), 500):
                async with client.pipeline(transaction=False) as pipeline:
                    for body in bodies[at : at + 500]:
                        pipeline.xadd(self._stream, given | {b"body": body})
                    await pipeline.execute()

    async def left(self) -> int:
        async with Client.from_url(self._server.url) as client:
            (group,) = await client.xinfo_groups(self._stream)
            return int(group["pending"] + group["lag"])

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)


class RedisSinkKit:
    """A stream, read by redis-py's client; the header `to` leads to another key, which is none."""

    cannot: Mapping[str, str] = {}
    refused = Message(b"refused", "uid-refused", headers=[("to", "string", "-elsewhere")])

    def __init__(self, server: Redis) -> None:
        self._server = server
        self._stream = f"contract-{secrets.token_hex(4)}"

    async def prepare(self) -> None:
        """Make the key that is no stream."""
        async with Client.from_url(self._server.url) as client:
            await client.set(f"{self._stream}-elsewhere", "a string")

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        settings = RedisSinkSettings.model_validate({"stream": f"{self._stream}{{header.to:}}"})
        return redis.open_sink(_broker(self._server), settings, Place("bridge", "node", "route", messages, 1 << 25))

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        async with Client.from_url(self._server.url) as client:
            entries: Any = await client.xrange(self._stream)
        assert len(entries) >= count, f"{len(entries)} entries, of {count}"
        return [(fields.get(b"body"), _headers(fields)) for _, fields in entries]

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)


def _broker(server: Redis) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": server.url, "broker_timeout": "3s", "connect_timeout": "3s"})


def fields_of(message: Message) -> dict[bytes, bytes]:
    """The fields that a message becomes."""
    parts: list[bytes] = []
    Encoder(None).add(message, b"stream", parts)
    bulks = b"".join(parts).split(b"\r\n")[2::2][3:]
    return dict(zip(bulks[::2], bulks[1::2], strict=True))


def _headers(fields: Mapping[bytes, bytes]) -> dict[str, bytes | None]:
    types = json.loads(fields.get(b"fedbridge-types", b"{}"))
    named = {name.decode().removeprefix("h:"): value for name, value in fields.items()}
    return {name: None if types.get(name) == "void" else value for name, value in named.items()}
