"""The prefetch of the AMQP source follows the sizes of messages, on queues of a real RabbitMQ."""

import asyncio
import time
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.integration.amqp_source import WINDOW, bodies, collect, depth, opened, pika_channel, worked_off

MIB = 1 << 20


async def test_small_messages_reach_the_whole_window_soon(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    for number in range(1000):
        channel.basic_publish("", name, b"%d" % number)
    async with opened(amqp_url, 900, queue=name) as source:
        started = time.monotonic()
        assert len(await collect(source, 900)) == 900
        assert time.monotonic() - started < 1
    channel.queue_delete(name)


async def test_a_connection_lives_while_nobody_settles_large_messages_and_goes_on(amqp_url: str, name: str) -> None:
    """RabbitMQ cuts a connection that takes nothing for 30 to 40 s, whatever the heartbeat."""
    with pika_channel(amqp_url) as channel:
        channel.queue_declare(name)
        for _ in range(60):
            channel.basic_publish("", name, b"x" * MIB)
    async with opened(amqp_url, queue=name) as source:
        first = await collect(source, 7)
        assert source.read_ahead < WINDOW + MIB
        await asyncio.sleep(46)
        source.settle([delivery.receipt for delivery in first])
        assert len(await worked_off(source, 53)) == 53
        await source.flush()
    with pika_channel(amqp_url) as channel:
        assert depth(channel, name) == 0
        channel.queue_delete(name)


@pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "quorum"}])
async def test_order_is_kept_while_it_is_raised(
    amqp_url: str, channel: BlockingChannel, name: str, arguments: dict[str, Any]
) -> None:
    """A quorum queue takes back what is on its way to a consumer that goes, and gives it again, later.

    Each round has a queue of its own: what a round leaves unsettled would come to the next one whenever RabbitMQ has
    noticed that its consumer is gone, in the middle of the others.
    """
    for queue in [f"{name}-{number}" for number in range(8)]:
        channel.queue_declare(queue, durable=True, arguments=arguments)
        for number in range(400):
            channel.basic_publish("", queue, b"%d" % number)
        async with opened(amqp_url, 300, queue=queue) as source:
            got: list[bytes] = []
            while len(got) < 250:
                batch = await source.receive(3)
                got += bodies(batch)
                source.settle([delivery.receipt for delivery in batch])
            assert got == [b"%d" % number for number in range(len(got))]
        channel.queue_delete(queue)


async def test_order_is_kept_while_it_is_raised_and_the_queue_fills(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    """The first 64 need not be exhausted when enough were seen, and then there is always something on its way."""
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})

    def publish() -> None:
        for number in range(500):
            channel.basic_publish("", name, b"%d" % number)

    for _ in range(6):
        async with opened(amqp_url, size=64 * MIB, queue=name) as source, asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.to_thread(publish), name="publishing")
            assert await worked_off(source, 500) == [b"%d" % number for number in range(500)]
            await source.flush()
    channel.queue_delete(name)


async def test_an_auto_delete_queue_survives_its_changes(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    """It ends with its last consumer."""
    channel.queue_declare(name, auto_delete=True)
    for number in range(900):
        channel.basic_publish("", name, b"%d" % number)
    async with opened(amqp_url, queue=name) as source:
        assert await worked_off(source, 900) == [b"%d" % number for number in range(900)]
        await source.flush()
