"""The AMQP source on queues that end with their consumer: what was read ahead exists nowhere else."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.errors import Disconnected
from connectors.amqp.source import AmqpSource
from tests.integration.amqp_source import WINDOW, bodies, collect, depth, opened, pika_channel, until, worked_off

MIB = 1 << 20


async def rest(source: AmqpSource) -> list[bytes]:
    """What is handed out until the loss shows."""
    got: list[bytes] = []
    try:
        while True:
            got += bodies(await source.receive(7))
    except Disconnected:
        return got


async def test_what_was_read_ahead_is_handed_out_before_the_loss_shows(own_rabbitmq: RabbitMQ, name: str) -> None:
    def close_lookups() -> None:
        for line in own_rabbitmq.ctl("-q", "list_connections", "pid", "client_properties").splitlines():
            if "lookups" in line:
                own_rabbitmq.ctl("close_connection", line.split()[0], "a test")

    ends: list[Callable[[], object]] = [
        close_lookups,
        lambda: own_rabbitmq.ctl("close_all_connections", "a test"),
        own_rabbitmq.kill,
    ]
    for end in ends:
        with pika_channel(own_rabbitmq.url) as channel:
            channel.queue_declare(name, auto_delete=True)
            for number in range(100):
                channel.basic_publish("", name, b"%03d" % number)
        with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the body
            async with asyncio.timeout(20), opened(own_rabbitmq.url, queue=name, prefetch=50) as source:
                got = bodies(await source.receive(10))
                await until(lambda: source.read_ahead >= 50 * 3)
                await asyncio.to_thread(end)
                await until(lambda: source.lag is None)
                await asyncio.sleep(0.1)  # nobody cancels this body
                got += await rest(source)
                await asyncio.Event().wait()  # and now somebody does
        assert got == [b"%03d" % number for number in range(50)]


async def test_after_its_queue_was_deleted_too(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, auto_delete=True)
    for number in range(20):
        channel.basic_publish("", name, b"%d" % number)
    with pytest.raises(Disconnected, match="was it deleted") as caught:  # noqa: PT012 - the loss ends the body
        async with asyncio.timeout(20), opened(amqp_url, queue=name, prefetch=20) as source:
            got = bodies(await source.receive(1))
            await until(lambda: source.lag == 20)
            channel.queue_delete(name)
            await asyncio.sleep(0.2)  # nobody cancels this body
            with pytest.raises(Disconnected, match="was it deleted"):
                await source.flush()
            got += await rest(source)
            await asyncio.Event().wait()  # and now somebody does
    assert got == [b"%d" % number for number in range(20)]
    assert caught.value.reason == "cancelled"


async def test_a_source_that_has_handed_out_all_ends_at_once(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, auto_delete=True)
    with pytest.raises(Disconnected, match="was it deleted"):  # noqa: PT012 - the loss ends the body
        async with asyncio.timeout(10), opened(amqp_url, queue=name):
            channel.queue_delete(name)
            await asyncio.Event().wait()


@pytest.mark.parametrize("exchange", [False, True])
async def test_an_exclusive_source_with_a_full_window_waits_for_ever_and_goes_on(
    amqp_url: str, channel: BlockingChannel, name: str, exchange: bool
) -> None:
    """Its lookups go over the connection that nobody reads meanwhile: their time must not run out."""
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "fanout"} if exchange else {}
    channel.exchange_declare(name, "fanout")
    async with opened(
        amqp_url, route=name, exclusive=True, prefetch=40, timeout="1s", queue=name, **settings
    ) as source:
        for _ in range(20):
            channel.basic_publish("", name, b"x" * MIB)
        await until(lambda: source.read_ahead >= WINDOW)
        await asyncio.sleep(2.5)  # twice the time for an answer
        await source.flush()
        assert len(await worked_off(source, 20)) == 20
        await until(lambda: source.lag == 0)
        if exchange:
            channel.exchange_delete(name)
            await until(lambda: source.waiting is not None)
        for _ in range(20):
            channel.basic_publish("", name, b"x" * MIB)
        await until(lambda: source.read_ahead >= WINDOW)
        await asyncio.sleep(0.3)  # a lookup is on its way
        left = time.monotonic()
    assert time.monotonic() - left < 2
    if exchange:
        channel.exchange_delete(name)


async def test_a_flush_with_a_full_window_drops_nothing_and_its_acks_are_taken(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, auto_delete=True)
    channel.basic_qos(prefetch_count=1)
    channel.basic_publish("", name, b"")
    channel.basic_consume(name, lambda *_: None)  # keeps the queue, and the first message
    await until(lambda: depth(channel, name) == 0)
    for _ in range(30):
        channel.basic_publish("", name, b"x" * MIB)
    async with opened(amqp_url, queue=name, prefetch=100) as source:
        assert not source.redelivers
        first = await collect(source, 3)
        await until(lambda: source.read_ahead >= WINDOW)
        source.settle([first[0].receipt, first[2].receipt])
        await source.flush()
        source.settle([first[1].receipt])
        assert len(await worked_off(source, 17)) == 17
        await source.flush()
    await until(lambda: depth(channel, name) == 10)
