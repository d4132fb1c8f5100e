"""What was settled is committed, as the group's coordinator answers: aiokafka's is stood in for."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    KafkaError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import TopicPartition

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from connectors.kafka.commits import Commits
from connectors.kafka.consumer import Consumer, Events
from connectors.kafka.membership import Claim, Membership
from connectors.kafka.partitions import Mark, Partition

ONE, TWO = TopicPartition("one", 0), TopicPartition("two", 0)
TIMEOUT = 0.5


async def _nothing() -> None:
    pass


class Coordinator:
    """aiokafka's coordinator, with answers of ours: each commit takes one, and then all are taken."""

    _coordination_task = _heartbeat_task = _commit_refresh_task = None

    def __init__(self) -> None:
        self.answers: list[Callable[[], Any]] = []
        self.commits: list[dict[TopicPartition, int]] = []

    async def ensure_coordinator_known(self) -> None:
        pass

    async def _do_commit_offsets(self, assignment: Any, offsets: dict[TopicPartition, Any]) -> None:
        self.commits.append({place: offset.offset for place, offset in offsets.items()})
        if self.answers:
            found = self.answers.pop(0)()
            if found is not None:
                await found

    def refuse(self, error: KafkaError) -> None:
        def raising() -> None:
            raise error

        self.answers.append(raising)


class Setting:
    """Commits of two partitions, on a consumer that is not connected to anything."""

    def __init__(self) -> None:
        self.freed = 0
        self.coordinator = Coordinator()
        self.commits = Commits("kafka://x", TIMEOUT, self._free)
        broker = BrokerSettings.model_validate({"url": "kafka://127.0.0.1:1", "broker_timeout": "500ms"})
        events = Events(_nothing, lambda: None, lambda: None, lambda _: None)
        self.consumer = Consumer(broker, Membership("g", "n", "i", re.compile("one|two"), Claim()), 1 << 20, events)
        self.consumer._consumer._coordinator = self.coordinator
        for slot, place in enumerate((ONE, TWO)):
            self.commits.partitions[place] = Partition(slot, 10)

    def _free(self) -> None:
        self.freed += 1

    def hand_out(self, place: TopicPartition, count: int) -> list[int]:
        """Hand out so many messages of a byte each; gives their receipts."""
        partition = self.commits.partitions[place]
        first, at = partition.next_receipt, partition.settled.offset
        partition.hand_out(range(at, at + count), at + count, count)
        self.commits.held += count
        self.commits.size += count
        return list(range(first, first + count))


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    yield setting
    await setting.consumer.drop()


async def test_where_reading_began_is_committed_before_anything_is_settled(setting: Setting) -> None:
    assert setting.commits.due == {ONE: Mark(10, 0, 0), TWO: Mark(10, 0, 0)}
    await setting.commits.commit(setting.consumer)
    assert setting.coordinator.commits == [{ONE: 10, TWO: 10}]
    assert setting.commits.due == {}
    await setting.commits.commit(setting.consumer)
    assert len(setting.coordinator.commits) == 1, "nothing is due"


async def test_what_is_settled_is_held_until_the_broker_has_taken_it(setting: Setting) -> None:
    commits = setting.commits
    await commits.commit(setting.consumer)
    receipts = setting.hand_out(ONE, 3)
    assert (commits.held, commits.size, commits.open) == (3, 3, 3)
    commits.partitions[ONE].settle(receipts)
    assert (commits.held, commits.size, commits.open) == (3, 3, 0)
    assert commits.due == {ONE: Mark(13, 3, 3)}
    freed = setting.freed
    commits.taken.clear()
    await commits.commit(setting.consumer)
    assert (commits.held, commits.size, commits.due) == (0, 0, {})
    assert setting.coordinator.commits[-1] == {ONE: 13}
    assert setting.freed > freed
    assert commits.taken.is_set()


async def test_what_is_settled_while_a_commit_is_in_flight_is_in_the_next(setting: Setting) -> None:
    commits, asked, answer = setting.commits, asyncio.Event(), asyncio.Event()
    await commits.commit(setting.consumer)
    first, second = setting.hand_out(ONE, 2)
    commits.partitions[ONE].settle([first])

    async def slow() -> None:
        asked.set()
        await answer.wait()

    setting.coordinator.answers.append(slow)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(commits.run(setting.consumer), name="commits")
        commits.moved.set()
        await asked.wait()
        commits.partitions[ONE].settle([second])
        commits.moved.set()
        assert setting.coordinator.commits[-1] == {ONE: 11}
        commits.taken.clear()
        answer.set()
        while commits.due:
            await commits.taken.wait()
            commits.taken.clear()
        running.cancel()
    assert setting.coordinator.commits[1:] == [{ONE: 11}, {ONE: 12}]
    assert commits.held == 0


async def test_an_answer_for_partitions_that_were_revoked_counts_for_nobody(setting: Setting) -> None:
    commits = setting.commits
    commits.partitions[ONE].settle(setting.hand_out(ONE, 2))

    async def meanwhile() -> None:
        commits.clear()
        assert commits.taken.is_set()
        assert commits.partitions == {}
        commits.partitions[ONE] = Partition(7, 50)

    setting.coordinator.answers.append(meanwhile)
    await commits.commit(setting.consumer)
    assert commits.partitions[ONE].committed is None
    assert commits.due == {ONE: Mark(50, 0, 0)}
    assert (commits.held, commits.size) == (0, 0)


@pytest.mark.parametrize("error", [CoordinatorNotAvailableError(), IllegalGenerationError()])
async def test_what_is_refused_for_now_is_committed_again(setting: Setting, error: KafkaError) -> None:
    del setting.commits.partitions[TWO]
    setting.coordinator.refuse(error)
    await setting.commits.commit(setting.consumer)
    assert setting.coordinator.commits == [{ONE: 10}] * 2
    assert setting.commits.due == {}


async def test_a_topic_that_is_refused_costs_the_others_nothing(setting: Setting) -> None:
    async def answer(assignment: Any, offsets: dict[TopicPartition, Any]) -> None:
        if ONE in offsets:
            raise UnknownTopicOrPartitionError

    setting.coordinator._do_commit_offsets = answer  # type: ignore[method-assign]
    with pytest.raises(Disconnected) as caught:
        await setting.commits.commit(setting.consumer)
    assert caught.value.reason == "timeout"
    assert setting.commits.due == {ONE: Mark(10, 0, 0)}


async def test_no_answer_is_a_loss(setting: Setting) -> None:
    setting.coordinator.answers.append(asyncio.Event().wait)
    with pytest.raises(Disconnected) as caught:
        await setting.commits.commit(setting.consumer)
    assert caught.value.reason == "timeout"
    assert len(setting.commits.due) == 2


async def test_a_missing_right_is_the_routes_fault(setting: Setting) -> None:
    setting.coordinator.refuse(GroupAuthorizationFailedError())
    with pytest.raises(RouteFault) as caught:
        await setting.commits.commit(setting.consumer)
    assert caught.value.reason == "forbidden"
    assert len(setting.coordinator.commits) == 1
