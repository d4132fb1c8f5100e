"""All that this package uses of aiokafka's consumer beyond its documented interface, as `hooks` has the producer's.

tests/unit/connectors/kafka/test_consumer_hooks.py fails when one of these moves:

- `AIOKafkaConsumer._client`, `_fetcher`, `_coordinator`, `_subscription`, `_closed`: the parts of a consumer
- `AIOKafkaClient.send` as the one way of a request and its answer, and the layout of fetch responses, so that fetched
  bytes can be had as they came, and of the answers that tell a member what the group thinks of it; `bootstrap`, which
  forgets all topics, so that the group would be joined for none first
- `Fetcher._records`, its `FetchResult._assignment` and `FetchError._error`; `_create_fetch_waiter`, `_notify` and
  `_wait_consume_future`; `_fetch_task` and `_pending_tasks`; `request_offset_reset`
- `Assignment.state_value`, `active`, and `position` and `consumed_to` of what it gives
- `GroupCoordinator._do_commit_offsets` (one attempt: `commit()` tries for ever), `ensure_coordinator_known`,
  `generation`, and its tasks
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchError, OffsetResetStrategy
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from connectors.kafka.hooks import FENCED_INSTANCE_ID, end_client

TOPIC_AUTHORIZATION_FAILED = 29
"""The code for a topic that the user may not do this with."""

Prepare: TypeAlias = Callable[[Any], Awaitable[None]]
"""Awaited with the consumer's AIOKafkaClient."""


class Fetch(NamedTuple):
    """What a broker gave of one partition, from an offset on: a record set, and the aborted transactions in it."""

    offset: int
    data: bytes
    aborted: list[tuple[int, int]]


def watch(
    consumer: AIOKafkaConsumer, failed: Callable[[], None], fenced: Callable[[], None], before_joining_again: Prepare
) -> dict[TopicPartition, Fetch]:
    """Tell of failures, and give the live map of what was fetched; called before `start`.

    `fenced` is called when the coordinator says that another member has this one's name. When it does not know this
    member any more, for whatever reason, `before_joining_again` is awaited before aiokafka does: that takes the name.
    """
    client = consumer._client
    send = client.send
    fetches: dict[TopicPartition, Fetch] = {}
    unknown = False

    async def watched(node: int, request: Any, **options: Any) -> Any:
        nonlocal unknown
        if unknown and isinstance(request, JoinGroupRequest):
            await before_joining_again(client)
            unknown = False
        try:
            response = await send(node, request, **options)
        except KafkaError:
            failed()
            raise
        if isinstance(request, FetchRequest):
            _keep(request, response, fetches)
            return response
        codes = _membership_codes(request, response)
        if FENCED_INSTANCE_ID in codes:
            fenced()
        unknown = unknown or UnknownMemberIdError.errno in codes
        return response

    client.send = watched
    return fetches


def _membership_codes(request: Any, response: Any) -> Collection[int]:
    """What an answer says of this member. Under load it is a commit's that says first that it is not known."""
    if isinstance(request, OffsetCommitRequest):
        return {code for _, places in response.topics for _, code in places}
    if isinstance(request, JoinGroupRequest | SyncGroupRequest | HeartbeatRequest):
        return (response.error_code,)
    return ()


def before_joining(consumer: AIOKafkaConsumer, prepare: Prepare) -> None:
    """Have `prepare` awaited with the client, when it knows all topics and before the group is joined.

    The group is joined for those topics then; bootstrapping leaves none, and it would be joined for none first.
    """
    client = consumer._client
    bootstrap = client.bootstrap

    async def bootstrapped() -> None:
        await bootstrap()
        if not await client.force_metadata_update():
            raise KafkaConnectionError("no broker answers a request for metadata")
        await prepare(client)

    client.bootstrap = bootstrapped


def _keep(request: FetchRequest, response: Any, fetches: dict[TopicPartition, Fetch]) -> None:
    offsets = {(topic, place): offset for topic, places in request.topics for place, offset, _ in places}
    for topic, places in response.topics:
        for place, code, _, *rest in places:
            if code == 0 and rest[-1]:
                aborted = rest[2] if response.API_VERSION >= 11 else rest[-2] if response.API_VERSION >= 4 else None
                fetches[TopicPartition(topic, place)] = Fetch(offsets[topic, place], rest[-1], aborted or [])


def is_connected(consumer: AIOKafkaConsumer) -> bool:
    """Whether a broker was reached."""
    return consumer._coordinator is not None


def cluster(consumer: AIOKafkaConsumer) -> Any:
    """aiokafka's ClusterMetadata, as last refreshed."""
    return consumer._client.cluster


async def refresh(consumer: AIOKafkaConsumer) -> bool:
    """Learn all topics anew; tell whether a broker answered."""
    return bool(await consumer._client.force_metadata_update())


async def ask(consumer: AIOKafkaConsumer, request: Any) -> Any:
    """Send a request of aiokafka.protocol to any broker and give its response; raises KafkaError."""
    client = consumer._client
    return await client.send(client.get_random_node(), request)


async def wait_for_fetch(consumer: AIOKafkaConsumer) -> None:
    """Wait until something may have been fetched; raises KafkaError when the coordinator gave up."""
    fetcher = consumer._fetcher
    consumer._coordinator.check_errors()
    await fetcher._create_fetch_waiter()


def take(
    consumer: AIOKafkaConsumer, fetches: dict[TopicPartition, Fetch]
) -> list[tuple[TopicPartition, Fetch | KafkaError]]:
    """Take what was fetched of partitions that are read; the fetcher waits for `go_on` with each of them."""
    fetcher = consumer._fetcher
    taken: list[tuple[TopicPartition, Fetch | KafkaError]] = []
    if consumer._subscription.reassignment_in_progress:
        return taken
    for place, result in list(fetcher._records.items()):
        del fetcher._records[place]
        if isinstance(result, FetchError):
            taken.append((place, cast("KafkaError", result._error)))
            continue
        fetch = fetches.pop(place, None)
        assignment = result._assignment
        if fetch is None or not assignment.active:
            continue
        if assignment.state_value(place).position == fetch.offset:
            taken.append((place, fetch))
    return taken


def go_on(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> None:
    """Fetch a partition from this offset on, if it is still read and its position is known."""
    state = _state(consumer, place)
    if state is not None and state.has_valid_position:
        state.consumed_to(offset)
    consumer._fetcher._notify(consumer._fetcher._wait_consume_future)


def position(consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
    """The offset to fetch next; 0 while it is not known."""
    state = _state(consumer, place)
    return int(state.position) if state is not None and state.has_valid_position else 0


def reset(consumer: AIOKafkaConsumer, place: TopicPartition, start: str) -> "asyncio.Future[object] | None":
    """Go on at the `earliest` or the `latest` offset; None if the partition is not read any more."""
    if _state(consumer, place) is None:
        return None
    strategy = OffsetResetStrategy.from_str(start)
    return cast("asyncio.Future[object]", consumer._fetcher.request_offset_reset([place], strategy))


async def commit(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit offsets, once; raises KafkaError as the coordinator answered."""
    coordinator = consumer._coordinator
    await coordinator.ensure_coordinator_known()
    await coordinator._do_commit_offsets(None, {place: OffsetAndMetadata(at, "") for place, at in offsets.items()})


def is_member(consumer: AIOKafkaConsumer) -> bool:
    """Whether the coordinator has not refused this member's generation."""
    return consumer._coordinator is not None and consumer._coordinator.generation > 0


async def drop(consumer: AIOKafkaConsumer, grace: float) -> None:
    """End a consumer without leaving the group; takes at most `grace` seconds and never raises."""
    consumer._closed = True
    tasks: set[asyncio.Task[Any] | None] = set()
    if (coordinator := consumer._coordinator) is not None:
        tasks |= {coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task}
    if (fetcher := consumer._fetcher) is not None:
        tasks |= {fetcher._fetch_task, *fetcher._pending_tasks}
    await end_client(consumer._client, {task for task in tasks if task is not None}, grace)


def _state(consumer: AIOKafkaConsumer, place: TopicPartition) -> Any:
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    return assignment.state_value(place) if assignment is not None and assignment.active else None
