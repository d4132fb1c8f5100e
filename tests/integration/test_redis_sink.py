"""The Redis sink on real servers: what is written, where it goes, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from bridge.cli.demo.redis import Redis
from bridge.errors import RouteFault
from bridge.message import DELIVERED, Header, Message, Verdict
from tests.integration.redis_streams import (
    PATIENCE,
    Streams,
    add,
    append,
    bodies,
    counted,
    message,
    named,
    numbers,
    send,
    take,
    take_and_settle,
)


@pytest.fixture
def streams(redis_url: str, unique: str) -> Streams:
    return Streams(redis_url, unique)


@pytest.fixture
async def client(streams: Streams) -> AsyncIterator[Client]:
    async with streams.client() as client:
        yield client


@pytest.fixture(params=["redis_url", "redis_6_url", "valkey_url"])
async def any_server(request: pytest.FixtureRequest, unique: str) -> Streams:
    return Streams(await asyncio.to_thread(request.getfixturevalue, request.param), unique)


async def test_what_is_written_is_read_as_it_was(any_server: Streams) -> None:
    sent = Message(
        b"\x00\xff\r\n$1\r\n",
        "uid-1",
        "order.eu",
        "orders",
        b"\xff",
        {"content_type": "text/plain", "delivery_mode": 2, "timestamp": 1_700_000_000_123},
        (("größe", "i32", 7), ("a", "string", "x"), ("a", "void", None), ("raw", "bytes", b"\xfe")),
    )
    several = [sent, sent._replace(body=None, uid="uid-2"), sent._replace(body=b"", uid="uid-3", exchange=None)]
    async with any_server.sink() as sink:
        assert await send(sink, several) == [DELIVERED] * 3
    async with any_server.source() as source:
        found = [message(delivery) for delivery in await take_and_settle(source, 3)]
    came: list[Header] = [("amqp-exchange", "string", "orders"), ("amqp-routing-key", "string", "order.eu")]
    for each, was in zip(found, several, strict=True):
        more = [] if was.exchange is None else came
        assert each._replace(path="") == was._replace(
            address=any_server.name, exchange=None, headers=[*more, *was.headers]
        )


async def test_ten_thousand_arrive_once_and_in_order(any_server: Streams) -> None:
    messages = named(counted(0, 10_000))
    async with any_server.sink(messages=700) as sink:
        futures = []
        sent = 0
        async with asyncio.timeout(PATIENCE):
            while sent < len(messages):
                room = await sink.room()
                futures.append(await sink.send(messages[sent : sent + room]))
                sent += room
            assert {outcome for future in futures for outcome in await future} == {DELIVERED}
    async with any_server.source() as source:
        assert numbers(await take(source, 4000)) == list(range(4000))
    async with any_server.client() as client:
        assert await bodies(client, any_server.name) == counted(0, 10_000)


async def test_what_came_by_redis_goes_as_it_came(streams: Streams, client: Client) -> None:
    fields = {b"temperature": b"20.5", b"raw": b"\x00\xff", b"content-type": b"text/plain"}
    entry = await append(client, streams.name, fields)
    async with streams.source() as source, streams.sink(f"{streams.name}-copy") as sink:
        (delivery,) = await take_and_settle(source, 1)
        assert await send(sink, [message(delivery)]) == [DELIVERED]
    entries: Any = await client.xrange(f"{streams.name}-copy")
    ((_, copied),) = entries
    host = streams.url.removeprefix("redis://")
    place = f"redis:{host}/{streams.name}"
    ours = {b"fedbridge-uid": f"{place}/{entry}".encode(), b"fedbridge-path": f'["{place}"]'.encode()}
    assert copied == {**fields, **ours, b"amqp-timestamp": entry.partition("-")[0].encode()}


async def test_each_message_goes_where_its_template_leads(streams: Streams, client: Client) -> None:
    name = streams.name
    await client.set(f"{name}:hash", "a string")
    headers = [[("to", "string", to)] for to in ("eu", "hash", "größe", "\udcff", "\ud800", "us")]
    messages = [Message(b"%d" % number, f"u-{number}", headers=each) for number, each in enumerate(headers)]  # type: ignore[arg-type]
    async with streams.sink(f"{name}:{{header.to}}") as sink:
        outcomes = await send(sink, [*messages, Message(b"", "u-6")])
        assert await send(sink, messages[:1]) == [DELIVERED]
    told = [(number, outcome.verdict, outcome.reason) for number, outcome in enumerate(outcomes)]
    assert [number for number, verdict, _ in told if verdict is Verdict.DELIVERED] == [0, 2, 3, 5]
    assert told[1] == (1, Verdict.REJECTED, "wrong_type")
    assert told[4] == (4, Verdict.REJECTED, "unencodable")
    assert told[6] == (6, Verdict.REJECTED, "missing_field")
    assert "{header.to}" in outcomes[6].detail
    assert await bodies(client, f"{name}:eu") == [b"0", b"0"]
    for to, body in (("größe".encode(), b"2"), (b"\xff", b"3"), (b"us", b"5")):
        assert await bodies(client, f"{name}:".encode() + to) == [body]  # type: ignore[arg-type]
    assert await client.get(f"{name}:hash") == b"a string"


async def test_a_stream_without_a_name_is_refused(streams: Streams) -> None:
    async with streams.sink("{header.to:}") as sink:
        (outcome,) = await send(sink, named([b"x"]))
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, "bad_stream")


async def test_a_key_that_is_no_stream_is_a_fault_with_advice(streams: Streams, client: Client) -> None:
    await client.hset(streams.name, "a", "b")
    with pytest.raises(RouteFault, match=r"it is a hash.*name another one") as fault:
        async with streams.sink():
            pass
    assert fault.value.reason == "conflict"


async def test_a_stream_that_becomes_something_else_costs_no_message(streams: Streams, client: Client) -> None:
    outcomes = []
    with pytest.raises(RouteFault, match="WRONGTYPE") as fault:  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), streams.sink() as sink:
            assert await send(sink, named(counted(0, 5))) == [DELIVERED] * 5
            await client.rename(streams.name, f"{streams.name}-old")
            await client.set(streams.name, "a string")
            futures = [await sink.send(named(counted(5, 10))), await sink.send(named(counted(10, 15)))]
            outcomes = [outcome for future in futures for outcome in await future]
            await asyncio.Event().wait()
    assert fault.value.reason == "conflict"
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.HOLD, "wrong_type")}
    assert len(outcomes) == 10
    with pytest.raises(RouteFault):
        async with streams.sink():
            pass
    await client.delete(streams.name)
    async with streams.sink() as sink:
        assert await send(sink, named(counted(5, 15))) == [DELIVERED] * 10
    assert await bodies(client, streams.name) == counted(5, 15)


async def test_what_a_server_cannot_read_is_not_sent(own_redis: Redis, unique: str) -> None:
    streams = Streams(own_redis.url, unique)
    async with streams.client() as client:
        await client.config_set("proto-max-bulk-len", 1 << 20)
        async with streams.sink() as sink:
            fitting, large = b"x" * (1 << 20), b"x" * ((1 << 20) + 1)
            outcomes = await send(sink, named([b"1", large, fitting, b"2"]))
            assert [outcome.verdict for outcome in outcomes] == [
                Verdict.DELIVERED,
                Verdict.REJECTED,
                Verdict.DELIVERED,
                Verdict.DELIVERED,
            ]
            assert outcomes[1].reason == "too_large"
        assert await bodies(client, unique) == [b"1", fitting, b"2"]


async def test_a_stream_keeps_about_as_many_entries_as_it_is_told(streams: Streams, client: Client) -> None:
    async with streams.sink(max_length=1000) as sink:
        assert set(await send(sink, named(counted(0, 3000)))) == {DELIVERED}
    assert 1000 <= await client.xlen(streams.name) < 1300
    assert (await bodies(client, streams.name))[-1] == b"2999"


async def test_opening_a_sink_makes_nothing(streams: Streams, client: Client) -> None:
    async with streams.sink():
        assert not await client.exists(streams.name)
    await client.xgroup_create(streams.name, "group", "0", mkstream=True)
    async with streams.sink():
        assert await client.xlen(streams.name) == 0
    await add(client, streams.name, counted(0, 1))
    async with streams.sink():
        assert await client.xlen(streams.name) == 1
