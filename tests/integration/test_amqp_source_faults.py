"""The AMQP source under bad input, at its limits, and on a real RabbitMQ that goes away."""

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.errors import Disconnected, RouteFault
from bridge.message import Undecodable
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
    opened,
    pika_channel,
    until,
)


async def test_poison_headers_cost_nobody_else_and_the_connection_lives(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    """Pitfall A5: a timestamp in microseconds or a deep table ended the library's connection, for ever."""
    channel.queue_declare(name)
    deep: dict[str, Any] = {}
    for _ in range(600):
        deep = {"a": deep}
    with recursion(10_000):
        for number in range(100):
            properties = pika.BasicProperties(message_id=str(number))
            if number % 10 == 3:
                properties.timestamp = 1_700_000_000_000_000
            if number % 10 == 7:
                properties.headers = deep
            channel.basic_publish("", name, b"%d" % number, properties)
    async with opened(amqp_url, queue=name) as source:
        got = await collect(source, 100)
        for number, delivery in enumerate(got):
            message = delivery.message
            assert message.body == b"%d" % number
            if number % 10 == 7:
                assert isinstance(message, Undecodable)
                assert message.reason == "too_deep"
            elif number % 10 == 3:
                assert decoded(delivery).properties["timestamp"] == 1_700_000_000_000_000_000
        source.settle([delivery.receipt for delivery in got])
        await source.flush()
    assert depth(channel, name) == 0
    channel.queue_delete(name)


@contextlib.contextmanager
def recursion(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


async def test_reading_ahead_is_bounded_in_bytes_and_large_messages_get_through(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name)
    body = b"x" * (1 << 20)
    for _ in range(40):
        channel.basic_publish("", name, body)
    channel.basic_publish("", name, b"y" * (9 << 20))  # alone larger than the window
    async with opened(amqp_url, queue=name, prefetch=1000) as source:
        await until(lambda: source.read_ahead >= WINDOW)
        await asyncio.sleep(2.2)  # two ticks: reading stays paused, the connection stays alive
        assert source.read_ahead <= WINDOW + (2 << 20)
        got = 0
        while got < 41:
            batch = await asyncio.wait_for(source.receive(3), 10)
            got += len(batch)
            assert source.read_ahead <= WINDOW + (10 << 20)
            source.settle([delivery.receipt for delivery in batch])
        await source.flush()
    assert depth(channel, name) == 0
    channel.queue_delete(name)


async def test_a_flush_gets_its_answer_also_while_the_window_is_full(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    """The answer comes behind all that the broker has sent; memory stays bounded, and the rest comes again."""
    channel.queue_declare(name)
    for _ in range(60):
        channel.basic_publish("", name, b"x" * (1 << 20))
    with pytest.raises(Disconnected, match="more came than the window holds"):  # noqa: PT012 - the loss ends the body
        async with opened(amqp_url, queue=name, prefetch=1000) as source:
            first = await collect(source, 3)
            await until(lambda: source.read_ahead >= WINDOW)
            source.settle([first[0].receipt])
            await source.flush()
            assert source.read_ahead <= WINDOW + (3 << 20)
            await source.receive(1)
    assert depth(channel, name) == 59
    channel.queue_delete(name)


async def test_the_connection_lives_while_only_diverted_traffic_flows(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    """aiormq takes a connection for dead after 3 (heartbeat + 1) seconds without a frame: 6 s at a heartbeat of 1 s."""
    channel.queue_declare(name)
    broker = BrokerSettings.model_validate({"url": amqp_url, "heartbeat": "1s"})
    end = time.monotonic() + 7.5
    async with open_source(broker, AmqpSourceSettings(queue=name), Place("b", "i", "r", 100, WINDOW)) as source:
        while time.monotonic() < end:
            channel.basic_publish("", name, b"x")
            source.settle([delivery.receipt for delivery in await source.receive(10)])
            await asyncio.sleep(0.05)
        await source.flush()
    channel.queue_delete(name)


async def test_ten_thousand_messages(
    amqp_url: str, channel: BlockingChannel, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    channel.queue_declare(name, durable=True)
    properties = pika.BasicProperties(content_type="text/plain", delivery_mode=2, message_id="m", headers={"n": 5})
    for _ in range(10_000):
        channel.basic_publish("", name, b"x" * 256, properties)
    async with opened(amqp_url, queue=name, prefetch=2000) as source:
        started, got = time.monotonic(), 0
        while got < 10_000:
            batch = await source.receive(500)
            got += len(batch)
            source.settle([delivery.receipt for delivery in batch])
        seconds = time.monotonic() - started
        await source.flush()
    with capsys.disabled():
        print(f"\nAMQP source: {got / seconds:,.0f} messages/s")
    assert depth(channel, name) == 0
    channel.queue_delete(name)


async def test_a_broker_killed_is_disconnected_and_the_next_open_has_everything_again(
    own_rabbitmq: RabbitMQ, name: str
) -> None:
    with pika_channel(own_rabbitmq.url) as channel:
        channel.queue_declare(name, durable=True)
        channel.confirm_delivery()
        for number in range(20):
            channel.basic_publish("", name, b"%d" % number, pika.BasicProperties(delivery_mode=2))
    await asyncio.to_thread(own_rabbitmq.ctl, "eval", "mnesia:sync_log().")  # a kill may cost a queue its declaration
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the body
        async with opened(own_rabbitmq.url, queue=name) as source:
            got = await collect(source, 20)
            own_rabbitmq.kill()
            await asyncio.wait_for(source.receive(1), 10)
    source.settle([delivery.receipt for delivery in got])
    with pytest.raises(Disconnected):
        await source.flush()
    with pytest.raises(Disconnected):
        await opened(own_rabbitmq.url, queue=name).__aenter__()
    await asyncio.to_thread(own_rabbitmq.start)
    async with opened(own_rabbitmq.url, queue=name) as source:
        assert bodies(await collect(source, 20)) == [b"%d" % number for number in range(20)]


async def test_after_a_restart_the_non_durable_exchange_is_waited_for_and_bound_again(
    own_rabbitmq: RabbitMQ, name: str
) -> None:
    with pika_channel(own_rabbitmq.url) as channel:
        channel.exchange_declare(name, "fanout")
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the body
        async with opened(own_rabbitmq.url, route=name, exchange=name, exchange_type="fanout") as source:
            assert source.waiting is None
            stopping = asyncio.get_running_loop().run_in_executor(None, own_rabbitmq.stop)
            await asyncio.wait_for(source.receive(1), 10)
    await stopping
    await asyncio.to_thread(own_rabbitmq.start)
    async with opened(own_rabbitmq.url, route=name, exchange=name, exchange_type="fanout") as source:
        assert source.waiting == f"exchange {name}"
        with pika_channel(own_rabbitmq.url) as channel:
            channel.exchange_declare(name, "fanout")
            await until(lambda: source.waiting is None)
            channel.basic_publish(name, "", b"again")
            assert bodies(await collect(source, 1)) == [b"again"]


async def test_a_delivery_held_for_too_long_is_disconnected_and_comes_again(own_rabbitmq: RabbitMQ, name: str) -> None:
    """RabbitMQ's consumer_timeout closes the channel with the code of a conflict, and it is none."""
    for setting, milliseconds in (("consumer_timeout", 100), ("channel_tick_interval", 200)):
        own_rabbitmq.ctl("eval", f"application:set_env(rabbit, {setting}, {milliseconds}).")
    with pika_channel(own_rabbitmq.url) as channel:
        channel.queue_declare(name)
        channel.basic_publish("", name, b"x")
        with pytest.raises(Disconnected, match="delivery acknowledgement on channel"):  # noqa: PT012 - the loss ends the body
            async with asyncio.timeout(10), opened(own_rabbitmq.url, queue=name) as source:
                await collect(source, 1)
                await asyncio.Event().wait()
        async with opened(own_rabbitmq.url, queue=name) as source:
            assert (await collect(source, 1))[0].redelivered


async def test_a_memory_alarm_at_the_broker_does_not_stop_consuming_and_acking(
    own_rabbitmq: RabbitMQ, name: str
) -> None:
    with pika_channel(own_rabbitmq.url) as channel:
        channel.queue_declare(name, durable=True)
        for number in range(100):
            channel.basic_publish("", name, b"%d" % number)
        assert depth(channel, name) >= 0
        await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0")
        try:
            async with opened(own_rabbitmq.url, 10, queue=name) as source:
                got = 0
                while got < 100:
                    batch = await asyncio.wait_for(source.receive(10), 10)
                    got += len(batch)
                    source.settle([delivery.receipt for delivery in batch])
                await source.flush()
            assert depth(channel, name) == 0
        finally:
            await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")


async def test_missing_permissions_are_faults(own_rabbitmq: RabbitMQ, name: str) -> None:
    with pika_channel(own_rabbitmq.url) as channel:
        channel.queue_declare(name, durable=True)
        channel.exchange_declare(name, "fanout")
        await asyncio.to_thread(own_rabbitmq.ctl, "add_user", name, "example-only")
        url = own_rabbitmq.url.replace("guest:guest", f"{name}:example-only")
        with pytest.raises(RouteFault) as caught:
            await opened(url, queue=name).__aenter__()
        assert caught.value.reason == "forbidden"
        await asyncio.to_thread(own_rabbitmq.ctl, "set_permissions", name, "^$", "^$", "^$")
        with pytest.raises(RouteFault) as caught:
            await opened(url, queue=name).__aenter__()
        assert caught.value.reason == "forbidden"
        # may read and bind, may not declare: the probe for the type is skipped, all else works
        await asyncio.to_thread(own_rabbitmq.ctl, "set_permissions", name, "^$", ".*", ".*")
        async with opened(url, queue=name, exchange=name, exchange_type="fanout") as source:
            channel.basic_publish(name, "", b"x")
            assert bodies(await collect(source, 1)) == [b"x"]
        # nor may a stream be declared again by them, and it is told from a queue nevertheless
        channel.queue_declare(f"{name}-stream", durable=True, arguments={"x-queue-type": "stream"})
        with pytest.raises(RouteFault, match="is a stream"):
            await opened(url, queue=f"{name}-stream").__aenter__()
