"""The Redis source on real servers: groups, pending entries, claims, several streams, entries of other producers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis as Client

from bridge.errors import Disconnected, RouteFault
from bridge.message import Undecodable
from tests.integration.redis_streams import (
    PATIENCE,
    Streams,
    add,
    append,
    counted,
    message,
    nothing_comes,
    numbers,
    pending,
    settle,
    take,
    take_and_settle,
    until,
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


async def test_what_was_not_settled_comes_first_and_what_was_trimmed_is_counted(any_server: Streams) -> None:
    name, missed = any_server.name, list[tuple[str, int]]()
    async with any_server.client() as client:
        ids = await add(client, name, counted(0, 50))
        async with any_server.source() as source:
            first = await take(source, 50)
            assert numbers(first) == list(range(50))
            assert not any(delivery.redelivered for delivery in first)
            settle(source, first[:10])
            settle(source, first[20:30])
            await source.flush()
        await add(client, name, counted(50, 60))
        await client.xdel(name, *ids[12:15], ids[45])
        await client.xtrim(name, maxlen=60 - 4 - 11, approximate=False)  # the first 11: of them only number 10 is open
        async with any_server.source() as source:
            second = await take(source, 35)
            source.on_missed(lambda reason, count: missed.append((reason, count)))
            gone = {10, *range(12, 15), 45}
            left = [number for number in [*range(10, 20), *range(30, 50)] if number not in gone]
            assert numbers(second) == [*left, *range(50, 60)]
            assert all(delivery.redelivered for delivery in second[: len(left)])
            assert missed == [("trimmed", 5)]
            settle(source, second)
            settle(source, second)  # twice is harmless
            await source.flush()
            assert await pending(client, name) == 0, "entries that are gone too"
            await until(lambda: source.lag == 0)


async def test_entries_of_a_consumer_that_is_gone_are_taken_over(any_server: Streams) -> None:
    name, missed = any_server.name, list[tuple[str, int]]()
    async with any_server.client() as client:
        ids = await add(client, name, counted(0, 20))
        await client.xgroup_create(name, "group", "0")
        await client.xreadgroup("group", "gone", {name: ">"}, count=15)
        await client.xdel(name, ids[3], ids[4])
        async with any_server.source(claim_idle="1s") as source:
            source.on_missed(lambda reason, count: missed.append((reason, count)))
            assert numbers(await take(source, 5)) == list(range(15, 20)), "the others are not idle yet"
            claimed = await take(source, 13)
            assert numbers(claimed) == [0, 1, 2, *range(5, 15)]
            assert all(delivery.redelivered for delivery in claimed)
            await until(lambda: missed == [("trimmed", 2)])
            await asyncio.sleep(2.5)  # longer than claim_idle: it keeps what it has
            details: Any = await client.xpending_range(name, "group", "-", "+", 100)
            assert {(detail["consumer"], detail["time_since_delivered"] < 1000) for detail in details} == {
                (b"one", True)
            }
            settle(source, claimed)
            await source.flush()
            assert await pending(client, name) == 5


async def test_what_is_long_in_hand_is_not_taken_by_another_of_our_sources(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 30))
    async with AsyncExitStack() as both:
        slow = await both.enter_async_context(streams.source("slow", claim_idle="3s"))
        in_hand = await take(slow, 30)
        other = await both.enter_async_context(streams.source("other", claim_idle="2200ms"))  # sooner than slow itself
        assert await nothing_comes(other, 4.5)
        settle(slow, in_hand)
        await slow.flush()
        assert await nothing_comes(other, 0.1)
    assert await pending(client, streams.name) == 0


async def test_what_a_full_window_leaves_is_taken_over_when_there_is_room(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 30))
    await client.xgroup_create(streams.name, "group", "0")
    await client.xreadgroup("group", "gone", {streams.name: ">"}, count=20)
    async with streams.source(messages=10, claim_idle="1s") as source:
        found = await take(source, 10)
        assert await nothing_comes(source, 1.5)
        details: Any = await client.xpending(streams.name, "group")
        assert {each["name"]: each["pending"] for each in details["consumers"]} == {b"gone": 20, b"one": 10}
        while len(found) < 30:
            settle(source, found)
            found += await take(source, 1)
        settle(source, found)
        await source.flush()
    assert sorted(numbers(found)) == list(range(30)), "each once"


async def test_a_lost_connection_brings_everything_back_in_order(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 100))
    with pytest.raises(Disconnected):  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), streams.source() as source:
            found = await take(source, 100)
            settle(source, found[50:])
            await source.flush()
            for each in await client.client_list():
                if streams.name in each["name"] and "acks" not in each["name"]:
                    await client.client_kill(each["addr"])
            await asyncio.Event().wait()
    with pytest.raises(Disconnected):
        await source.receive(1)
    await add(client, streams.name, counted(100, 110))
    async with streams.source() as source:
        assert numbers(await take_and_settle(source, 60)) == [*range(50), *range(100, 110)]


@pytest.mark.parametrize(("start", "expected"), [("0", [0, 1, 2, 3]), ("$", [3]), ("5-1", [2, 3])])
async def test_a_new_group_begins_where_it_is_told(
    streams: Streams, client: Client, start: str, expected: list[int]
) -> None:
    for number, entry in enumerate(["5-0", "5-1", "5-2"]):
        await client.xadd(streams.name, {"body": b"%d" % number}, entry)
    async with streams.source(start=start) as source:
        await client.xadd(streams.name, {"body": b"3"})
        assert numbers(await take_and_settle(source, len(expected))) == expected
    async with streams.source(start="0") as source:
        assert await nothing_comes(source, 0.2), "a group that is there is not moved"


async def test_a_stream_that_is_not_there_is_made(streams: Streams, client: Client) -> None:
    async with streams.source(start="$") as source:
        assert source.waiting is None
        assert await client.type(streams.name) == b"stream"
        await add(client, streams.name, counted(0, 3))
        assert numbers(await take_and_settle(source, 3)) == [0, 1, 2]


async def test_several_streams_are_read_each_in_its_order(streams: Streams, client: Client) -> None:
    names = [f"{streams.name}-{letter}" for letter in "abc"]
    for name in names:
        await add(client, name, counted(0, 100))
    found: dict[str, list[int]] = {name: [] for name in names}
    async with streams.source(streams=names, messages=50) as source:
        for _ in range(2):  # the second time an opening finds entries pending
            while sum(map(len, found.values())) < 150:
                batch = await take(source, 1)
                for delivery in batch:
                    found[message(delivery).address] += numbers([delivery])
                settle(source, batch)
        await source.flush()
    async with streams.source(streams=names) as source:
        while sum(map(len, found.values())) < 300:
            batch = await take(source, 1)
            for delivery in batch:
                found[message(delivery).address] += numbers([delivery])
            settle(source, batch)
        await source.flush()
    assert found == {name: list(range(100)) for name in names}


async def test_more_streams_than_the_window_has_room_take_turns(streams: Streams, client: Client) -> None:
    names = [f"{streams.name}-{letter}" for letter in "abc"]
    async with streams.source(streams=names, messages=1) as source:
        for number in range(2):
            for name in names:
                await add(client, name, counted(number, number + 1))
                (delivery,) = await take_and_settle(source, 1)
                assert (message(delivery).address, numbers([delivery])) == (name, [number])


async def test_the_window_bounds_what_is_read_ahead(streams: Streams, client: Client) -> None:
    await add(client, streams.name, [b"x" * 10_000] * 200)
    async with streams.source(size=200_000) as source:
        await until(lambda: source.lag is not None)
        first = await take(source, 1)
        await asyncio.sleep(0.3)
        details: Any = await client.xinfo_groups(streams.name)
        assert 20 <= details[0]["pending"] <= 84, "64 entries at first, while nobody knows how large they are"
        settle(source, first)
        while len(first) < 200:
            batch = await take(source, 1)
            assert len(batch) <= 64
            settle(source, batch)
            first += batch
        await source.flush()


async def test_entries_of_other_producers_are_messages_by_the_policy(streams: Streams, client: Client) -> None:
    fields = {b"temperature": b"20.5", b"raw": b"\x00\xff", b"\xfe": b"binary name"}
    entry = await append(client, streams.name, fields)
    host = streams.url.removeprefix("redis://")
    found = {}
    for policy in ("json", "empty", "dead_letter"):
        async with streams.source(group=policy, no_body=policy) as source:
            (delivery,) = await take_and_settle(source, 1)
            found[policy] = delivery.message
        details: Any = await client.xpending(streams.name, policy)
        assert details["pending"] == 0, "none is left pending"
    json, empty, dead = found.values()
    assert not isinstance(json, Undecodable)
    assert json.body == b'{"temperature":"20.5","raw":"AP8=","_g==":"binary name"}'
    assert json.uid == f"redis:{host}/{streams.name}/{entry}"
    assert json.properties == {"content_type": "application/json", "timestamp": int(entry.split("-")[0])}
    assert not isinstance(empty, Undecodable)
    assert empty.body == b""
    assert list(empty.headers) == [
        ("temperature", "string", "20.5"),
        ("raw", "bytes", b"\x00\xff"),
        ("\udcfe", "string", "binary name"),
    ]
    assert isinstance(dead, Undecodable)
    assert dead.reason == "no_body"


async def test_a_key_that_is_no_stream_is_a_fault_with_advice(streams: Streams, client: Client) -> None:
    await client.set(streams.name, "a string")
    with pytest.raises(RouteFault, match="the key is no stream") as fault:
        async with streams.source():
            pass
    assert fault.value.reason == "conflict"


async def test_the_lag_is_what_is_unread_or_unacknowledged(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 100))
    async with streams.source(messages=10) as source:
        found = await take(source, 10)
        await until(lambda: source.lag == 100)
        settle(source, found)
        found = await take(source, 10)
        await until(lambda: source.lag == 90)


async def test_another_opening_settles_nothing_of_this_one(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 10))
    async with streams.source() as source:
        stale = await take(source, 10)
    async with streams.source() as source:
        await take(source, 10)
        settle(source, stale)
        source.settle([None, 7, object()])
        await source.flush()
    assert await pending(client, streams.name) == 10


async def test_a_group_that_somebody_sets_back_gives_nothing_twice_that_is_in_hand(
    streams: Streams, client: Client
) -> None:
    await add(client, streams.name, counted(0, 10))
    async with streams.source() as source:
        in_hand = await take(source, 10)
        settle(source, in_hand[:5])
        await source.flush()
        await client.xgroup_setid(streams.name, "group", "0")
        await add(client, streams.name, counted(10, 12))
        again = await take(source, 7)
        assert numbers(again) == [*range(5), 10, 11]
        settle(source, [*in_hand, *again])
        await source.flush()
        assert await pending(client, streams.name) == 0


async def test_the_consumer_and_the_group_have_names_that_stay(streams: Streams, client: Client) -> None:
    await add(client, streams.name, counted(0, 1))
    async with streams.source("node-1", group=None) as source:
        await take(source, 1)
        (group,) = await client.xinfo_groups(streams.name)
        (consumer,) = await client.xinfo_consumers(streams.name, group["name"])
        assert (group["name"], consumer["name"]) == (f"fedbridge.test.{streams.name}".encode(), b"node-1")
    async with streams.source("node-2", consumer="mine", group="other") as source:
        await take(source, 1)
        assert [each["name"] for each in await client.xinfo_consumers(streams.name, "other")] == [b"mine"]
