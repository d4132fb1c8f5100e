"""The AMQP source on a queue of a real RabbitMQ."""

import asyncio
import contextlib
import socket

import pika
import pika.exceptions
import pytest
import uvloop
from pika.adapters.blocking_connection import BlockingChannel

from bridge.errors import Disconnected, RouteFault
from bridge.ports import Place
from config.amqp import AmqpSourceSettings
from config.brokers import BrokerSettings
from connectors.amqp.source import open_source
from tests.integration.amqp_source import (
    WINDOW,
    bodies,
    collect,
    decoded,
    depth,
    nothing_more,
    opened,
)


async def test_a_queue_gives_its_messages_in_order_with_properties_and_is_empty_after_bulk_acks(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, durable=True)
    properties = pika.BasicProperties(
        content_type="text/plain", delivery_mode=2, message_id="m", timestamp=1_700_000_000, headers={"n": 5, "s": "é"}
    )
    for number in range(2500):
        channel.basic_publish("", name, b"%d" % number, properties)
    async with opened(amqp_url, queue=name) as source:
        got = 0
        while got < 2500:
            batch = await source.receive(100)
            assert 1 <= len(batch) <= 100
            assert bodies(batch) == [b"%d" % number for number in range(got, got + len(batch))]
            got += len(batch)
            source.settle([delivery.receipt for delivery in batch])
        message = decoded(batch[-1])
        assert message.properties == {
            "content_type": "text/plain",
            "delivery_mode": 2,
            "message_id": "m",
            "timestamp": 1_700_000_000_000,
        }
        assert message.headers == (("n", "i32", 5), ("s", "string", "é"))
        assert (message.address, message.exchange, batch[-1].redelivered) == (name, "", False)
        assert source.redelivers
        assert source.waiting is None
        await source.flush()
        await nothing_more(source)
    assert depth(channel, name) == 0
    channel.queue_delete(name)


async def test_what_is_not_settled_comes_again(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, durable=True)
    for number in range(10):
        channel.basic_publish("", name, b"%d" % number)
    async with opened(amqp_url, queue=name) as source:
        first = await collect(source, 10)
        uids = {decoded(delivery).uid for delivery in first}
        assert len(uids) == 10
    async with opened(amqp_url, queue=name) as source:
        again = await collect(source, 10)
        assert bodies(again) == [b"%d" % number for number in range(10)]
        assert all(delivery.redelivered for delivery in again)
        assert not uids & {decoded(delivery).uid for delivery in again}
        source.settle([delivery.receipt for delivery in first])  # of an old epoch: dropped
        source.settle([0, 1 << 200, "of another source"])
        await source.flush()
    assert depth(channel, name) == 10
    channel.queue_delete(name)


async def test_settling_out_of_order_and_flushing_over_a_gap_acks_each_message_once(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, durable=True)
    for number in range(8):
        channel.basic_publish("", name, b"%d" % number)
    async with opened(amqp_url, queue=name) as source:
        receipts = [delivery.receipt for delivery in await collect(source, 8)]
        source.settle([receipts[5], receipts[3]])
        await source.flush()
        await source.flush()
        source.settle([receipts[1], receipts[0]])
        source.settle([receipts[2], receipts[4]])  # up to 5, which the broker no longer knows
        source.settle([receipts[2]])
        await source.flush()
        source.settle([receipts[7]])
        await source.flush()
    assert depth(channel, name) == 1
    channel.queue_delete(name)


def test_it_is_the_same_on_uvloop(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    for number in range(100):
        channel.basic_publish("", name, b"%d" % number)

    async def run() -> None:
        async with opened(amqp_url, 10, queue=name) as source:
            got = 0
            while got < 100:
                batch = await asyncio.wait_for(source.receive(10), 10)
                got += len(batch)
                source.settle([delivery.receipt for delivery in batch])
            await source.flush()

    uvloop.run(run())
    assert depth(channel, name) == 0
    channel.queue_delete(name)


async def test_receive_cancelled_while_waiting_has_taken_nothing(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name)
    async with opened(amqp_url, queue=name) as source:
        await nothing_more(source, 0.05)
        channel.basic_publish("", name, b"one")
        assert bodies(await collect(source, 1)) == [b"one"]
    channel.queue_delete(name)


async def test_an_inbound_uid_is_kept_and_taken_out_of_the_headers(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name)
    channel.basic_publish("", name, b"", pika.BasicProperties(headers={"a": 1, "fedbridge-uid": "kafka:c/t/0/7@1"}))
    async with opened(amqp_url, queue=name) as source:
        message = decoded((await collect(source, 1))[0])
        assert (message.uid, message.body) == ("kafka:c/t/0/7@1", b"")
        assert message.headers == (("a", "i32", 1),)
    channel.queue_delete(name)


async def test_a_missing_queue_is_a_fault_that_says_what_to_do(amqp_url: str, name: str) -> None:
    with pytest.raises(RouteFault, match=rf"there is no queue {name}: create it, or set declare = true") as caught:
        await opened(amqp_url, queue=name).__aenter__()
    assert caught.value.reason == "missing"


async def test_a_missing_queue_is_made_durable_when_declare_says_so(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    async with opened(amqp_url, queue=name, declare=True):
        channel.queue_declare(name, durable=True)
    channel.queue_delete(name)


async def test_a_queue_of_another_connection_is_locked(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    with pytest.raises(RouteFault) as caught:
        await opened(amqp_url, queue=name).__aenter__()
    assert caught.value.reason == "locked"
    assert name in str(caught.value)


async def test_a_queue_with_an_exclusive_consumer_is_locked(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    channel.basic_consume(name, lambda *_: None, exclusive=True)
    with pytest.raises(RouteFault) as caught:
        await opened(amqp_url, queue=name).__aenter__()
    assert caught.value.reason == "locked"
    channel.queue_delete(name)


async def test_a_queue_that_is_deleted_is_disconnected(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    with pytest.raises(Disconnected, match="cancelled the consumer") as caught:  # noqa: PT012 - the loss ends the body
        async with opened(amqp_url, queue=name) as source:
            channel.queue_delete(name)
            await asyncio.wait_for(source.receive(1), 10)
    assert caught.value.reason == "cancelled"
    source.settle([])
    with pytest.raises(Disconnected):
        await source.flush()


async def test_a_loss_ends_the_body_while_nobody_receives(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    """With its window full the relay does not call receive, and has to learn of the loss nevertheless."""
    channel.queue_declare(name)
    with pytest.raises(Disconnected, match="cancelled the consumer"):  # noqa: PT012 - the loss ends the body
        async with asyncio.timeout(10), opened(amqp_url, queue=name):
            channel.queue_delete(name)
            await asyncio.Event().wait()


async def test_a_cancellation_wins_over_a_loss(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    """Else the loss would swallow it, and who was cancelled would go on."""
    channel.queue_declare(name)
    ready = asyncio.Event()

    async def body() -> None:
        async with opened(amqp_url, queue=name) as source:
            try:
                ready.set()
                await asyncio.Event().wait()
            finally:
                channel.queue_delete(name)
                with contextlib.suppress(Disconnected):
                    await asyncio.wait_for(source.receive(1), 10)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(body())
        await ready.wait()
        task.cancel()
    assert task.cancelled()


async def test_what_the_body_raises_comes_out_as_it_is(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, auto_delete=True)
    with pytest.raises(KeyError, match="mine"):
        async with opened(amqp_url, queue=name):
            raise KeyError("mine")


async def test_a_wrong_password_is_a_fault_without_the_password(amqp_url: str, name: str) -> None:
    url = amqp_url.replace("guest:guest", "guest:s3cret-and-wrong")
    with pytest.raises(RouteFault) as caught:
        await opened(url, queue=name).__aenter__()
    assert caught.value.reason == "authentication"
    assert "s3cret" not in str(caught.value)


async def test_a_missing_virtual_host_is_a_fault(amqp_url: str, name: str) -> None:
    with pytest.raises(RouteFault, match="virtual host") as caught:
        await opened(amqp_url.rstrip("/") + "/no-such-host", queue=name).__aenter__()
    assert caught.value.reason == "missing"


async def test_nobody_listening_is_disconnected_and_the_next_url_is_tried(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"amqp://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(Disconnected) as caught:
        await opened(dead, queue=name).__aenter__()
    assert caught.value.reason == "refused"
    channel.queue_declare(name)
    broker = BrokerSettings.model_validate({"url": [dead, amqp_url], "username": "guest", "password": "guest"})
    async with open_source(broker, AmqpSourceSettings(queue=name), Place("b", "i", "r", 10, WINDOW)) as source:
        channel.basic_publish("", name, b"x")
        assert bodies(await collect(source, 1)) == [b"x"]
    channel.queue_delete(name)
