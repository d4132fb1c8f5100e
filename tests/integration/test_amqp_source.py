"""The AMQP source against a real RabbitMQ."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.errors import Disconnected, RouteFault
from bridge.message import Delivery, Message, Undecodable
from bridge.ports import Place, Source
from config.settings import AmqpSourceSettings, BrokerSettings
from connectors.amqp.source import AmqpSource, open_source

WINDOW = 8 << 20


@pytest.fixture
def name(unique: str) -> str:
    return unique


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        yield connection.channel()


@pytest.fixture(autouse=True)
async def no_unretrieved(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No test leaves a task or a future behind whose exception nobody looked at."""
    yield
    said = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
    assert not [text for text in said if "never retrieved" in text or "destroyed" in text]


def opened(
    url: str, place_messages: int = 1000, *, size: int = WINDOW, route: str = "r", **settings: Any
) -> AbstractAsyncContextManager[Source]:
    broker = BrokerSettings.model_validate({"url": url, "broker_timeout": "10s", "connect_timeout": "5s"})
    place = Place("test", "one", route, place_messages, size)
    return open_source(broker, AmqpSourceSettings.model_validate(settings), place, assert_every=0.2, look_every=0.1)


async def collect(source: Source, count: int, seconds: float = 20) -> list[Delivery]:
    got: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while len(got) < count:
            got.extend(await source.receive(500))
    return got


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [message.body or b"" for message in map(decoded, deliveries)]


def decoded(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message), delivery.message
    return delivery.message


def depth(channel: BlockingChannel, queue: str) -> int:
    """Messages ready; with no consumer left, that is all of them."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


async def until(condition: Any, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)  # noqa: ASYNC110 - the broker sets no event of ours


async def nothing_more(source: Source, seconds: float = 0.3) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.receive(1), seconds)


# --- a queue


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
    async with opened(amqp_url, queue=name) as source:
        channel.queue_delete(name)
        with pytest.raises(Disconnected, match="cancelled the consumer") as caught:
            await asyncio.wait_for(source.receive(1), 10)
        assert caught.value.reason == "cancelled"
        source.settle([])
        with pytest.raises(Disconnected):
            await source.flush()


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


# --- an exchange


async def test_a_direct_exchange_gives_what_its_binding_keys_name(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "direct")
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "direct", "binding_keys": ["a", "b"]}
    async with opened(amqp_url, route=name, **settings) as source:
        for key in ("a", "c", "b", ""):
            channel.basic_publish(name, key, key.encode())
        got = await collect(source, 2)
        assert [(decoded(delivery).address, decoded(delivery).exchange) for delivery in got] == [
            ("a", name),
            ("b", name),
        ]
        await nothing_more(source)
    clean(channel, name)


async def test_a_topic_exchange_gives_what_its_patterns_match(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "topic", durable=True)
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "topic", "binding_keys": ["order.*", "#.urgent"]}
    async with opened(amqp_url, route=name, **settings) as source:
        for key in ("order.eu", "order.eu.x", "order", "stock.a.urgent", "order.urgent"):
            channel.basic_publish(name, key, key.encode())
        assert bodies(await collect(source, 3)) == [b"order.eu", b"stock.a.urgent", b"order.urgent"]
        await nothing_more(source)
    clean(channel, name)


@pytest.mark.parametrize("durable", [True, False])
async def test_an_existing_fanout_exchange_is_used_as_it_is(
    amqp_url: str, channel: BlockingChannel, name: str, durable: bool
) -> None:
    channel.exchange_declare(name, "fanout", durable=durable)
    for stated in (None, not durable):
        settings: dict[str, Any] = {"exchange": name, "exchange_type": "fanout", "exchange_durable": stated}
        async with opened(amqp_url, route=name, **settings) as source:
            assert source.waiting is None
            channel.basic_publish(name, "", b"update")
            got = await collect(source, 1)
            assert bodies(got) == [b"update"]
            source.settle([delivery.receipt for delivery in got])
            await source.flush()
    channel.exchange_declare(name, "fanout", durable=durable)  # its publisher is not locked out
    clean(channel, name)


async def test_a_missing_exchange_is_waited_for_while_the_queue_is_consumed(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    async with opened(amqp_url, route=name, exchange=name, exchange_type="fanout") as source:
        assert source.waiting == f"exchange {name}"
        channel.basic_publish("", f"fedbridge.test.{name}", b"straight")
        assert bodies(await collect(source, 1)) == [b"straight"]
        assert not exists(amqp_url, name)
        channel.exchange_declare(name, "fanout")
        await until(lambda: source.waiting is None)
        channel.basic_publish(name, "", b"update")
        assert bodies(await collect(source, 1)) == [b"update"]
    clean(channel, name)


async def test_a_missing_exchange_is_made_as_stated_and_its_publisher_can_still_declare_it(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "fanout", "exchange_durable": False}
    async with opened(amqp_url, route=name, **settings) as source:
        assert source.waiting is None
        channel.exchange_declare(name, "fanout")
        channel.basic_publish(name, "", b"update")
        assert bodies(await collect(source, 1)) == [b"update"]
        channel.exchange_delete(name)
        await until(lambda: exists(amqp_url, name))
        await until(lambda: arrives(channel, name, f"fedbridge.test.{name}", source))
    clean(channel, name)


async def test_an_exchange_deleted_and_declared_again_is_bound_again(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    async with opened(amqp_url, route=name, exchange=name, exchange_type="fanout") as source:
        channel.exchange_declare(name, "fanout")
        await until(lambda: source.waiting is None)
        channel.exchange_delete(name)
        await until(lambda: source.waiting == f"exchange {name}")
        channel.exchange_declare(name, "fanout")
        await until(lambda: source.waiting is None)
        channel.basic_publish(name, "", b"again")
        assert bodies(await collect(source, 1)) == [b"again"]
        await source.flush()
    clean(channel, name)


async def test_an_exchange_of_another_type_is_a_conflict_at_open_and_later(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "direct")
    with pytest.raises(RouteFault, match=f"{name} is a direct exchange, the route says fanout") as caught:
        await opened(amqp_url, route=name, exchange=name, exchange_type="fanout").__aenter__()
    assert caught.value.reason == "conflict"
    channel.exchange_delete(name)
    async with opened(amqp_url, route=name, exchange=name, exchange_type="fanout") as source:
        channel.exchange_declare(name, "topic")
        with pytest.raises(RouteFault, match="is a topic exchange"):
            await asyncio.wait_for(source.receive(1), 10)
    clean(channel, name)


def test_the_probe_for_the_type_never_creates_an_exchange(amqp_url: str, name: str) -> None:
    """The contract with RabbitMQ behind `Topology._check_type`."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="alternate-exchange"):
            connection.channel().exchange_declare(name, "fanout", arguments={"alternate-exchange": 1})
        assert not exists(amqp_url, name)


def exists(url: str, exchange: str) -> bool:
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        try:
            connection.channel().exchange_declare(exchange, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        return True


def arrives(channel: BlockingChannel, exchange: str, queue: str, source: Source) -> bool:
    """Whether the binding is there again: a mandatory publish is routed."""
    assert isinstance(source, AmqpSource)
    if not getattr(channel, "confirming", False):
        channel.confirm_delivery()
        channel.confirming = True  # type: ignore[attr-defined]  # pika cannot be asked
    try:
        channel.basic_publish(exchange, "", b"", mandatory=True)
    except pika.exceptions.UnroutableError:
        return False
    return True


def clean(channel: BlockingChannel, name: str) -> None:
    channel.queue_delete(f"fedbridge.test.{name}")
    channel.exchange_delete(name)


# --- bad input, limits


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
    async with opened(amqp_url, queue=name) as source:
        assert isinstance(source, AmqpSource)
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
    async with opened(amqp_url, queue=name) as source:
        assert isinstance(source, AmqpSource)
        first = await collect(source, 3)
        await until(lambda: source.read_ahead >= WINDOW)
        source.settle([first[0].receipt])
        await source.flush()
        assert source.read_ahead <= WINDOW + (3 << 20)
        with pytest.raises(Disconnected, match="more came than the window holds"):
            await source.receive(1)
    assert depth(channel, name) == 59
    channel.queue_delete(name)


async def test_bindings_are_asserted_also_while_the_window_is_full(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "fanout")
    async with opened(amqp_url, route=name, exchange=name, exchange_type="fanout") as source:
        assert isinstance(source, AmqpSource)
        for _ in range(40):
            channel.basic_publish(name, "", b"x" * (1 << 20))
        await until(lambda: source.read_ahead >= WINDOW)
        channel.exchange_delete(name)
        await until(lambda: source.waiting is not None)
        channel.exchange_declare(name, "fanout")
        await until(lambda: source.waiting is None)
        assert await source.receive(1)
    clean(channel, name)


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


# --- a broker that goes away (on a node of its own)


async def test_a_broker_killed_is_disconnected_and_the_next_open_has_everything_again(
    own_rabbitmq: RabbitMQ, name: str
) -> None:
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url))) as connection:
        channel = connection.channel()
        channel.queue_declare(name, durable=True)
        channel.confirm_delivery()
        for number in range(20):
            channel.basic_publish("", name, b"%d" % number, pika.BasicProperties(delivery_mode=2))
    async with opened(own_rabbitmq.url, queue=name) as source:
        got = await collect(source, 20)
        await asyncio.to_thread(own_rabbitmq.kill)
        with pytest.raises(Disconnected):
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
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url))) as connection:
        connection.channel().exchange_declare(name, "fanout")
    async with opened(own_rabbitmq.url, route=name, exchange=name, exchange_type="fanout") as source:
        assert source.waiting is None
        await asyncio.to_thread(own_rabbitmq.stop)
        with pytest.raises(Disconnected):
            await asyncio.wait_for(source.receive(1), 10)
    await asyncio.to_thread(own_rabbitmq.start)
    async with opened(own_rabbitmq.url, route=name, exchange=name, exchange_type="fanout") as source:
        assert source.waiting == f"exchange {name}"
        with contextlib.closing(pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url))) as connection:
            channel = connection.channel()
            channel.exchange_declare(name, "fanout")
            await until(lambda: source.waiting is None)
            channel.basic_publish(name, "", b"again")
            assert bodies(await collect(source, 1)) == [b"again"]


async def test_a_memory_alarm_at_the_broker_does_not_stop_consuming_and_acking(
    own_rabbitmq: RabbitMQ, name: str
) -> None:
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url))) as connection:
        channel = connection.channel()
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
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(own_rabbitmq.url))) as connection:
        channel = connection.channel()
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
