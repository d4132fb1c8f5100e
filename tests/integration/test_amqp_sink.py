"""The AMQP sink on a real RabbitMQ: what arrives, where, and what is said of what does not."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.errors import RouteFault
from bridge.message import DELIVERED, Header, Message, Verdict
from tests.integration.amqp_sink import numbered, opened, send, take, taken
from tests.integration.amqp_source import collect, decoded
from tests.integration.amqp_source import opened as opened_source


@pytest.fixture
def queue(channel: BlockingChannel, name: str) -> Iterator[str]:
    """A queue that a direct exchange of the same name leads to by the key "k"."""
    channel.queue_declare(name)
    channel.exchange_declare(name, "direct")
    channel.queue_bind(name, name, "k")
    yield name
    channel.queue_delete(name)
    channel.exchange_delete(name)


async def test_every_property_and_header_arrives_as_another_library_reads_it(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    message = Message(
        b"body",
        "uid-1",
        properties={
            "content_type": "text/plain",
            "content_encoding": "utf-8",
            "delivery_mode": 1,
            "priority": 7,
            "correlation_id": "c",
            "reply_to": "replies",
            "expiration": "60000",
            "message_id": "m",
            "timestamp": 1_700_000_000_123,
            "type": "t",
            "user_id": "guest",
            "app_id": "app",
        },
        key=b"key",
        headers=[("tenant", "string", "acmé"), ("n", "i32", 5), ("nested", "table", (("a", "bool", True),))],
    )
    async with opened(amqp_url, exchange=queue, routing_key="k") as sink:
        assert await send(sink, [message]) == [DELIVERED]
    [(properties, body)] = take(channel, queue)
    assert body == b"body"
    assert properties.headers == {
        "tenant": "acmé",
        "n": 5,
        "nested": {"a": True},
        "kafka-key": "key",
        "fedbridge-timestamp-ms": 1_700_000_000_123,
        "fedbridge-uid": "uid-1",
    }
    expected: dict[str, Any] = {**message.properties, "timestamp": 1_700_000_000}
    assert {name: getattr(properties, name) for name in expected} == expected


async def test_what_one_source_reads_another_reads_again_unchanged(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    headers: list[Header] = [("f", "f64", 1.1), ("raw", "string", b"\xff"), ("void", "void", None), ("i", "i8", -3)]
    message = Message(b"body", "uid-1", "k", queue, None, {"message_id": "m", "delivery_mode": 2}, tuple(headers))
    async with opened(amqp_url, exchange="{exchange}") as sink:
        assert await send(sink, [message]) == [DELIVERED]
    async with opened_source(amqp_url, queue=queue) as source:
        [delivery] = await collect(source, 1)
        assert decoded(delivery)._replace(path="") == message
        source.settle([delivery.receipt])
        await source.flush()


async def test_the_default_exchange_leads_to_the_queue_of_the_routing_key(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    async with opened(amqp_url, exchange="", routing_key=queue) as sink:
        assert sink.waiting is None
        assert await send(sink, numbered(3)) == [DELIVERED] * 3
    async with opened(amqp_url, exchange="", routing_key="{header.queue}") as sink:
        first, lacking = await send(
            sink, [Message(b"3", "a", headers=[("queue", "string", queue)]), Message(b"lost", "b")]
        )
    assert first is DELIVERED
    assert (lacking.verdict, lacking.reason) == (Verdict.REJECTED, "missing_field")
    assert "the message lacks {header.queue}" in lacking.detail
    assert taken(channel, queue) == [b"0", b"1", b"2", b"3"]


async def test_the_routing_key_is_the_messages_own_only_if_it_came_by_amqp(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    channel.queue_bind(queue, queue, "")
    messages = [
        Message(b"amqp", "a", address="k", exchange=""),
        Message(b"kafka", "b", address="some-topic"),
        Message(b"lost", "c", address="unbound", exchange=""),
    ]
    async with opened(amqp_url, exchange=queue) as sink:
        outcomes = await send(sink, messages)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED, Verdict.DELIVERED, Verdict.REJECTED]
    assert taken(channel, queue) == [b"amqp", b"kafka"]


async def test_persistence_is_the_messages_own_unless_the_route_says_it(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    messages = [Message(b"", "a"), Message(b"", "b", properties={"delivery_mode": 1})]
    for persistent, expected in ((None, [2, 1]), (True, [2, 2]), (False, [1, 1])):
        async with opened(amqp_url, exchange=queue, routing_key="k", persistent=persistent) as sink:
            await send(sink, messages)
        assert [properties.delivery_mode for properties, _ in take(channel, queue)] == expected


async def test_returns_are_found_among_messages_of_one_message_id(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    """Pitfall A1: the library acks a returned message when another of its message_id is in flight."""
    routed = [random.random() < 0.7 for _ in range(5000)]
    messages = [
        Message(
            b"%d" % number,
            f"uid-{number}",
            properties={"message_id": "the same"},
            headers=[("key", "string", "k" if there else "nowhere")],
        )
        for number, there in enumerate(routed)
    ]
    async with opened(amqp_url, exchange=queue, routing_key="{header.key}") as sink:
        outcomes = await send(sink, messages, most=700)
    assert [outcome is DELIVERED for outcome in outcomes] == routed
    lost = next(outcome for outcome in outcomes if outcome is not DELIVERED)
    assert (lost.verdict, lost.reason) == (Verdict.REJECTED, "unroutable")
    assert f"exchange '{queue}' has no queue for routing key 'nowhere'" in lost.detail
    assert taken(channel, queue) == [b"%d" % number for number, there in enumerate(routed) if there]


async def test_equal_uids_are_never_in_flight_together_and_each_has_its_own_outcome(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    def message(body: bytes, uid: str, key: str) -> Message:
        return Message(body, uid, headers=[("key", "string", key)])

    messages = [
        message(b"0", "same", "nowhere"),
        message(b"1", "same", "k"),
        message(b"2", "other", "k"),
        message(b"3", "same", "nowhere"),
        message(b"4", "same", "k"),
    ]
    async with opened(amqp_url, exchange=queue, routing_key="{header.key}") as sink:
        futures = [await sink.send(messages), await sink.send(messages[2:4])]
        outcomes = [outcome is DELIVERED for future in futures for outcome in await future]
    assert outcomes == [False, True, True, False, True, True, False], "each return is found by a uid that is there once"
    assert taken(channel, queue) == [b"1", b"2", b"4", b"2"]


async def test_a_send_that_is_cancelled_while_it_waits_leaves_the_sink_as_it_was(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    async with opened(amqp_url, 10, exchange=queue, routing_key="k") as sink:
        for _ in range(5):
            first = await sink.send([Message(b"first", "same")])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await sink.send([Message(b"second", "same")])
            assert await first == [DELIVERED]
        async with asyncio.timeout(5):
            while await sink.room() < 10:  # noqa: ASYNC110 - room is given when a callback has run
                await asyncio.sleep(0)
        assert await send(sink, numbered(20)) == [DELIVERED] * 20
    assert taken(channel, queue)[:5] == [b"first"] * 5


async def test_no_more_are_unconfirmed_than_max_in_flight_says(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    async with opened(amqp_url, exchange=queue, routing_key="k", max_in_flight=7) as sink:
        assert await sink.room() == 7
        first = await sink.send(numbered(5))
        assert await sink.room() == 2
        second = await sink.send(numbered(2, 5))
        assert not first.done()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await sink.room()
        assert [*await first, *await second] == [DELIVERED] * 7
        async with asyncio.timeout(5):
            assert await sink.room() > 0
    assert taken(channel, queue) == [b"%d" % number for number in range(7)]


async def test_a_body_of_many_frames_arrives_whole(amqp_url: str, channel: BlockingChannel, queue: str) -> None:
    body = random.randbytes(3 << 20)
    messages = [Message(b"before", "a"), Message(body, "b"), Message(b"", "c"), Message(body[: 131_072 - 8], "d")]
    async with opened(amqp_url, exchange=queue, routing_key="k") as sink:
        assert await send(sink, messages) == [DELIVERED] * 4
    assert taken(channel, queue) == [message.body for message in messages]


async def test_what_cannot_be_sent_is_refused_before_and_costs_its_neighbours_nothing(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    bad = [
        (Message(b"bad", "b1", headers=[("a", "string", "x" * 131_072)]), "too_large"),
        (Message(b"bad", "b2", headers=[("key", "string", "x" * 256)]), "too_large"),
        (Message(b"bad", "b3", headers=[("a", "i8", 1000)]), "unencodable"),
        (Message(b"bad", "b4", headers=[("\udcff", "string", ""), ("key", "string", "unbound")]), "unencodable"),
    ]
    messages = numbered(4, headers=[("key", "string", "k")])
    mixed = [each for pair in zip((message for message, _ in bad), messages, strict=True) for each in pair]
    async with opened(amqp_url, exchange=queue, routing_key="{header.key:k}") as sink:
        outcomes = await send(sink, mixed)
        assert await send(sink, [Message(b"only", "b1", headers=[("a", "i8", 1000)])]) == [outcomes[4]]
    assert [outcome.reason for outcome in outcomes[::2]] == [reason for _, reason in bad]
    assert {outcome.verdict for outcome in outcomes[::2]} == {Verdict.REJECTED}
    assert outcomes[1::2] == [DELIVERED] * 4
    assert taken(channel, queue) == [b"0", b"1", b"2", b"3"]


async def test_no_property_makes_the_broker_close_the_channel(
    amqp_url: str, channel: BlockingChannel, queue: str
) -> None:
    """Pitfall A7: each of these would, and the publishes around it would be lost."""
    poison: list[dict[str, Any]] = [
        {"properties": {"user_id": "somebody-else"}},
        {"properties": {"reply_to": "amq.rabbitmq.reply-to"}},
        {"properties": {"expiration": "soon"}},
        {"properties": {"expiration": str(1 << 32)}},
        {"properties": {"delivery_mode": 9, "priority": 999, "timestamp": -1}},
        {"properties": {"message_id": "x" * 300}},
        {"headers": [("CC", "string", "k")]},
        {"headers": [("BCC", "array", (("i8", 1),))]},
        {"headers": [("x-death", "string", "mine")]},
        {"headers": [("a", "string", "1"), ("a", "string", "2")]},
        {"properties": {"timestamp": ((1 << 64) - 1) * 1000}},
    ]
    messages = [Message(b"%d" % number, f"uid-{number}", **each) for number, each in enumerate(poison)]
    async with opened(amqp_url, exchange=queue, routing_key="k") as sink:
        future = await sink.send(messages)
        assert await future == [DELIVERED] * len(messages)
        assert channels(sink) == {1}, "still the first one"
    async with opened_source(amqp_url, queue=queue) as source:
        got = [decoded(delivery) for delivery in await collect(source, len(messages))]
    assert [message.body for message in got] == [message.body for message in messages]
    assert got[6].headers == (("amqp-cc", "string", "k"),)


def channels(sink: Any) -> set[int]:
    return set(sink._line.connection.channels)


async def test_an_exchange_of_another_type_is_a_fault(amqp_url: str, channel: BlockingChannel, queue: str) -> None:
    with pytest.raises(RouteFault, match="is a direct exchange, the route says topic") as caught:
        async with opened(amqp_url, exchange=queue, exchange_type="topic"):
            pass
    assert caught.value.reason == "conflict"


async def test_ten_thousand_messages(
    amqp_url: str, channel: BlockingChannel, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [
        Message(
            b"x" * 256,
            f"uid-{number}",
            properties={"content_type": "text/plain", "message_id": f"m{number}"},
            headers=[("n", "i64", number)],
        )
        for number in range(10_000)
    ]
    async with opened(amqp_url, 2000, exchange=queue, routing_key="k") as sink:
        started = time.monotonic()
        assert await send(sink, messages) == [DELIVERED] * 10_000
        seconds = time.monotonic() - started
    with capsys.disabled():
        print(f"\nAMQP sink: {10_000 / seconds:,.0f} messages/s")
    assert channel.queue_declare(queue, passive=True).method.message_count == 10_000
