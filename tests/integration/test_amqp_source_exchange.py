"""The AMQP source on exchanges of a real RabbitMQ: bindings, waiting, conflicts."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pika
import pika.exceptions
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.errors import RouteFault
from bridge.ports import Source
from tests.integration.amqp_source import (
    WINDOW,
    bodies,
    clean,
    collect,
    decoded,
    nothing_more,
    opened,
    pika_channel,
    until,
)


@pytest.fixture
def name(unique: str) -> str:
    return unique


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    with pika_channel(amqp_url) as channel:
        yield channel


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
    with pytest.raises(RouteFault, match="is a topic exchange"):  # noqa: PT012 - the loss ends the body
        async with asyncio.timeout(10), opened(amqp_url, route=name, exchange=name, exchange_type="fanout"):
            channel.exchange_declare(name, "topic")
            await asyncio.Event().wait()
    clean(channel, name)


def test_the_probe_for_the_type_never_creates_an_exchange(amqp_url: str, name: str) -> None:
    """The contract with RabbitMQ behind `Topology._check_type`."""
    with pika_channel(amqp_url) as channel:
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="alternate-exchange"):
            channel.exchange_declare(name, "fanout", arguments={"alternate-exchange": 1})
        assert not exists(amqp_url, name)


def exists(url: str, exchange: str) -> bool:
    with pika_channel(url) as channel:
        try:
            channel.exchange_declare(exchange, passive=True)
        except pika.exceptions.ChannelClosedByBroker:
            return False
        return True


def arrives(channel: BlockingChannel, exchange: str, queue: str, source: Source) -> bool:
    """Whether the binding is there again: a mandatory publish is routed."""
    if not getattr(channel, "confirming", False):
        channel.confirm_delivery()
        channel.confirming = True  # type: ignore[attr-defined]  # pika cannot be asked
    try:
        channel.basic_publish(exchange, "", b"", mandatory=True)
    except pika.exceptions.UnroutableError:
        return False
    return True


async def test_bindings_are_asserted_also_while_the_window_is_full(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "fanout")
    async with opened(amqp_url, route=name, exchange=name, exchange_type="fanout") as source:
        for _ in range(40):
            channel.basic_publish(name, "", b"x" * (1 << 20))
        await until(lambda: source.read_ahead >= WINDOW)
        channel.exchange_delete(name)
        await until(lambda: source.waiting is not None)
        channel.exchange_declare(name, "fanout")
        await until(lambda: source.waiting is None)
        assert await source.receive(1)
    clean(channel, name)
