"""Names that RabbitMQ allows and the library does not: any UTF-8 of up to 255 bytes, in every place that takes one.

RabbitMQ cuts what it says at 252 bytes, and so in the middle of such a name, or of a character.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.errors import RouteFault
from bridge.message import DELIVERED, Message, Verdict
from tests.integration.amqp_sink import numbered, opened, send, taken
from tests.integration.amqp_source import bodies, collect, nothing_more, worked_off
from tests.integration.amqp_source import opened as opened_source
from tests.integration.looking import NOBODY, look, told
from tests.routes import configuration

LONG = "long"  # as long as a name may be, in characters of two bytes


@pytest.fixture(params=["größe", "a&b", "x" * 200, LONG], ids=["umlauts", "ampersand", "200", "255 bytes"])
def odd(request: pytest.FixtureRequest, name: str, channel: BlockingChannel) -> Iterator[str]:
    """A name that no other test uses; what has it is deleted in the end."""
    made = f"{name}-{request.param}"[:200]
    if request.param == LONG:
        made = name + "ö" * ((255 - len(name)) // 2)
    yield made
    channel.exchange_delete(made)
    channel.queue_delete(made)


def declare(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    channel.exchange_declare(name, "direct")
    channel.queue_bind(name, name, "k")


def to(exchange: str, body: bytes, uid: str) -> Message:
    return Message(body, uid, headers=[("tenant", "string", exchange)])


async def test_an_exchange_that_a_message_names_is_published_to(
    amqp_url: str, channel: BlockingChannel, odd: str
) -> None:
    declare(channel, odd)
    async with opened(amqp_url, exchange="{header.tenant}", routing_key="k") as sink:
        assert await send(sink, [to(odd, b"%d" % number, f"{number}") for number in range(3)]) == [DELIVERED] * 3
    assert taken(channel, odd) == [b"0", b"1", b"2"]


async def test_an_exchange_that_a_message_names_and_that_is_missing_is_the_affair_of_that_message(
    amqp_url: str, channel: BlockingChannel, name: str, odd: str
) -> None:
    declare(channel, name)
    async with opened(amqp_url, exchange="{header.tenant}", routing_key="k") as sink:
        outcomes = await send(sink, [to(name, b"1", "1"), to(odd, b"2", "2"), to(name, b"3", "3")])
    assert [outcome.reason for outcome in outcomes] == ["", "missing_exchange", ""]
    assert taken(channel, name) == [b"1", b"3"]


@pytest.mark.parametrize("impossible", ["x" * 256, "ö" * 128, "gr\udcf6\udcdfe"], ids=["256", "umlauts", "latin-1"])
async def test_an_exchange_that_cannot_be_named_is_the_affair_of_the_message_that_names_it(
    amqp_url: str, channel: BlockingChannel, name: str, impossible: str
) -> None:
    declare(channel, name)
    async with opened(amqp_url, exchange="{header.tenant}", routing_key="k") as sink:
        outcomes = await send(sink, [to(name, b"1", "1"), to(impossible, b"2", "2"), to(name, b"3", "3")])
    assert outcomes[::2] == [DELIVERED] * 2
    assert (outcomes[1].verdict, outcomes[1].reason) == (Verdict.REJECTED, "unencodable")
    assert taken(channel, name) == [b"1", b"3"]


async def test_an_exchange_that_is_deleted_is_missing_for_all_that_follow(
    amqp_url: str, channel: BlockingChannel, name: str, odd: str
) -> None:
    """One of the same beginning is another, although what RabbitMQ says may be about either."""
    declare(channel, name)
    other = odd[:-1] + "ä"
    declare(channel, other)
    declare(channel, odd)
    messages = [to(exchange, b"%d" % number, f"{number}") for number in range(1, 10) for exchange in (name, other, odd)]
    async with opened(amqp_url, exchange="{header.tenant}", routing_key="k") as sink:
        assert await send(sink, [to(odd, b"0", "0")]) == [DELIVERED]
        channel.exchange_delete(odd)
        messages = [message._replace(uid=f"{number}") for number, message in enumerate(messages)]
        outcomes = await send(sink, messages, most=6)
    assert [outcome.reason for outcome in outcomes] == ["", "", "missing_exchange"] * 9
    for exchange in (name, other):
        assert list(dict.fromkeys(taken(channel, exchange))) == [b"%d" % number for number in range(1, 10)]
    channel.exchange_delete(other)
    channel.queue_delete(other)


async def test_the_one_exchange_of_a_target_that_is_deleted_is_waited_for(
    amqp_url: str, channel: BlockingChannel, odd: str
) -> None:
    declare(channel, odd)
    async with opened(amqp_url, exchange=odd, routing_key="k") as sink:
        assert await send(sink, numbered(3)) == [DELIVERED] * 3
        channel.exchange_delete(odd)
        outcomes = await (await sink.send(numbered(3, 3)))
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.HOLD, "missing_exchange")}
        assert sink.waiting == f"exchange {odd}"
        declare(channel, odd)
        assert await send(sink, numbered(3, 3)) == [DELIVERED] * 3
    assert taken(channel, odd) == [b"%d" % number for number in range(6)]


async def test_a_queue_and_its_exchange_are_made_bound_and_consumed(
    amqp_url: str, channel: BlockingChannel, odd: str
) -> None:
    settings: dict[str, Any] = {"exchange": odd, "exchange_type": "direct", "exchange_durable": False}
    async with opened_source(amqp_url, queue=odd, binding_keys=[odd], **settings) as source:
        assert source.waiting is None
        channel.basic_publish(odd, odd, b"1")
        assert bodies(await collect(source, 1)) == [b"1"]
    channel.exchange_delete(odd)
    async with opened_source(amqp_url, queue=odd) as source:
        assert await worked_off(source, 1) == [b"1"]
        await source.flush()


@pytest.mark.parametrize("durable", [True, False])
async def test_what_a_queue_is_like_is_known(amqp_url: str, channel: BlockingChannel, odd: str, durable: bool) -> None:
    channel.queue_declare(odd, durable=durable, auto_delete=True)
    async with opened_source(amqp_url, queue=odd) as source:
        assert not source.redelivers
    channel.queue_declare(odd, durable=durable)
    async with opened_source(amqp_url, queue=odd) as source:
        assert source.redelivers


async def test_a_queue_with_a_single_active_consumer_keeps_that(
    amqp_url: str, channel: BlockingChannel, odd: str
) -> None:
    channel.queue_declare(odd, durable=True, arguments={"x-single-active-consumer": True})
    async with opened_source(amqp_url, queue=odd) as source, opened_source(amqp_url, queue=odd) as second:
        for number in range(200):
            channel.basic_publish("", odd, b"%d" % number)
        assert await worked_off(source, 200) == [b"%d" % number for number in range(200)]
        await nothing_more(second, 0.1)


async def test_a_stream_is_known_as_one(amqp_url: str, channel: BlockingChannel, odd: str, tmp_path: Path) -> None:
    channel.queue_declare(odd, durable=True, arguments={"x-queue-type": "stream"})
    with pytest.raises(RouteFault, match="is a stream"):
        await opened_source(amqp_url, queue=odd).__aenter__()
    table = f'[routes.a]\nfrom.amqp = {{ queue = {json.dumps(odd)} }}\nto.kafka = {{ topic = "t" }}\n'
    found = await look(tmp_path, configuration(amqp_url, NOBODY, table))
    assert told(found, "a.from.amqp")[1] == ("conflict", f"{odd} is a stream, which has no acknowledgements")


async def test_what_is_said_of_them_before_they_are_used(
    amqp_url: str, channel: BlockingChannel, odd: str, tmp_path: Path
) -> None:
    written = json.dumps(odd)
    table = f"""
[routes.a]
from.amqp = {{ queue = {written} }}
to.amqp = {{ exchange = {written}, exchange_type = "fanout", exchange_durable = true }}
[routes.b]
from.amqp = {{ exchange = {written}, exchange_type = "direct", binding_keys = [{written}] }}
to.amqp = {{ exchange = "", routing_key = {written} }}
"""
    toml = configuration(amqp_url, NOBODY, table)
    found = await look(tmp_path, toml)
    assert told(found, "a.from.amqp") == [("missing", f"there is no queue {odd}")]
    assert [verdict for verdict, _ in told(found, "a.to.amqp")] == ["created"]
    assert [verdict for verdict, _ in told(found, "b.from.amqp")] == ["created", "created"], "a makes it"
    assert [verdict for verdict, _ in told(found, "b.to.amqp")] == ["missing"]
    declare(channel, odd)
    found = await look(tmp_path, toml)
    assert told(found, "a.from.amqp") == [("ok", f"queue {odd} is there")]
    [(verdict, text)] = told(found, "a.to.amqp")
    assert verdict == "conflict"
    what = "an exchange of another type" if len(odd.encode()) > 150 else "a direct exchange"
    assert text == f"{odd} is {what}, and the route says fanout"
    assert told(found, "b.from.amqp")[0] == ("ok", f"exchange {odd} is there")
    assert told(found, "b.to.amqp") == [("ok", f"queue {odd} is there")]
