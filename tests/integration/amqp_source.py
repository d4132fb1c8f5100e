"""What the tests of the AMQP source share."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.message import Delivery, Message
from bridge.ports import Place, Source
from config.amqp import AmqpSourceSettings
from config.brokers import BrokerSettings
from connectors.amqp.source import AmqpSource, open_source

WINDOW = 8 << 20
LOCKED, MISSING = 405, 404


@contextlib.contextmanager
def pika_channel(url: str) -> Iterator[BlockingChannel]:
    """A channel on a connection of its own, by another library."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        yield connection.channel()


@asynccontextmanager
async def opened(
    url: str, messages: int = 1000, *, route: str = "r", size: int = WINDOW, timeout: str = "10s", **settings: Any
) -> AsyncIterator[AmqpSource]:
    """A source that asserts its bindings and looks often; nothing of it may be left behind that nobody looked at."""
    broker = BrokerSettings.model_validate({"url": url, "broker_timeout": timeout, "connect_timeout": "5s"})
    place = Place("test", "one", route, messages, size)
    model = AmqpSourceSettings.model_validate(settings)
    loop = asyncio.get_running_loop()
    noise: list[str] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: noise.append(str(context)))
    try:
        async with open_source(broker, model, place, assert_every=0.2, look_every=0.1, lag_every=0.1) as source:
            assert isinstance(source, AmqpSource)
            yield source
    finally:
        await asyncio.sleep(0)
        gc.collect()
        loop.set_exception_handler(before)
        assert noise == []


async def collect(source: Source, count: int, seconds: float = 20) -> list[Delivery]:
    got: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while len(got) < count:
            got.extend(await source.receive(500))
    return got


async def worked_off(source: AmqpSource, count: int) -> list[bytes]:
    """Receive and settle, a few at a time."""
    got: list[bytes] = []
    async with asyncio.timeout(30):
        while len(got) < count:
            batch = await source.receive(50)
            got += bodies(batch)
            source.settle([delivery.receipt for delivery in batch])
    return got


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [message.body or b"" for message in map(decoded, deliveries)]


def decoded(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message), delivery.message
    return delivery.message


def depth(channel: BlockingChannel, queue: str) -> int:
    """Messages ready; with no consumer left, that is all of them."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def answer(url: str, queue: str) -> int:
    """What the broker answers to a passive declaration by another connection: 200, LOCKED or MISSING."""
    with pika_channel(url) as channel:
        try:
            depth(channel, queue)
        except pika.exceptions.ChannelClosedByBroker as error:
            return int(error.reply_code)
        return 200


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the broker sets no event of ours
            await asyncio.sleep(0.02)


async def nothing_more(source: Source, seconds: float = 0.3) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.receive(1), seconds)


def clean(channel: BlockingChannel, name: str) -> None:
    channel.queue_delete(f"fedbridge.test.{name}")
    channel.exchange_delete(name)
