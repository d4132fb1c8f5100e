"""The AMQP source on every kind of queue of a real RabbitMQ: what is created, found, refused and told."""

import re
from typing import Any

import pika
import pika.exceptions
import pytest
import structlog
from pika.adapters.blocking_connection import BlockingChannel

from bridge.errors import RouteFault
from connectors.amqp.traits import PROBE
from tests.integration.amqp_source import (
    LOCKED,
    MISSING,
    answer,
    bodies,
    clean,
    collect,
    nothing_more,
    opened,
    pika_channel,
    until,
    worked_off,
)

QUORUM = {"x-queue-type": "quorum"}
SINGLE = {"x-single-active-consumer": True}


@pytest.mark.parametrize(
    ("settings", "same", "redelivers"),
    [
        ({}, {"durable": True}, True),
        ({"arguments": QUORUM}, {"durable": True, "arguments": QUORUM}, True),
        ({"durable": False}, {}, True),
        ({"auto_delete": True}, {"durable": True, "auto_delete": True}, False),
        (
            {"arguments": {"x-max-length": 70_000, "x-overflow": "reject-publish"}},
            {"durable": True, "arguments": {"x-max-length": 70_000, "x-overflow": "reject-publish"}},
            True,
        ),
    ],
    ids=["classic", "quorum", "transient", "auto-delete", "arguments"],
)
async def test_a_missing_queue_is_made_as_the_route_says(
    amqp_url: str,
    channel: BlockingChannel,
    name: str,
    settings: dict[str, Any],
    same: dict[str, Any],
    redelivers: bool,
) -> None:
    async with opened(amqp_url, queue=name, declare=True, **settings) as source:
        channel.queue_declare(name, **same)  # an equal declaration is taken, another refused
        assert source.redelivers is redelivers
        for number in range(100):
            channel.basic_publish("", name, b"%d" % number)
        got = await collect(source, 100)
        assert bodies(got) == [b"%d" % number for number in range(100)]
        source.settle([delivery.receipt for delivery in got[:60]])
        await source.flush()
    if redelivers:
        async with opened(amqp_url, queue=name, declare=True, **settings) as source:
            assert bodies(await collect(source, 40)) == [b"%d" % number for number in range(60, 100)]
        channel.queue_delete(name)
    else:
        assert answer(amqp_url, name) == MISSING


async def test_an_exclusive_queue_of_an_exchange_lives_as_long_as_its_source(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.exchange_declare(name, "topic")
    settings: dict[str, Any] = {
        "exchange": name,
        "exchange_type": "topic",
        "binding_keys": ["a.*", "b.#"],
        "exclusive": True,
    }
    queues = []
    for _ in range(2):
        with structlog.testing.capture_logs() as logs:
            async with opened(amqp_url, route=name, **settings) as source:
                queues.append(source.queue)
                assert not source.redelivers
                assert answer(amqp_url, source.queue) == LOCKED
                for key in ("a.1", "a.1.2", "b", "c", "b.1.2"):
                    channel.basic_publish(name, key, key.encode())
                got = await collect(source, 3)
                assert bodies(got) == [b"a.1", b"b", b"b.1.2"]
                source.settle([delivery.receipt for delivery in got])
                await source.flush()
                await nothing_more(source)
        assert [log["event"] for log in logs] == ["the exchange is there, the queue is bound"]
    assert all(re.fullmatch(rf"fedbridge\.test\.{name}\.one-[0-9a-f]{{8}}", queue) for queue in queues)
    assert queues[0] != queues[1]
    assert all(answer(amqp_url, queue) == MISSING for queue in queues)
    clean(channel, name)


async def test_the_bindings_of_an_exclusive_queue_are_asserted_again(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    settings: dict[str, Any] = {"exchange": name, "exchange_type": "fanout", "exclusive": True}
    async with opened(amqp_url, route=name, **settings) as source:
        assert source.waiting == f"exchange {name}"
        for _ in range(2):
            channel.exchange_declare(name, "fanout")
            await until(lambda: source.waiting is None)
            channel.basic_publish(name, "", b"x")
            assert bodies(await collect(source, 1)) == [b"x"]
            channel.exchange_delete(name)
            await until(lambda: source.waiting is not None)


async def test_a_named_exclusive_queue_alone(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    async with opened(amqp_url, queue=name, exclusive=True, arguments={"x-max-length": 2}) as source:
        channel.basic_publish("", name, b"x")
        assert bodies(await collect(source, 1)) == [b"x"]
        await until(lambda: source.lag == 1)
        with pytest.raises(RouteFault, match=f"queue {name} belongs to another connection alone") as caught:
            await opened(amqp_url, queue=name, exclusive=True).__aenter__()
        assert caught.value.reason == "locked"
        with pytest.raises(RouteFault, match=rf"queue {name} belongs to another .* name another queue") as caught:
            await opened(amqp_url, queue=name).__aenter__()
        assert caught.value.reason == "locked"
    assert answer(amqp_url, name) == MISSING


async def test_a_queue_that_is_there_and_not_exclusive_cannot_be_had_exclusively(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, durable=True)
    with pytest.raises(RouteFault, match="or is there and not exclusive") as caught:
        await opened(amqp_url, queue=name, exclusive=True).__aenter__()
    assert caught.value.reason == "locked"
    channel.queue_delete(name)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("arguments", [{}, {"x-expires": 60_000}])
async def test_an_existing_auto_delete_queue_is_known_not_to_redeliver(
    amqp_url: str, channel: BlockingChannel, name: str, durable: bool, arguments: dict[str, Any]
) -> None:
    channel.queue_declare(name, durable=durable, auto_delete=True, arguments=arguments)
    channel.basic_publish("", name, b"x")
    with structlog.testing.capture_logs() as logs:
        async with opened(amqp_url, queue=name) as source:
            assert not source.redelivers
            assert bodies(await collect(source, 1)) == [b"x"]
    assert logs == []  # the route states no parameters: nothing differs
    assert answer(amqp_url, name) == MISSING


@pytest.mark.parametrize(
    ("there", "route", "said"),
    [
        ({}, {}, "durable is false there, and true in the route"),
        ({"durable": True, "arguments": {"x-max-length": 5}}, {}, None),
        ({"durable": True, "arguments": {"x-max-length": 5}}, {"arguments": {"x-max-length": 5}}, None),
        (
            {"durable": True, "arguments": {"x-max-length": 5}},
            {"durable": False, "arguments": {"x-max-length": 6}},
            "durable is true there, and false in the route; x-max-length is 5 there, and 6 in the route",
        ),
        (
            {"durable": True, "auto_delete": True},
            {"arguments": QUORUM},
            "auto_delete is true there, and false in the route; x-queue-type is not set there, and quorum in the route",
        ),
    ],
)
async def test_a_queue_with_other_parameters_is_used_as_it_is_with_a_warning(
    amqp_url: str,
    channel: BlockingChannel,
    name: str,
    there: dict[str, Any],
    route: dict[str, Any],
    said: str | None,
) -> None:
    channel.queue_declare(name, **there)
    with structlog.testing.capture_logs() as logs:
        async with opened(amqp_url, queue=name, declare=True, **route) as source:
            channel.basic_publish("", name, b"x")
            assert bodies(await collect(source, 1)) == [b"x"]
            channel.queue_declare(name, **there)
    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert [log["difference"] for log in warnings] == ([said] if said else [])
    assert all(log["queue"] == name for log in warnings)
    channel.queue_delete(name)


async def test_a_stream_is_a_conflict(amqp_url: str, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": "stream"})
    with pytest.raises(RouteFault, match=f"{name} is a stream.*classic or a quorum queue") as caught:
        await opened(amqp_url, queue=name).__aenter__()
    assert caught.value.reason == "conflict"
    channel.queue_delete(name)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"arguments": {**QUORUM, "x-queue-mode": "lazy"}}, "x-queue-mode"),
        ({"arguments": {"x-dead-letter-routing-key": "no exchange"}}, "x-dead-letter-routing-key"),
        ({"arguments": {"x-max-length": 2**63}}, "cannot carry"),
    ],
)
async def test_what_no_queue_can_be_is_a_conflict_in_the_broker_s_words(
    amqp_url: str, name: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(RouteFault, match=words) as caught:
        await opened(amqp_url, queue=name, declare=True, **settings).__aenter__()
    assert caught.value.reason == "conflict"
    assert answer(amqp_url, name) == MISSING


@pytest.mark.parametrize(
    ("there", "route"),
    [
        ({**SINGLE, "x-max-length": 500, "x-expires": 60_000}, {}),
        ({**SINGLE, **QUORUM}, {}),
        (None, {"declare": True, "arguments": SINGLE}),
    ],
)
async def test_a_queue_with_a_single_active_consumer_keeps_that(
    amqp_url: str, channel: BlockingChannel, name: str, there: dict[str, Any] | None, route: dict[str, Any]
) -> None:
    """One that comes second, with a larger prefetch, would wait behind all others and, at a classic queue, starve."""
    if there is not None:
        channel.queue_declare(name, durable=True, arguments=there)
    async with opened(amqp_url, queue=name, **route) as source, opened(amqp_url, queue=name) as second:
        for number in range(200):
            channel.basic_publish("", name, b"%d" % number)
        assert await worked_off(source, 200) == [b"%d" % number for number in range(200)]
        await nothing_more(second, 0.1)
    channel.queue_delete(name)


@pytest.mark.parametrize("arguments", [{}, QUORUM])
async def test_the_lag_is_what_waits_and_what_is_in_hand(
    amqp_url: str, channel: BlockingChannel, name: str, arguments: dict[str, Any]
) -> None:
    channel.queue_declare(name, durable=True, arguments=arguments)
    for _ in range(50):
        channel.basic_publish("", name, b"x")
    async with opened(amqp_url, queue=name, prefetch=10) as source:
        await until(lambda: source.lag == 50)
        got = await collect(source, 10)
        assert source.lag == 50
        source.settle([delivery.receipt for delivery in got[:4]])
        source.settle([got[7].receipt])
        await until(lambda: source.lag == 45)
    channel.queue_delete(name)


async def test_the_lag_is_known_also_while_the_window_is_full(
    amqp_url: str, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name)
    async with opened(amqp_url, queue=name, size=100, prefetch=1) as source:
        channel.basic_publish("", name, b"x" * 200)
        await until(lambda: source.lag == 1)
        channel.basic_publish("", name, b"x")
        await until(lambda: source.lag == 2)
    channel.queue_delete(name)


@pytest.mark.parametrize("arguments", [{}, QUORUM])
def test_the_question_for_the_type_leaves_an_auto_delete_queue(
    amqp_url: str, channel: BlockingChannel, name: str, arguments: dict[str, Any]
) -> None:
    """The contract with RabbitMQ behind `Queue.prepare`: the consumer is refused before it counts as one."""
    channel.queue_declare(name, durable=True, auto_delete=not arguments, arguments=arguments)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="x-priority"):
        channel.basic_consume(name, lambda *_: None, arguments={"x-priority": "not a number"})
    assert answer(amqp_url, name) == 200
    channel.connection.channel().queue_delete(name)


def test_the_probe_never_creates_a_queue(amqp_url: str, name: str) -> None:
    """The contract with RabbitMQ behind `connectors.amqp.traits`."""
    for durable in (True, False):
        for auto_delete in (True, False):
            with (
                pika_channel(amqp_url) as channel,
                pytest.raises(pika.exceptions.ChannelClosedByBroker, match="x-single"),
            ):
                channel.queue_declare(name, durable=durable, auto_delete=auto_delete, arguments=dict(PROBE))
    assert answer(amqp_url, name) == MISSING
