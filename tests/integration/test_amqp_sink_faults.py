"""The AMQP sink on a real RabbitMQ that refuses, blocks, forbids, forgets exchanges, and goes away."""

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.install import Files
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.errors import Disconnected, RouteFault
from bridge.message import DELIVERED, Header, Message, Verdict
from tests.integration.amqp_sink import numbered, opened, send, taken
from tests.integration.amqp_source import pika_channel, until
from tests.proxy import slowed

PLENTY = "0.4"  # RabbitMQ's default share of memory above which it blocks publishers
NOTHING = "0.00000001"


@pytest.fixture(scope="module")
def broker(broker_files: Files) -> Iterator[RabbitMQ]:
    """A broker whose settings these tests change and put back, and that they stop and start again."""
    with tempfile.TemporaryDirectory(prefix="fedbridge-rabbitmq-", ignore_cleanup_errors=True) as folder:
        made = RabbitMQ(broker_files.rabbit, Path(folder))
        with contextlib.closing(made):
            made.start()
            yield made


@pytest.fixture
def channel(broker: RabbitMQ) -> Iterator[BlockingChannel]:
    with pika_channel(broker.url) as channel:
        yield channel


def declare(channel: BlockingChannel, name: str, type_: str = "direct", key: str = "k") -> None:
    channel.queue_declare(name)
    channel.exchange_declare(name, type_)
    channel.queue_bind(name, name, key)


def bodies(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


def to(exchange: str, body: bytes, uid: str) -> Message:
    return Message(body, uid, headers=[("exchange", "string", exchange)])


async def test_a_full_queue_holds_only_what_it_refuses_and_takes_it_later(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, arguments={"x-max-length": 3, "x-overflow": "reject-publish"})
    async with opened(broker.url, exchange="", routing_key=name) as sink:
        outcomes = await send(sink, numbered(8))
        assert outcomes[:3] == [DELIVERED] * 3
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes[3:]} == {(Verdict.HOLD, "nack")}
        assert f"routing key '{name}'" in outcomes[3].detail
        assert sink.waiting is None
        assert taken(channel, name) == bodies(3)
        assert await send(sink, numbered(3, 3)) == [DELIVERED] * 3
    assert taken(channel, name) == bodies(3, 3)


async def test_a_blocked_broker_is_waited_for_without_a_timeout_and_nothing_is_sent_twice(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    patience = {"broker_timeout": "1s", "heartbeat": "1s"}
    async with opened(broker.url, 100, broker=patience, exchange=name, routing_key="k") as sink:
        assert await send(sink, numbered(1)) == [DELIVERED]
        large = [message._replace(body=bytes(1 << 20)) for message in numbered(30, 1)]  # more than sockets buffer
        async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
            try:
                await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", NOTHING)
                sending = tasks.create_task(sink.send(large))
                await until(lambda: sink.waiting is not None)
                assert sink.waiting == "the broker to take messages again: low on memory"
                with pytest.raises(TimeoutError):  # longer than all patience: 3 heartbeats, the broker's timeout
                    await asyncio.wait_for(sink.room(), 4.5)
                assert not sending.done()
            finally:
                await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", PLENTY)
            assert await (await sending) == [DELIVERED] * 30
        assert sink.waiting is None
        assert await send(sink, numbered(1, 31)) == [DELIVERED]
    assert len(taken(channel, name)) == 32


async def test_a_blocked_broker_is_left_at_once(broker: RabbitMQ, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    try:
        async with opened(broker.url, exchange=name, routing_key="k") as sink:
            assert await send(sink, numbered(1)) == [DELIVERED]
            await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", NOTHING)
            future = await sink.send(numbered(2, 1))
            await until(lambda: sink.waiting is not None)
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert [outcome.verdict for outcome in await future] == [Verdict.UNKNOWN] * 2
    finally:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", PLENTY)


async def test_a_missing_exchange_is_waited_for(broker: RabbitMQ, channel: BlockingChannel, name: str) -> None:
    async with opened(broker.url, exchange=name, exchange_type="direct", routing_key="k") as sink:
        assert sink.waiting == f"exchange {name}"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sink.room(), 0.3)
        [held] = await (await sink.send(numbered(1)))
        assert (held.verdict, held.reason) == (Verdict.HOLD, "missing_exchange")
        declare(channel, name)
        assert await asyncio.wait_for(sink.room(), 5) > 0
        assert sink.waiting is None
        assert await send(sink, numbered(3)) == [DELIVERED] * 3
    assert taken(channel, name) == bodies(3)


async def test_a_missing_exchange_whose_durability_is_stated_is_created(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    settings: dict[str, Any] = {"exchange_type": "fanout", "exchange_durable": True}
    async with opened(broker.url, exchange=name, **settings) as sink:
        assert sink.waiting is None
        assert [outcome.reason for outcome in await send(sink, numbered(1))] == ["unroutable"]
        async with opened(broker.url, exchange="{header.exchange}", **settings) as other:
            assert (await send(other, [to(f"{name}-2", b"", "uid")]))[0].reason == "unroutable"
    channel.exchange_declare(name, "fanout", durable=True)
    channel.exchange_declare(f"{name}-2", "fanout", durable=True)


async def test_an_exchange_that_is_deleted_while_running_costs_nothing_but_time(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    async with opened(broker.url, 200, exchange=name, routing_key="k") as sink:
        delivered: list[bytes] = []
        waiting = numbered(3000)
        gone = False
        async with asyncio.timeout(30):
            while waiting:
                room = min(await sink.room(), 100)
                batch, rest = waiting[:room], waiting[room:]
                if len(delivered) >= 1000 and not gone:
                    gone = True
                    channel.exchange_delete(name)
                outcomes = await (await sink.send(batch))
                held = [message for message, outcome in zip(batch, outcomes, strict=True) if outcome is not DELIVERED]
                assert {outcome.reason for outcome in outcomes} <= {"", "missing_exchange"}
                assert {outcome.verdict for outcome in outcomes} <= {Verdict.DELIVERED, Verdict.HOLD}
                delivered += [message.body or b"" for message in batch if message not in held]
                waiting = held + rest
                if held:
                    assert sink.waiting == f"exchange {name}"
                    channel.exchange_declare(name, "direct")
                    channel.queue_bind(name, name, "k")
    assert gone
    assert delivered == bodies(3000)
    assert list(dict.fromkeys(taken(channel, name))) == bodies(3000)


async def test_of_a_templated_exchange_only_the_messages_to_a_missing_one_are_refused(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    messages = [to(name if number % 5 else f"{name}-none", b"%d" % number, f"uid-{number}") for number in range(100)]
    async with opened(broker.url, exchange="{header.exchange}", routing_key="k") as sink:
        outcomes = await send(sink, messages, most=30)
        assert sink.waiting is None
    refused = outcomes[::5]
    assert {(outcome.verdict, outcome.reason) for outcome in refused} == {(Verdict.REJECTED, "missing_exchange")}
    assert f"there is no exchange {name}-none" in refused[0].detail
    expected = [b"%d" % number for number in range(100) if number % 5]
    assert [outcome for number, outcome in enumerate(outcomes) if number % 5] == [DELIVERED] * 80
    assert taken(channel, name) == expected, "looked up before, so that the channel was never closed"


async def test_what_is_known_of_exchanges_outlasts_the_looking_for_others(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    """A publish to a missing exchange closes the channel; the broker's log has it."""
    declare(channel, name)
    messages = [to(name if number % 2 else f"{name}-{number}", b"%d" % number, f"{number}") for number in range(80)]
    with slowed(broker.url, 0.005) as url:  # so that what is believed for 0.1 s here has expired in the end
        async with opened(url, exchange="{header.exchange}", routing_key="k") as sink:
            outcomes = await send(sink, messages)
    assert [outcome.reason for outcome in outcomes] == ["missing_exchange", ""] * 40
    assert taken(channel, name) == [b"%d" % number for number in range(1, 80, 2)]
    await until(lambda: f"no exchange '{name}-78'" in broker.log.read_text())
    told = [line for line in broker.log.read_text().splitlines() if f"no exchange '{name}-" in line]
    assert len(told) == 40
    assert all("operation exchange.declare caused" in line for line in told)


async def test_a_templated_exchange_that_is_deleted_while_running_costs_its_neighbours_nothing(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    channel.exchange_declare(f"{name}-2", "fanout")
    channel.queue_bind(name, f"{name}-2")
    async with opened(broker.url, exchange="{header.exchange}", routing_key="k") as sink:
        assert await send(sink, [to(f"{name}-2", b"first", "first"), to(name, b"second", "second")]) == [DELIVERED] * 2
        channel.exchange_delete(f"{name}-2")
        messages = [to(name if number % 4 else f"{name}-2", b"%d" % number, f"{number}") for number in range(40)]
        outcomes = await send(sink, messages, most=10)
        assert [outcome is DELIVERED for outcome in outcomes] == [number % 4 > 0 for number in range(40)]
        assert {outcome.reason for outcome in outcomes} == {"", "missing_exchange"}
        channel.exchange_declare(f"{name}-2", "fanout")
        channel.queue_bind(name, f"{name}-2")
        await asyncio.sleep(0.15)  # what is known of an exchange is believed for 0.1 s here
        assert await send(sink, [to(f"{name}-2", b"last", "last")]) == [DELIVERED]
    expected = [b"first", b"second", *(b"%d" % number for number in range(40) if number % 4), b"last"]
    assert list(dict.fromkeys(taken(channel, name))) == expected


async def test_a_templated_exchange_of_another_type_is_the_affair_of_its_messages(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    channel.exchange_declare(f"{name}-2", "fanout")
    async with opened(broker.url, exchange="{header.exchange}", exchange_type="direct", routing_key="k") as sink:
        first, second = await send(sink, [to(f"{name}-2", b"1", "1"), to(name, b"2", "2")])
    assert (first.verdict, first.reason) == (Verdict.REJECTED, "conflict")
    assert second is DELIVERED


@pytest.fixture
def limited(broker: RabbitMQ) -> Iterator[Callable[..., str]]:
    """Makes a user who may write to exchanges that a pattern matches, to one of them only what another matches."""
    made: list[str] = []

    def make(write: str, exchange: str = "", topic: str = "") -> str:
        user = f"user-{secrets.token_hex(4)}"
        broker.ctl("add_user", user, "secret")
        made.append(user)
        broker.ctl("set_permissions", "-p", "/", user, "^$", write, ".*")
        if exchange:
            broker.ctl("set_topic_permissions", "-p", "/", user, exchange, topic, ".*")
        return broker.url.replace("guest:guest", f"{user}:secret")

    yield make
    for user in made:
        broker.ctl("delete_user", user)


@pytest.mark.parametrize("exchange", ["{name}", ""], ids=["named", "default"])
async def test_a_fixed_exchange_that_may_not_be_written_to_is_a_fault(
    broker: RabbitMQ, channel: BlockingChannel, name: str, limited: Callable[..., str], exchange: str
) -> None:
    declare(channel, name)
    url = limited("^other$")
    futures = []
    with pytest.raises(RouteFault, match="let the user write to exchange") as caught:  # noqa: PT012 - the end of the body
        async with opened(url, exchange=exchange.format(name=name), routing_key="{header.key:k}") as sink:
            futures.append(await sink.send(numbered(3)))
            await asyncio.wait_for(asyncio.Event().wait(), 10)
    assert caught.value.reason == "forbidden"
    assert [outcome.verdict for outcome in futures[0].result()] == [Verdict.UNKNOWN] * 3


async def test_an_exchange_and_a_topic_that_may_not_be_written_to_are_the_affair_of_their_messages(
    broker: RabbitMQ, channel: BlockingChannel, name: str, limited: Callable[..., str]
) -> None:
    declare(channel, name, "topic", "#")
    channel.exchange_declare(f"{name}-2", "fanout")
    url = limited(f"^{name}$", name, "^open\\.")

    def message(number: int, exchange: str, key: str) -> Message:
        headers: list[Header] = [("exchange", "string", exchange), ("key", "string", key)]
        return Message(b"%d" % number, f"{number}", headers=headers)

    places = [(name, "open.a"), (f"{name}-2", "open.a"), (name, "secret.a"), (name, "open.b")]
    messages = [message(number, *places[number % 4]) for number in range(40)]
    async with opened(url, exchange="{header.exchange}", routing_key="{header.key}") as sink:
        outcomes = await send(sink, messages, most=20)
    assert [outcome is DELIVERED for outcome in outcomes] == [number % 4 in (0, 3) for number in range(40)]
    assert {(o.verdict, o.reason) for o in outcomes if o is not DELIVERED} == {(Verdict.REJECTED, "forbidden")}
    expected = [b"%d" % number for number in range(40) if number % 4 in (0, 3)]
    assert list(dict.fromkeys(taken(channel, name))) == expected
    async with opened(url, exchange=name, routing_key="{header.key}") as sink:
        outcomes = await send(sink, [message(1, "", "open.x"), message(2, "", "secret.x"), message(3, "", "open.y")])
    assert [outcome.reason for outcome in outcomes] == ["", "forbidden", ""]


@pytest.fixture
def small_messages(broker: RabbitMQ) -> Iterator[None]:
    """The broker closes the channel of a message above 1,000 bytes."""
    broker.ctl("eval", "application:set_env(rabbit, max_message_size, 1000).")
    yield
    broker.ctl("eval", "application:set_env(rabbit, max_message_size, 134217728).")


@pytest.mark.usefixtures("small_messages")
async def test_a_channel_closed_for_one_message_costs_the_others_nothing(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    declare(channel, name)
    messages = numbered(400)
    bad = {7, 8, *range(19, 400, 20)}
    for number in bad:
        messages[number] = messages[number]._replace(body=bytes(2000))
    async with opened(broker.url, exchange=name, routing_key="k") as sink:
        outcomes = await send(sink, messages, most=10)
        assert {number for number, outcome in enumerate(outcomes) if outcome is not DELIVERED} == bad
        assert {(outcomes[n].verdict, outcomes[n].reason) for n in bad} == {(Verdict.REJECTED, "too_large")}
        assert "larger than configured max size" in outcomes[7].detail
        assert await send(sink, numbered(1, 400)) == [DELIVERED]
    expected = [body for number, body in enumerate(bodies(401)) if number not in bad]
    assert list(dict.fromkeys(taken(channel, name))) == expected


@pytest.mark.usefixtures("small_messages")
async def test_a_message_that_came_back_and_is_published_again_is_what_becomes_of_it_then(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    """There is a binding for it meanwhile. Which of them were confirmed before the close is the broker's chance."""
    declare(channel, name)
    messages = [*numbered(300), Message(bytes(2000), "large")]
    with slowed(broker.url, 0.2) as url:
        async with opened(url, exchange=name, routing_key="late") as sink, asyncio.TaskGroup() as tasks:
            closes = broker.log.read_text().count("larger than configured")
            sending = tasks.create_task(send(sink, messages))
            await until(lambda: broker.log.read_text().count("larger than configured") > closes)
            channel.queue_bind(name, name, "late")
            *outcomes, large = await sending
    assert (large.verdict, large.reason) == (Verdict.REJECTED, "too_large")
    assert {outcome.reason for outcome in outcomes} <= {"", "unroutable"}
    delivered = [b"%d" % number for number, outcome in enumerate(outcomes) if outcome is DELIVERED]
    assert delivered == list(dict.fromkeys(taken(channel, name)))


async def test_no_confirmation_in_time_is_disconnected_and_unknown(broker: RabbitMQ, name: str) -> None:
    with pika_channel(broker.url) as channel:
        channel.queue_declare(name)
    pid = broker.processes[0].pid
    futures = []
    try:
        with pytest.raises(Disconnected, match="no confirmation for 1 s") as caught:  # noqa: PT012
            async with opened(broker.url, broker={"broker_timeout": "1s"}, exchange="", routing_key=name) as sink:
                assert await send(sink, numbered(1)) == [DELIVERED]
                os.kill(pid, signal.SIGSTOP)
                futures.append(await sink.send(numbered(3)))
                await asyncio.wait_for(asyncio.Event().wait(), 10)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert caught.value.reason == "timeout"
    assert [(o.verdict, o.reason) for o in futures[0].result()] == [(Verdict.UNKNOWN, "timeout")] * 3


async def test_a_killed_broker_is_disconnected_and_unknown(broker: RabbitMQ, name: str) -> None:
    with pika_channel(broker.url) as channel:
        channel.queue_declare(name, durable=True)
    await asyncio.to_thread(broker.ctl, "eval", "mnesia:sync_log().")  # a kill may cost a queue its declaration
    futures = []
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the body
        async with opened(broker.url, exchange="", routing_key=name) as sink:
            assert await send(sink, numbered(10)) == [DELIVERED] * 10
            broker.kill()
            futures.append(await sink.send(numbered(3, 10)))
            while True:
                await sink.room()
                await asyncio.sleep(0)
    assert all(outcome.verdict is Verdict.UNKNOWN for future in futures for outcome in future.result())
    await asyncio.to_thread(broker.start)
    async with opened(broker.url, exchange="", routing_key=name) as sink:
        assert await send(sink, numbered(3, 10)) == [DELIVERED] * 3
    with pika_channel(broker.url) as channel:
        assert taken(channel, name) == bodies(13)


async def test_the_connection_lives_while_only_confirms_flow(
    broker: RabbitMQ, channel: BlockingChannel, name: str
) -> None:
    """aiormq takes a connection for dead after 3 (heartbeat + 1) seconds without a frame: 6 s at a heartbeat of 1 s."""
    declare(channel, name)
    end = time.monotonic() + 7.5
    async with opened(broker.url, broker={"heartbeat": "1s"}, exchange=name, routing_key="k") as sink:
        sent = 0
        while time.monotonic() < end:
            assert await send(sink, numbered(1, sent)) == [DELIVERED]
            sent += 1
            await asyncio.sleep(0.05)
    assert len(taken(channel, name)) == sent
