"""Two bridges of one `instance`: a member's name is one bridge's, and who loses it to a living one lets it be."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

import pytest

from bridge.errors import RouteFault
from bridge.ports import Source
from connectors.kafka import Claim
from tests.conftest import MakeTopic
from tests.integration.kafka_source import (
    PATIENCE,
    Group,
    MakeGroup,
    counted,
    forget,
    numbers,
    publish,
    settle,
    take,
    take_and_settle,
    until,
)

CONFLICT = r'another bridge.* has taken the name test\..*\.one in group .*instance = "one".*instance of its own'


async def work(source: Source, seen: list[int]) -> None:
    """Receive and settle as a busy route does, until the source is lost."""
    while True:
        some = await source.receive(100)
        settle(source, some)
        seen += numbers(some)


@asynccontextmanager
async def load(bootstrap: str, topic: str) -> AsyncIterator[list[int]]:
    """Write numbers into a topic, all the while; gives the live list of those that Kafka has."""
    written: list[int] = []
    enough = asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            await publish(bootstrap, topic, counted(len(written), len(written) + 500))
            written.extend(range(len(written), len(written) + 500))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        try:
            yield written
        finally:
            enough.set()  # and no cancelling: aiokafka leaves a connection open that was being made


async def fails(read: Group, claim: Claim) -> None:
    """A bridge that has lost its name stays failed."""
    with pytest.raises(RouteFault, match=CONFLICT) as fault:
        async with asyncio.timeout(PATIENCE), read.member("one", claim=claim):
            pass
    assert fault.value.reason == "conflict"


async def test_under_load_the_second_of_a_name_takes_over_and_the_first_lets_it_be(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic()
    read, first, second = group(topics=[topic]), Claim(), Claim()
    seen: list[int] = []
    own: list[int] = []
    revoked: list[int] = []

    async def be_first(works: asyncio.Event) -> None:
        async with read.member("one", claim=first) as source:
            own.extend(numbers(await take_and_settle(source, 1)))
            works.set()
            await work(source, own)

    async def be_second(source: Source) -> None:
        source.on_revoked(lambda: revoked.append(len(seen)))
        await work(source, seen)

    async with load(kafka_bootstrap, topic) as written, asyncio.TaskGroup() as tasks:
        works = asyncio.Event()
        loser = tasks.create_task(_ended_by(be_first(works)))
        async with asyncio.timeout(PATIENCE):
            await works.wait()
        async with read.member("one", claim=second) as source:
            winner = tasks.create_task(be_second(source))
            async with asyncio.timeout(10):
                fault = await loser
            assert fault.reason == "conflict"
            await fails(read, first)
            await fails(read, first)
            goal = len(written) + 5000
            await until(lambda: seen and seen[-1] >= goal)
            winner.cancel()
            assert not revoked, "nobody takes the name from the second"
            assert seen == list(range(seen[0], seen[-1] + 1)), "nothing comes twice"
            assert seen[0] <= own[-1] + 1, "nothing is left out"
    await fails(read, first)  # it may be back any moment: the group keeps its place
    await forget(kafka_bootstrap, read.name)
    async with read.member("one", claim=first) as source:
        assert source.waiting is None, "the other is gone"
    assert not first.lost


async def _ended_by(work: Coroutine[object, object, None]) -> RouteFault:
    with pytest.raises(RouteFault, match=CONFLICT) as fault:
        await work
    return fault.value


async def test_an_idle_first_learns_of_the_second_by_its_heartbeat(kafka_topic: MakeTopic, group: MakeGroup) -> None:
    topic = await kafka_topic()
    read, first = group(topics=[topic]), Claim()
    with pytest.raises(RouteFault, match=CONFLICT) as fault:  # noqa: PT012 - it shows although nobody asks
        async with asyncio.timeout(PATIENCE), read.member("one", claim=first), read.member("one") as second:
            assert second.waiting is None
            await asyncio.Event().wait()
    assert fault.value.reason == "conflict"
    await fails(read, first)


async def test_a_new_process_takes_over_from_a_dead_one_at_once(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic()
    await publish(kafka_bootstrap, topic, counted(0, 20))
    read = group(topics=[topic])
    async with read.member("one") as killed:
        settle(killed, (await take(killed, 20))[:10])
        await killed.flush()
    async with asyncio.timeout(5), read.member("one") as again:  # a session is 45 s
        assert numbers(await take_and_settle(again, 10)) == list(range(10, 20))


async def test_a_member_that_the_group_has_forgotten_joins_again(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic()
    await publish(kafka_bootstrap, topic, counted(0, 10))
    read = group(topics=[topic])
    async with read.member("one") as source:
        assert numbers(await take_and_settle(source, 10)) == list(range(10))
        forgotten = asyncio.Event()
        source.on_revoked(forgotten.set)
        await forget(kafka_bootstrap, read.name)
        async with asyncio.timeout(PATIENCE):
            await forgotten.wait()
        await publish(kafka_bootstrap, topic, counted(10, 20))
        assert numbers(await take_and_settle(source, 10)) == list(range(10, 20))
