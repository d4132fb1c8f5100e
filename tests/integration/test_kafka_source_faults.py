"""What may happen to a Kafka source: rebalances, other members, brokers that freeze, missing rights."""

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from bridge.cli.demo.kafka import Kafka
from bridge.errors import Disconnected, RouteFault
from tests.conftest import MakeTopic
from tests.integration.kafka_source import (
    PATIENCE,
    Group,
    MakeGroup,
    counted,
    create,
    numbers,
    publish,
    settle,
    take,
    take_and_settle,
    until,
)
from tests.rights import TOPIC, check_rights, forbid


async def test_a_rebalance_drains_and_doubles_nothing_that_was_settled_in_time(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(2)
    for partition in (0, 1):
        await publish(kafka_bootstrap, topic, counted(partition * 100, partition * 100 + 50), partition)
    async with AsyncExitStack() as members:
        one = await members.enter_async_context(group(topics=[topic]).member("one"))
        revoked: list[str] = []
        one.on_revoked(lambda: revoked.append("one"))
        in_hand = await take(one, 100)

        async def settle_when_asked() -> None:
            await until(lambda: one.waiting is not None)  # it hands out nothing more, and waits
            assert not revoked
            settle(one, in_hand)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(settle_when_asked())
            two = await members.enter_async_context(group(topics=[topic]).member("two"))
        await until(lambda: one.waiting is None and two.waiting is None)
        assert revoked == ["one"]
        for partition in (0, 1):
            await publish(kafka_bootstrap, topic, counted(partition * 100 + 50, partition * 100 + 60), partition)
        shares = numbers(await take_and_settle(one, 10)), numbers(await take_and_settle(two, 10))
    assert sorted(shares) == [list(range(50, 60)), list(range(150, 160))], "each has one partition, and nothing twice"


async def test_what_is_not_settled_when_a_rebalance_has_waited_comes_again(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(2)
    for partition in (0, 1):
        await publish(kafka_bootstrap, topic, counted(partition * 100, partition * 100 + 50), partition)
    async with AsyncExitStack() as members:
        one = await members.enter_async_context(group(topics=[topic]).member("one", drain=0.2))
        revoked = asyncio.Event()
        one.on_revoked(revoked.set)
        in_hand = await take(one, 100)
        zero = [delivery for delivery in in_hand if numbers([delivery])[0] < 100]
        settle(one, zero[:20])
        two = await members.enter_async_context(group(topics=[topic]).member("two"))
        async with asyncio.timeout(PATIENCE):
            await revoked.wait()
        settle(one, in_hand)  # too late: of an old epoch
        await until(lambda: one.waiting is None and two.waiting is None)
        again = numbers(await take_and_settle(one, 30)) + numbers(await take_and_settle(two, 30))
    assert sorted(again) == [*range(20, 50), *range(100, 150)]


async def test_a_member_that_comes_back_disturbs_no_other_and_resumes_at_once(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(2)
    async with group(topics=[topic]).member("one") as one:
        async with group(topics=[topic]).member("two") as two:
            await until(lambda: one.waiting is None and two.waiting is None)
        revoked: list[str] = []
        one.on_revoked(lambda: revoked.append("one"))
        async with group(topics=[topic]).member("two") as two:
            assert two.waiting is None
            for partition in (0, 1):
                await publish(kafka_bootstrap, topic, counted(partition * 100, partition * 100 + 10), partition)
            shares = numbers(await take_and_settle(one, 10)), numbers(await take_and_settle(two, 10))
        assert not revoked, "a static member's return is no rebalance"
    assert sorted(shares) == [list(range(10)), list(range(100, 110))]


async def test_a_broker_that_freezes_is_lost_in_time(own_kafka: Kafka, unique: str) -> None:
    await create(own_kafka.bootstrap, unique)
    await publish(own_kafka.bootstrap, unique, counted(0, 5), 0)
    read = Group(own_kafka.url, unique, {"topics": [unique]})
    (process,) = own_kafka.processes
    try:
        with pytest.raises(Disconnected, match=r"no answer|no broker"):  # noqa: PT012 - it shows in the body
            async with asyncio.timeout(PATIENCE), read.member(timeout="1s") as source:
                assert numbers(await take(source, 5)) == list(range(5))
                process.signal(signal.SIGSTOP)
                await source.receive(1)
    finally:
        process.signal(signal.SIGCONT)
    async with read.member() as source:
        assert numbers(await take(source, 5)) == list(range(5))


async def test_a_topic_without_rights_is_named_with_the_right_that_is_missing(own_kafka: Kafka, unique: str) -> None:
    await create(own_kafka.bootstrap, unique)
    await asyncio.to_thread(check_rights, own_kafka)
    await forbid(own_kafka, TOPIC, unique)
    with pytest.raises(RouteFault, match=rf"{unique}.*Read") as fault:
        async with Group(own_kafka.url, unique, {"topics": [unique]}).member():
            pass
    assert fault.value.reason == "forbidden"


async def test_a_full_window_stays_a_member_and_takes_part_in_a_rebalance(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(2)
    for partition in (0, 1):
        await publish(kafka_bootstrap, topic, counted(partition * 100, partition * 100 + 50), partition)
    async with AsyncExitStack() as members, asyncio.TaskGroup() as tasks:
        one = await members.enter_async_context(group(topics=[topic]).member("one", messages=10, drain=0.5))
        revoked = asyncio.Event()
        one.on_revoked(revoked.set)
        held = await take(one, 10)
        waiting = tasks.create_task(one.receive(10))
        await until(lambda: one.lag == 100)
        await publish(kafka_bootstrap, topic, counted(150, 160), 1)
        await until(lambda: one.lag == 110)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):  # longer than a heartbeat's interval
                await revoked.wait()
        assert not waiting.done(), "the window is full"
        two = await members.enter_async_context(group(topics=[topic]).member("two", drain=0.5))
        await until(lambda: one.waiting is None and two.waiting is None)
        assert revoked.is_set()
        async with asyncio.timeout(PATIENCE):
            again = await waiting
        settle(one, held)  # of an old epoch
        shares = numbers(again), numbers(await take(two, 50))
    (low, high) = sorted(shares)
    assert low == list(range(len(low))), "from the beginning: nothing of it was settled"
    assert high == list(range(100, 100 + len(high)))


async def test_a_member_that_comes_back_for_other_topics_reads_those_and_no_others(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    before, after, both = await kafka_topic(), await kafka_topic(), await kafka_topic()
    for topic, number in ((before, b"0"), (after, b"1"), (both, b"2")):
        await publish(kafka_bootstrap, topic, [number])
    async with group(topics=[before, both]).member() as source:
        assert sorted(numbers(await take_and_settle(source, 2))) == [0, 2]
    async with group(topics=[after, both]).member() as source:
        assert numbers(await take_and_settle(source, 1)) == [1]
    async with group(topics=[before, after, both]).member() as source:
        await publish(kafka_bootstrap, before, [b"3"])
        assert numbers(await take_and_settle(source, 1)) == [3]
