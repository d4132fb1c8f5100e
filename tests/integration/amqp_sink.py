"""What the tests of the AMQP sink share."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

from bridge.message import Header, Message, Outcome
from bridge.ports import Place
from config.amqp import AmqpSinkSettings
from config.brokers import BrokerSettings
from connectors.amqp.sink import AmqpSink, open_sink

PATIENCE = 20.0


@asynccontextmanager
async def opened(
    url: str, messages: int = 4000, *, broker: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[AmqpSink]:
    """A sink that looks for exchanges often; nothing of it may be left behind that nobody looked at."""
    model = BrokerSettings.model_validate(
        {"url": url, "broker_timeout": "10s", "connect_timeout": "5s", **(broker or {})}
    )
    place = Place("test", "one", "r", messages, 1 << 25)
    loop = asyncio.get_running_loop()
    noise: list[str] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: noise.append(str(context)))
    try:
        async with open_sink(model, AmqpSinkSettings.model_validate(settings), place, look_every=0.1) as sink:
            assert isinstance(sink, AmqpSink)
            yield sink
    finally:
        await asyncio.sleep(0)
        gc.collect()
        loop.set_exception_handler(before)
        assert noise == []


def numbered(count: int, start: int = 0, headers: Sequence[Header] = ()) -> list[Message]:
    return [Message(b"%d" % number, f"uid-{number}", headers=headers) for number in range(start, start + count)]


async def send(sink: AmqpSink, messages: Sequence[Message], most: int = 1000) -> list[Outcome]:
    """Send within the room, pipelined, and give every outcome in order."""
    futures = []
    async with asyncio.timeout(PATIENCE):
        sent = 0
        while sent < len(messages):
            room = min(await sink.room(), most)
            futures.append(await sink.send(messages[sent : sent + room]))
            sent += room
        return [outcome for future in futures for outcome in await future]


def take(channel: BlockingChannel, queue: str) -> list[tuple[pika.BasicProperties, bytes]]:
    """Take everything out of a queue."""
    found: list[tuple[pika.BasicProperties, bytes]] = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return found
        assert properties is not None
        found.append((properties, body or b""))


def taken(channel: BlockingChannel, queue: str) -> list[bytes]:
    return [body for _, body in take(channel, queue)]
