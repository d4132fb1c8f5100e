"""The AMQP source on exchanges of a real RabbitMQ: bindings, waiting, conflicts."""

import asyncio
import struct
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


class Rate(pika.BasicProperties):
    """The header rate = 0.1 in 64 bits, as most clients send it; pika knows no such type."""

    def encode(self) -> list[bytes]:
        """Encode the flags, of headers alone, and the table."""
        field = b"\x04rated" + struct.pack(">d", 0.1)
        return [struct.pack(">H", 1 << 13), struct.pack(">I", len(field)), field]


@pytest.mark.parametrize(
    ("bindings", "arriving"),
    [
        ([{"x-match": "all", "region": "eu", "urgent": True}], ["eu urgent", "eu urgent 7"]),
        ([{"region": "eu", "urgent": True}], ["eu urgent", "eu urgent 7"]),  # all is the broker's default
        ([{"x-match": "any", "region": "eu", "urgent": True}], ["eu urgent", "eu", "urgent", "eu urgent 7"]),
        ([{"x-match": "all", "region": "us"}, {"x-match": "all", "region": "eu", "level": 7}], ["us", "eu urgent 7"]),
        ([{"x-match": "all", "rate": 0.1}], ["0.1"]),
        ([{"x-match": "any", "level": 7, "rate": 0.1}], ["eu urgent 7", "0.1"]),
        ([{"x-match": "all", "level": "7"}], ["text 7"]),
        ([{"x-match": "all", "level": 2**40}], ["2**40"]),
        ([{"x-match": "any-with-x", "x-tier": "gold", "region": "us"}], ["us", "gold"]),
        ([{"x-match": "any", "x-tier": "gold", "region": "us"}], ["us"]),
    ],
)
async def test_a_headers_exchange_gives_what_its_bindings_match(
    amqp_url: str, channel: BlockingChannel, name: str, bindings: list[dict[str, Any]], arriving: list[str]
) -> None:
    channel.exchange_declare(name, "headers")
    published: dict[str, dict[str, Any]] = {
        "eu urgent": {"region": "eu", "urgent": True},
        "eu": {"region": "eu", "urgent": False},
        "urgent": {"region": "asia", "urgent": True},
        "us": {"region": "us"},
        "eu urgent 7": {"region": "eu", "urgent": True, "level": 7},
        "text 7": {"level": "7"},
        "2**40": {"level": 2**40},
        "gold": {"x-tier": "gold"},
        "other": {"Region": "eu", "levels": 7},
        "none": {},
    }
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "headers", "bindings": bindings}
    for _ in range(2):  # binding again changes nothing
        async with opened(amqp_url, route=name, **settings) as source:
            for body, headers in published.items():
                channel.basic_publish(name, "", body.encode(), pika.BasicProperties(headers=headers))
            channel.basic_publish(name, "", b"0.1", Rate())
            got = await collect(source, len(arriving))
            assert [body.decode() for body in bodies(got)] == arriving
            source.settle([delivery.receipt for delivery in got])
            await source.flush()
            await nothing_more(source, 0.1)
    clean(channel, name)


async def test_an_exclusive_queue_of_a_headers_exchange(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "headers", durable=True)
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "headers", "bindings": [{"a": 1}, {"b": 2}]}
    async with opened(amqp_url, route=name, exclusive=True, **settings) as source:
        for headers in ({"a": 1}, {"a": 2}, {"b": 2, "a": 3}, {"a": 1, "b": 2}):
            channel.basic_publish(name, "", str(headers).encode(), pika.BasicProperties(headers=headers))
        assert bodies(await collect(source, 3)) == [b"{'a': 1}", b"{'b': 2, 'a': 3}", b"{'a': 1, 'b': 2}"]
        await nothing_more(source, 0.1)
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
