"""What the tests of the Redis connector share: sources and sinks with short waits, and streams seen by redis-py."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from redis.asyncio import Redis as Client

from bridge.message import Delivery, Message, Outcome
from bridge.ports import Place, Sink, Source
from config.brokers import BrokerSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from connectors import redis

PATIENCE = 30.0


class Streams(NamedTuple):
    """A server, and the name of a test's stream and group there."""

    url: str
    name: str

    def source(
        self,
        instance: str = "one",
        messages: int = 4000,
        size: int = 1 << 25,
        broker: dict[str, Any] | None = None,
        past: redis.Past | None = None,
        **table: Any,
    ) -> AbstractAsyncContextManager[Source]:
        """Open a source; `table` are keys of `from.redis`, `broker` those of the broker."""
        settings = RedisSourceSettings.model_validate({"streams": [self.name], "group": "group", **table})
        place = Place("test", instance, self.name, messages, size)
        return redis.open_source(self._broker(broker), settings, place, past, lag_every=0.1)

    def sink(
        self, stream: str | None = None, messages: int = 4000, broker: dict[str, Any] | None = None, **table: Any
    ) -> AbstractAsyncContextManager[Sink]:
        """Open a sink; `table` are keys of `to.redis`, `broker` those of the broker."""
        settings = RedisSinkSettings.model_validate({"stream": stream or self.name, **table})
        return redis.open_sink(self._broker(broker), settings, Place("test", "one", self.name, messages, 1 << 25))

    def client(self) -> Client:
        """A client of redis-py."""
        return Client.from_url(self.url)

    def _broker(self, table: dict[str, Any] | None) -> BrokerSettings:
        patience = {"broker_timeout": "3s", "connect_timeout": "3s"}
        return BrokerSettings.model_validate({"url": self.url, **patience, **(table or {})})


async def add(client: Client, stream: str, bodies: Iterable[bytes], **fields: Any) -> list[bytes]:
    """Append entries with a body and other fields, all at once, and give their ids."""
    more: dict[Any, Any] = fields
    async with client.pipeline(transaction=True) as pipeline:
        for body in bodies:
            pipeline.xadd(stream, {"body": body} | more)
        ids: list[bytes] = await pipeline.execute()
        return ids


async def append(client: Client, stream: str, fields: dict[Any, Any]) -> str:
    """Append one entry of any fields, and give its id."""
    entry: Any = await client.xadd(stream, fields)
    return str(entry.decode())


async def take(source: Source, count: int) -> list[Delivery]:
    """Receive at least `count` deliveries, without settling them."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await source.receive(1000)
    return found


async def take_and_settle(source: Source, count: int) -> list[Delivery]:
    """Receive and settle at least `count` deliveries, and wait until the server has the acknowledgements."""
    found = await take(source, count)
    settle(source, found)
    await source.flush()
    return found


def settle(source: Source, deliveries: Iterable[Delivery]) -> None:
    source.settle([delivery.receipt for delivery in deliveries])


async def nothing_comes(source: Source, seconds: float) -> bool:
    """Whether the source gives nothing for so long."""
    try:
        async with asyncio.timeout(seconds):
            await source.receive(1)
    except TimeoutError:
        return True
    return False


def numbers(deliveries: Iterable[Delivery]) -> list[int]:
    """The numbers that the bodies are."""
    return [int(delivery.message.body or b"-1") for delivery in deliveries]


def counted(start: int, stop: int) -> list[bytes]:
    return [b"%d" % number for number in range(start, stop)]


def message(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message), delivery
    return delivery.message


def named(bodies: Iterable[bytes], **more: Any) -> list[Message]:
    """Messages with these bodies, each a uid of its own."""
    return [Message(body, f"uid-{number}", **more) for number, body in enumerate(bodies)]


async def send(sink: Sink, messages: Sequence[Message]) -> Sequence[Outcome]:
    """Send messages, as many at once as there is room for, and give their outcomes."""
    sending: list[asyncio.Future[Sequence[Outcome]]] = []
    left = messages
    async with asyncio.timeout(PATIENCE):
        while left:
            room = await sink.room()
            sending.append(await sink.send(left[:room]))
            left = left[room:]
        return [outcome for future in sending for outcome in await future]


async def bodies(client: Client, stream: str) -> list[bytes]:
    """The bodies of all entries of a stream."""
    entries: Any = await client.xrange(stream)
    return [fields[b"body"] for _, fields in entries]


async def pending(client: Client, stream: str) -> int:
    """How many entries the group has not acknowledged."""
    found: Any = await client.xpending(stream, "group")
    return int(found["pending"])


async def until(true: Callable[[], object]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
