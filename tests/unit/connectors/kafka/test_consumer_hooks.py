"""What the connector uses of aiokafka's consumer beyond its documented interface is where it was."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, OffsetResetStrategy
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError, UnknownMemberIdError
from aiokafka.protocol import fetch
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitResponse_v3
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import (
    HeartbeatRequest,
    HeartbeatResponse_v1,
    JoinGroupRequest,
    JoinGroupResponse_v5,
    SyncGroupRequest,
    SyncGroupResponse_v3,
)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from connectors.kafka import consumer_hooks
from connectors.kafka.hooks import FENCED_INSTANCE_ID

PLACE = TopicPartition("orders", 2)
BEAT = HeartbeatRequest("group", 1, "member")
JOIN = JoinGroupRequest("group", 1, 1, "", "instance", "consumer", [])
JOINED: tuple[Any, ...] = (0, 0, 1, "", "", "", [])
RESPONSES = [getattr(fetch, f"FetchResponse_v{version}") for version in range(12)]


def consumer() -> AIOKafkaConsumer:
    return AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id="group")


async def answer(response: Any, request: Any) -> tuple[dict[TopicPartition, consumer_hooks.Fetch], list[str]]:
    """What the hooks make of one answer, or of an error."""
    one, told = consumer(), list[str]()

    async def send(node: int, request: Any) -> Any:
        if isinstance(response, Exception):
            raise response
        return response

    one._client.send = send

    async def look(client: Any) -> None:
        told.append("looked")

    fetches = consumer_hooks.watch(one, lambda: told.append("failed"), lambda: told.append("fenced"), look)
    try:
        await one._client.send(1, request)
    except KafkaConnectionError:
        told.append("raised")
    await consumer_hooks.drop(one, 1.0)
    return fetches, told


def fetch_request() -> FetchRequest:
    return FetchRequest(500, 1, 1 << 20, 1, [("orders", [(2, 70, 1 << 20), (3, 80, 1 << 20), (4, 90, 1 << 20)])])


def fields(schema: Any) -> dict[str, Any]:
    return dict(zip(schema.names, schema.fields, strict=True))


def fetch_response(version: Any) -> Any:
    """A response with a batch, an error and nothing, made by the names of its fields."""
    topic = fields(fields(version.SCHEMA)["topics"].array_of)
    names = list(fields(topic["partitions"].array_of))

    def row(partition: int, code: int, data: bytes) -> tuple[Any, ...]:
        known = {"partition": partition, "error_code": code, "aborted_transactions": [(7, 75)], "message_set": data}
        return tuple(known.get(name, 100) for name in names)

    rows = [row(2, 0, b"batch"), row(3, 1, b"batch"), row(4, 0, b"")]
    known = {"topics": [("orders", rows)]}
    return version(*(known.get(name, 0) for name in version.SCHEMA.names))


@pytest.mark.parametrize("version", RESPONSES)
async def test_fetched_bytes_are_kept_as_they_came(version: Any) -> None:
    response = version.decode(fetch_response(version).encode())
    aborted = [(7, 75)] if version.API_VERSION >= 4 else []
    assert await answer(response, fetch_request()) == ({PLACE: consumer_hooks.Fetch(70, b"batch", aborted)}, [])


async def test_no_transaction_aborted_may_be_null() -> None:
    response = fetch.FetchResponse_v4(0, [("orders", [(2, 0, 100, 90, None, b"batch")])])
    assert await answer(response, fetch_request()) == ({PLACE: consumer_hooks.Fetch(70, b"batch", [])}, [])


def test_there_is_no_newer_fetch_than_is_known() -> None:
    assert not hasattr(fetch, "FetchResponse_v12")


async def test_failures_are_told() -> None:
    assert await answer(KafkaConnectionError("gone"), BEAT) == ({}, ["failed", "raised"])


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (BEAT, lambda code: HeartbeatResponse_v1(0, code)),
        (JOIN, lambda code: JoinGroupResponse_v5(0, code, 1, "", "", "", [])),
        (SyncGroupRequest("group", 1, "member", "instance", []), lambda code: SyncGroupResponse_v3(0, code, b"")),
        (
            OffsetCommitRequest("group", 1, "member", -1, [("orders", [(1, 5, ""), (2, 5, "")])]),
            lambda code: OffsetCommitResponse_v3(0, [("orders", [(1, 0), (2, code)])]),
        ),
    ],
)
async def test_who_is_fenced_is_told_and_who_is_not_known_looks_once_before_it_joins(
    request_: Any, response: Callable[[int], Any]
) -> None:
    assert await answer(response(0), request_) == ({}, [])
    assert await answer(response(FENCED_INSTANCE_ID), request_) == ({}, ["fenced"])
    one, told = consumer(), list[str]()
    answers = [response(UnknownMemberIdError.errno), HeartbeatResponse_v1(0, 0), *[JoinGroupResponse_v5(*JOINED)] * 2]

    async def send(node: int, request: Any) -> Any:
        told.append(type(request).__name__)
        return answers.pop(0)

    async def look(client: Any) -> None:
        assert client is one._client
        told.append("look")

    one._client.send = send
    consumer_hooks.watch(one, lambda: None, lambda: told.append("fenced"), look)
    for each in (request_, BEAT, JOIN, JOIN):
        await one._client.send(1, each)
    assert told[1:] == ["HeartbeatRequest", "look", "JoinGroupRequest", "JoinGroupRequest"]
    await consumer_hooks.drop(one, 1.0)


async def test_the_group_is_joined_when_all_topics_are_known_and_not_before() -> None:
    one, done = consumer(), list[str]()
    known = True

    async def bootstrap() -> None:
        done.append("bootstrap")

    async def force_metadata_update() -> bool:
        done.append("topics")
        return known

    async def prepare(client: Any) -> None:
        assert client is one._client
        done.append("prepare")

    one._client.bootstrap, one._client.force_metadata_update = bootstrap, force_metadata_update
    consumer_hooks.before_joining(one, prepare)
    await one._client.bootstrap()
    assert done == ["bootstrap", "topics", "prepare"]
    known = False
    with pytest.raises(KafkaConnectionError, match="no broker answers"):
        await one._client.bootstrap()
    await consumer_hooks.drop(one, 1.0)
    started = inspect.getsource(AIOKafkaConsumer.start)
    assert started.index("self._client.bootstrap()") < started.index("GroupCoordinator(")


@pytest.fixture
async def reading() -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of one partition, at the offset 70, that is not connected to anything."""
    one = consumer()
    one._subscription.assign_from_user([PLACE])
    one._fetcher = Fetcher(one._client, one._subscription)
    one._subscription.seek(PLACE, 70)
    yield one
    await consumer_hooks.drop(one, 1.0)
    assert one._fetcher._fetch_task.done()


def result(one: AIOKafkaConsumer) -> FetchResult:
    assignment = one._subscription.subscription.assignment
    return FetchResult(PLACE, assignment=assignment, partition_records=None, backoff=0)


async def test_what_was_fetched_is_taken_once_and_fetching_goes_on_where_it_is_told(reading: AIOKafkaConsumer) -> None:
    fetched = consumer_hooks.Fetch(70, b"batch", [])
    reading._fetcher._records[PLACE] = result(reading)
    assert consumer_hooks.take(reading, {PLACE: fetched}) == [(PLACE, fetched)]
    assert consumer_hooks.take(reading, {PLACE: fetched}) == []
    waiting = reading._fetcher._wait_consume_future = asyncio.get_running_loop().create_future()
    consumer_hooks.go_on(reading, PLACE, 75)
    assert consumer_hooks.position(reading, PLACE) == 75
    assert waiting.done(), "the fetcher sleeps on"


async def test_errors_are_taken_in_place_of_records(reading: AIOKafkaConsumer) -> None:
    error = OffsetOutOfRangeError({PLACE: 70})
    reading._fetcher._records[PLACE] = FetchError(error=error, backoff=0)
    assert consumer_hooks.take(reading, {}) == [(PLACE, error)]
    assert PLACE not in reading._fetcher._records


async def test_what_was_fetched_for_another_position_is_left_out(reading: AIOKafkaConsumer) -> None:
    reading._fetcher._records[PLACE] = result(reading)
    assert consumer_hooks.take(reading, {PLACE: consumer_hooks.Fetch(60, b"batch", [])}) == []
    reading._fetcher._records[PLACE] = result(reading)
    reading._subscription.unsubscribe()
    assert consumer_hooks.take(reading, {PLACE: consumer_hooks.Fetch(70, b"batch", [])}) == []
    consumer_hooks.go_on(reading, PLACE, 75)
    assert consumer_hooks.position(reading, PLACE) == 0
    assert consumer_hooks.reset(reading, PLACE, "earliest") is None


async def test_a_reset_ends_with_the_new_position(reading: AIOKafkaConsumer) -> None:
    found = consumer_hooks.reset(reading, PLACE, "earliest")
    assert found is not None
    assert consumer_hooks.position(reading, PLACE) == 0, "it is not known"
    state = reading._subscription.subscription.assignment.state_value(PLACE)
    assert state.reset_strategy == OffsetResetStrategy.EARLIEST
    state.reset_to(5)
    await found
    assert consumer_hooks.position(reading, PLACE) == 5


class Coordinator:
    """What is used of aiokafka's, without a broker."""

    generation = 3
    _coordination_task = _heartbeat_task = _commit_refresh_task = None
    asked: Any = None

    def check_errors(self) -> None:
        pass

    async def ensure_coordinator_known(self) -> None:
        self.asked = "where it is"

    async def _do_commit_offsets(self, assignment: Any, offsets: Any) -> None:
        self.asked = (self.asked, assignment, offsets)


async def test_a_wait_ends_when_something_was_fetched(reading: AIOKafkaConsumer) -> None:
    reading._coordinator = Coordinator()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(consumer_hooks.wait_for_fetch(reading), name="fetch")
        await asyncio.sleep(0)
        assert not waiting.done()
        (waiter,) = reading._fetcher._fetch_waiters
        reading._fetcher._notify(waiter)


async def test_offsets_are_committed_by_one_attempt() -> None:
    one, coordinator = consumer(), Coordinator()
    one._coordinator = coordinator
    assert consumer_hooks.is_connected(one)
    assert consumer_hooks.is_member(one)
    await consumer_hooks.commit(one, {PLACE: 7})
    assert coordinator.asked == ("where it is", None, {PLACE: OffsetAndMetadata(7, "")})
    coordinator.generation = -1
    assert not consumer_hooks.is_member(one)
    await consumer_hooks.drop(one, 1.0)
    assert list(inspect.signature(GroupCoordinator._do_commit_offsets).parameters) == ["self", "assignment", "offsets"]
    for name in ("_do_commit_offsets", "ensure_coordinator_known"):
        assert inspect.iscoroutinefunction(getattr(GroupCoordinator, name))
    assert callable(GroupCoordinator.check_errors)


async def test_a_consumer_has_what_is_hooked() -> None:
    one = consumer()
    assert one._closed is False
    assert one._fetcher is None
    assert one._coordinator is None
    assert not consumer_hooks.is_connected(one)
    assert not consumer_hooks.is_member(one)
    assert consumer_hooks.position(one, PLACE) == 0
    assert one._subscription.reassignment_in_progress
    assert one._client._sync_task is None
    assert consumer_hooks.cluster(one).topics() == set()
    for name in ("send", "bootstrap", "force_metadata_update", "get_random_node", "coordinator_lookup"):
        assert callable(getattr(one._client, name))
    await consumer_hooks.drop(one, 1.0)
    assert one._closed
    made = inspect.getsource(Fetcher.__init__) + inspect.getsource(Fetcher._fetch_requests_routine)
    assert all(f"self.{name}" in made for name in ("_records", "_fetch_task", "_pending_tasks", "_wait_consume_future"))
    made = inspect.getsource(GroupCoordinator.__init__)
    assert all(
        f"self.{name}" in made
        for name in ("generation", "_coordination_task", "_heartbeat_task", "_commit_refresh_task")
    )


async def test_all_requests_go_through_send() -> None:
    calls = [inspect.getsource(part) for part in (Fetcher, GroupCoordinator)]
    assert all("_client.send(" in source for source in calls)
    assert cast("Any", AIOKafkaClient.send).__code__.co_varnames[:3] == ("self", "node_id", "request")
