"""What may happen to the Redis connector: deletions, refusals, missing rights, lost replies, servers that die."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis as Client

from bridge.cli.demo.redis import Redis
from bridge.errors import Disconnected, RouteFault
from bridge.message import DELIVERED, Outcome, Verdict
from bridge.ports import Source
from connectors.redis import Past
from tests.integration.redis_streams import (
    PATIENCE,
    Streams,
    add,
    bodies,
    counted,
    named,
    numbers,
    pending,
    send,
    settle,
    take,
    take_and_settle,
    until,
)
from tests.proxy import swallowing


@pytest.fixture
def streams(redis_url: str, unique: str) -> Streams:
    return Streams(redis_url, unique)


@pytest.fixture
async def client(streams: Streams) -> AsyncIterator[Client]:
    async with streams.client() as client:
        yield client


@pytest.fixture
def own(own_redis: Redis, unique: str) -> Streams:
    """At a server of the test's own."""
    return Streams(own_redis.url, unique)


@pytest.fixture
async def owner(own: Streams) -> AsyncIterator[Client]:
    async with own.client() as client:
        yield client


@pytest.fixture(params=["redis_url", "redis_6_url", "valkey_url"])
async def any_server(request: pytest.FixtureRequest, unique: str) -> Streams:
    return Streams(await asyncio.to_thread(request.getfixturevalue, request.param), unique)


def listen(source: Source) -> list[tuple[str, int]]:
    """Give the live list of what the source tells of entries that it missed."""
    missed: list[tuple[str, int]] = []
    source.on_missed(lambda reason, count: missed.append((reason, count)))
    return missed


@pytest.mark.parametrize("what", ["DEL", "XGROUP DESTROY", "FLUSHDB", "RENAME"])
async def test_a_stream_or_group_that_goes_while_nobody_writes_is_made_again(any_server: Streams, what: str) -> None:
    name = any_server.name
    url = any_server.url.removesuffix("/0") + "/7"  # a database that may be flushed
    streams = any_server._replace(url=url)
    commands: dict[str, Callable[[Client], Awaitable[Any]]] = {
        "DEL": lambda client: client.delete(name),
        "XGROUP DESTROY": lambda client: client.xgroup_destroy(name, "group"),
        "FLUSHDB": lambda client: client.flushdb(),
        "RENAME": lambda client: client.rename(name, f"{name}-away"),
    }
    async with streams.client() as client, streams.source(messages=25) as source:
        missed = listen(source)
        await add(client, name, counted(0, 10))
        await take_and_settle(source, 10)
        await add(client, name, counted(10, 15))
        in_hand = await take(source, 5)
        await commands[what](client)  # while the source is blocked in a read
        await until(lambda: missed == [("group_lost", 1)])
        again = list(range(15)) if what == "XGROUP DESTROY" else []
        settle(source, in_hand)  # of the group that was: that only makes room
        await source.flush()
        await add(client, name, counted(20, 30))
        fresh = await take(source, len(again) + 10)  # as much as the window holds
        assert numbers(fresh) == [*again, *range(20, 30)], "from the beginning: nothing is passed over"
        assert await pending(client, name) == len(fresh)
        settle(source, fresh)
        await source.flush()
        assert await pending(client, name) == 0
        assert missed == [("group_lost", 1)]


async def test_one_of_several_streams_that_goes_costs_the_others_nothing(streams: Streams, client: Client) -> None:
    names = [streams.name, f"{streams.name}-2"]
    async with streams.source(streams=names) as source:
        missed = listen(source)
        for name in names:
            await add(client, name, counted(0, 5))
        await take_and_settle(source, 10)
        await client.delete(names[0])
        await until(lambda: missed == [("group_lost", 1)])
        for name in names:
            await add(client, name, counted(5, 10))
        assert sorted(numbers(await take_and_settle(source, 10))) == sorted([*range(5, 10)] * 2)


async def test_a_stream_that_becomes_something_else_is_a_fault(streams: Streams, client: Client) -> None:
    with pytest.raises(RouteFault, match="WRONGTYPE") as fault:  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), streams.source():
            await client.set(streams.name, "a string")
            await asyncio.Event().wait()
    assert fault.value.reason == "conflict"


LOGINS: list[tuple[dict[str, str], str, str]] = [
    ({"username": "reader", "password": "wrong"}, "authentication", "change username and password"),
    ({}, "authentication", "state username and password"),
    ({"username": "reader", "password": "sesame"}, "forbidden", "grant the user"),
]


@pytest.mark.parametrize(("login", "reason", "advice"), LOGINS)
@pytest.mark.parametrize("end", ["source", "sink"])
async def test_a_login_that_does_not_do_is_a_fault_with_advice(
    own: Streams, owner: Client, login: dict[str, str], reason: str, advice: str, end: str
) -> None:
    await owner.execute_command("ACL", "SETUSER", "reader", "on", ">sesame", "~other", "+@all")  # type: ignore[no-untyped-call]
    await owner.config_set("requirepass", "secret")
    with pytest.raises(RouteFault, match=advice) as fault:
        async with own.source(broker=login) if end == "source" else own.sink(broker=login):
            pass
    assert fault.value.reason == reason
    assert "sesame" not in str(fault.value)


async def test_a_login_that_nobody_asked_for_is_a_fault_with_advice(streams: Streams) -> None:
    with pytest.raises(RouteFault, match="remove username and password") as fault:
        async with streams.sink(broker={"password": "secret"}):
            pass
    assert fault.value.reason == "authentication"
    assert "secret" not in str(fault.value)


async def test_a_database_that_is_not_there_is_a_fault_with_advice(streams: Streams) -> None:
    away = streams._replace(url=streams.url.removesuffix("/0") + "/9999")
    with pytest.raises(RouteFault, match="number of the database") as fault:
        async with away.source():
            pass
    assert fault.value.reason == "missing"


async def test_few_rights_are_enough(own: Streams, owner: Client, unique: str) -> None:
    rights = ["~" + unique, "+xreadgroup", "+xack", "+xclaim", "+xautoclaim", "+xgroup|create", "+xadd"]
    await owner.execute_command("ACL", "SETUSER", "least", "on", ">sesame", *rights)  # type: ignore[no-untyped-call]
    login = {"username": "least", "password": "sesame"}
    async with own.sink(broker=login) as sink, own.source(broker=login, claim_idle="300ms") as source:
        assert await send(sink, named(counted(0, 5))) == [DELIVERED] * 5
        assert numbers(await take_and_settle(source, 5)) == list(range(5))
        await asyncio.sleep(0.5)
        assert source.lag is None
    await owner.execute_command("ACL", "SETUSER", "least", "-xgroup")  # type: ignore[no-untyped-call]
    async with own.source(broker=login):
        pass  # the group is there


async def test_a_right_for_some_streams_is_about_their_messages_alone(own: Streams, owner: Client) -> None:
    await owner.execute_command("ACL", "SETUSER", "some", "on", ">sesame", f"~{own.name}-a", "+xadd")  # type: ignore[no-untyped-call]
    login = {"username": "some", "password": "sesame"}
    messages = [
        message._replace(headers=[("to", "string", to)])
        for message, to in zip(named(counted(0, 4)), "abab", strict=True)
    ]
    async with own.sink(f"{own.name}-{{header.to}}", broker=login) as sink:
        outcomes = await send(sink, messages)
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [
        (Verdict.DELIVERED, ""),
        (Verdict.REJECTED, "forbidden"),
    ] * 2
    assert await bodies(owner, f"{own.name}-a") == [b"0", b"2"]


async def test_a_right_that_is_taken_away_costs_no_message(own: Streams, owner: Client) -> None:
    await owner.execute_command("ACL", "SETUSER", "some", "on", ">sesame", f"~{own.name}", "+xadd", "+xreadgroup")  # type: ignore[no-untyped-call]
    login = {"username": "some", "password": "sesame"}
    outcomes: Sequence[Outcome] = []
    with pytest.raises(RouteFault, match="grant the user") as fault:  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), own.sink(broker=login) as sink:
            await owner.execute_command("ACL", "SETUSER", "some", "-xadd")  # type: ignore[no-untyped-call]
            outcomes = await send(sink, named(counted(0, 4)))
            await asyncio.Event().wait()
    assert fault.value.reason == "forbidden"
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.HOLD, "forbidden")}


async def test_a_server_without_memory_is_waited_for_without_duplicates(own: Streams, owner: Client) -> None:
    messages = named([b"%06d" % number + b"." * 5000 for number in range(400)])
    async with own.sink() as sink, own.source() as source:
        used = int((await owner.info("memory"))["used_memory"])
        await owner.config_set("maxmemory", used + 500_000)
        outcomes = await send(sink, messages)
        told = {(outcome.verdict, outcome.reason) for outcome in outcomes}
        assert told == {(Verdict.DELIVERED, ""), (Verdict.HOLD, "out_of_memory")}
        held = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is not DELIVERED]
        taken = len(messages) - len(held)
        assert len(await take_and_settle(source, taken)) == taken, "what is there may be read"
        assert {outcome.reason for outcome in await send(sink, held[:10])} == {"out_of_memory"}
        await owner.config_set("maxmemory", 0)
        assert await send(sink, held) == [DELIVERED] * len(held)
        kept = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is DELIVERED]
        found = await bodies(owner, own.name)
        assert found == [message.body for message in [*kept, *held]], "in the order of sending, each once"


async def test_a_replica_is_waited_for_without_duplicates(own: Streams, owner: Client) -> None:
    async with own.sink() as sink:
        assert await send(sink, named(counted(0, 10))) == [DELIVERED] * 10
        await owner.replicaof("127.0.0.1", "1")  # of nobody
        outcomes = await send(sink, named(counted(10, 20)))
        assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.HOLD, "read_only")}
        await owner.replicaof("NO", "ONE")
        assert await send(sink, named(counted(10, 20))) == [DELIVERED] * 10
    assert await bodies(owner, own.name) == counted(0, 20)


async def test_what_a_server_does_not_do_now_it_is_asked_again(own: Streams, owner: Client) -> None:
    await add(owner, own.name, counted(0, 10))
    async with own.source() as source:
        found = await take(source, 10)
        await owner.config_set("min-replicas-to-write", 1)  # it has none
        settle(source, found)
        await until(lambda: source.waiting is not None)
        assert "NOREPLICAS" in str(source.waiting)
        assert await pending(owner, own.name) == 10
        await owner.config_set("min-replicas-to-write", 0)
        await source.flush()
        assert await pending(owner, own.name) == 0
        await add(owner, own.name, counted(10, 20))
        assert numbers(await take_and_settle(source, 10)) == list(range(10, 20))
        await until(lambda: source.waiting is None)


@pytest.mark.parametrize("end", ["source", "sink"])
async def test_a_replica_does_not_open_a_source_and_takes_nothing(own: Streams, owner: Client, end: str) -> None:
    await owner.replicaof("127.0.0.1", "1")
    if end == "source":
        with pytest.raises(Disconnected, match="READONLY"):
            async with own.source():
                pass
    else:
        async with own.sink() as sink:
            assert [outcome.reason for outcome in await send(sink, named([b"1"]))] == ["read_only"]


async def test_replies_that_are_lost_leave_unknown_outcomes_and_one_entry_each(
    streams: Streams, client: Client
) -> None:
    outcomes: Sequence[Outcome] = []
    with swallowing(streams.url) as proxy:
        behind = streams._replace(url=proxy.url)
        with pytest.raises(Disconnected, match="no reply") as loss:  # noqa: PT012 - it shows although nobody asks
            async with asyncio.timeout(PATIENCE), behind.sink(broker={"broker_timeout": "500ms"}) as sink:
                assert await send(sink, named(counted(0, 5))) == [DELIVERED] * 5
                proxy.swallow()
                outcomes = await send(sink, named(counted(5, 10)))
                await asyncio.Event().wait()
    assert loss.value.reason == "timeout"
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [(Verdict.UNKNOWN, "timeout")] * 5
    assert proxy.said > 0
    assert await bodies(client, streams.name) == counted(0, 10), "no library has sent anything again (X1)"


async def test_a_read_whose_reply_is_lost_skips_nothing(streams: Streams, client: Client) -> None:
    with swallowing(streams.url) as proxy:
        behind = streams._replace(url=proxy.url)
        with pytest.raises(Disconnected):  # noqa: PT012 - it shows although nobody asks
            async with asyncio.timeout(PATIENCE), behind.source(broker={"broker_timeout": "1s"}) as source:
                await add(client, streams.name, counted(0, 10))
                await take_and_settle(source, 10)
                proxy.swallow()
                await add(client, streams.name, counted(10, 20))
                await asyncio.Event().wait()
        proxy.stop()
        assert await pending(client, streams.name) == 10, "the server has given them (X2)"
        await add(client, streams.name, counted(20, 30))
        async with behind.source() as source:
            assert numbers(await take_and_settle(source, 20)) == list(range(10, 30))


async def test_a_server_that_freezes_is_lost_in_time(own_redis: Redis, own: Streams) -> None:
    (process,) = own_redis.processes
    outcomes: Sequence[Outcome] = []
    impatient = {"broker_timeout": "500ms"}
    try:
        with pytest.raises(Disconnected):  # noqa: PT012 - it shows although nobody asks
            async with asyncio.timeout(PATIENCE), own.sink(broker=impatient) as sink:
                process.signal(signal.SIGSTOP)
                outcomes = await send(sink, named(counted(0, 3)))
        assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN] * 3
        with pytest.raises(Disconnected):
            async with asyncio.timeout(PATIENCE), own.sink(broker={"connect_timeout": "300ms"}):
                pass
    finally:
        process.signal(signal.SIGCONT)
    for open_ in (own.sink, own.source):
        try:
            with pytest.raises(Disconnected):  # noqa: PT012
                async with asyncio.timeout(PATIENCE), open_(broker=impatient):
                    process.signal(signal.SIGSTOP)
                    await asyncio.Event().wait()  # it asks now and then, although there is nothing to do
        finally:
            process.signal(signal.SIGCONT)


async def test_a_server_that_dies_loses_nothing_that_it_confirmed(own_redis: Redis, own: Streams) -> None:
    outcomes: list[Outcome] = []
    messages = named(counted(0, 40_000))
    with pytest.raises(Disconnected):  # noqa: PT012 - in the middle of sending
        async with asyncio.timeout(PATIENCE), own.sink(messages=500) as sink:
            sent = 0
            while sent < len(messages):
                room = await sink.room()
                future = await sink.send(messages[sent : sent + room])
                future.add_done_callback(lambda done: outcomes.extend(done.result()))
                sent += room
                if sent == 10_000:
                    own_redis.kill()
    assert len(outcomes) == sent
    confirmed = outcomes.count(DELIVERED)
    assert 0 < confirmed < sent
    await asyncio.to_thread(own_redis.start)
    async with own.client() as client:
        found = await bodies(client, own.name)
    assert confirmed <= len(found) <= sent
    assert found == counted(0, len(found))


async def test_a_source_whose_server_dies_goes_on_where_it_was(own_redis: Redis, own: Streams) -> None:
    async with own.client() as client:
        await add(client, own.name, counted(0, 100))
    with pytest.raises(Disconnected):  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), own.source() as source:
            found = await take(source, 100)
            settle(source, found[:30])
            settle(source, found[60:])
            await source.flush()
            async with own.client() as client:
                await add(client, own.name, counted(100, 105))
            await until(lambda: source.lag == 35)
            own_redis.kill()
            await asyncio.Event().wait()
    with pytest.raises(Disconnected):
        await source.receive(1)  # of what was read ahead nothing, since it comes again
    with pytest.raises(Disconnected) as refused:
        async with own.source():
            pass
    assert refused.value.reason == "refused"
    await asyncio.to_thread(own_redis.start)
    async with own.client() as client:
        await add(client, own.name, counted(105, 110))
        async with own.source() as source:
            assert numbers(await take_and_settle(source, 40)) == [*range(30, 60), *range(100, 110)]
        assert await pending(client, own.name) == 0


@pytest.mark.parametrize("start", ["0", "$"])
async def test_a_group_that_is_lost_with_the_connection_is_made_again_as_one_lost_within_it(
    own_redis: Redis, own: Streams, start: str
) -> None:
    past = Past()
    table: dict[str, Any] = {"streams": [own.name, f"{own.name}-2"], "start": start}
    with pytest.raises(Disconnected):  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), own.source(past=past, **table) as source:
            async with own.client() as client:
                await add(client, own.name, counted(0, 10))
            await take_and_settle(source, 10)
            await until(lambda: source.lag == 0)
            own_redis.kill()
            await asyncio.Event().wait()
    shutil.rmtree(own_redis.data)  # as without persistence, or on another server after a failover
    own_redis.data.mkdir()
    await asyncio.to_thread(own_redis.start)
    async with own.client() as client:
        await client.xgroup_create(f"{own.name}-2", "group", "0", mkstream=True)
        await add(client, own.name, counted(10, 15))
        with structlog.testing.capture_logs() as told:
            async with own.source(past=past, **table):
                pass  # lost again before anybody listens
        assert [(line["log_level"], line["stream"], line["group"]) for line in told] == [("warning", own.name, "group")]
        with structlog.testing.capture_logs() as told:
            async with own.source(past=past, **table) as source:
                assert listen(source) == [("group_lost", 1)], "of the stream that had lost its group"
                assert numbers(await take_and_settle(source, 5)) == list(range(10, 15)), "nothing is passed over"
            async with own.source(past=past, **table) as source:
                assert listen(source) == [], "it is told once"
        assert told == []


async def test_a_group_that_was_never_there_begins_where_the_route_says(streams: Streams, client: Client) -> None:
    past = Past()
    await add(client, streams.name, counted(0, 5))
    async with streams.source(past=past, streams=[streams.name], start="$"):
        pass
    await client.delete(streams.name)
    await add(client, streams.name, counted(5, 10))
    await add(client, f"{streams.name}-2", counted(0, 5))
    names = [streams.name, f"{streams.name}-2"]
    async with streams.source(past=past, streams=names, start="$") as source:
        assert listen(source) == [("group_lost", 1)]
        await add(client, names[1], counted(50, 55))
        assert sorted(numbers(await take_and_settle(source, 10))) == [*range(5, 10), *range(50, 55)]


async def test_the_next_url_is_tried(streams: Streams) -> None:
    urls = ["redis://127.0.0.1:1/0", streams.url]
    async with streams.sink(broker={"url": urls}) as sink, streams.source(broker={"url": urls}) as source:
        assert await send(sink, named([b"1"])) == [DELIVERED]
        assert numbers(await take_and_settle(source, 1)) == [1]


@pytest.mark.parametrize("login", [{}, {"username": "default", "password": "any"}])
async def test_a_server_with_too_many_clients_is_lost_for_now(
    own: Streams, owner: Client, login: dict[str, str]
) -> None:
    await owner.config_set("maxclients", 1)
    with pytest.raises(Disconnected, match="max number of clients"):
        async with own.sink(broker=login):
            pass


async def test_what_is_no_redis_is_a_lost_connection(unique: str) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        streams = Streams(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", unique)
        for open_ in (streams.sink, streams.source):
            with pytest.raises(Disconnected, match="what is no reply of a Redis"):
                async with open_():
                    pass
