"""All that this package uses of aiokafka beyond its documented interface: a new version of it is checked here.

tests/unit/connectors/kafka/test_hooks.py fails when one of these moves:

- `aiokafka.errors.kafka_errors`: the table of codes; a code without a class would come as UnknownError, its number lost
- `aiokafka.producer.message_accumulator.BatchBuilder(batch_size, compression)`: what `create_batch()` makes, with a
  size for each topic, and good for any producer, so that batches outlive one; its `_builder`, the C builder behind it,
  and `_relative_offset`, its count of records: `BatchBuilder.append` costs as much again as what it wraps (0.75 us)
- `AIOKafkaClient.send` as the one way of a produce request and its answer, whose topics hold `(partition, code, ...)`:
  aiokafka retries some codes for ever and tells nobody
- `ProduceRequest.build`, and `API_VERSION`, `SCHEMA.names`, `get_item` and `encode` of what it gives
- `AIOKafkaProducer.client`, its `cluster`, `send`, `get_random_node`, `force_metadata_update`, and an empty `_topics`,
  which makes every metadata request one for all topics: one that names a missing topic would create it on some brokers
- `AIOKafkaProducer._closed`, `._sender`, its `sender_task` and `_send_produce_req`, `client._conns`, their `_writer`,
  `client._sync_task`: to drop a producer whose broker is away, since `stop()` waits for ever then (K7 in
  research/reliability.md)

What it uses of aiokafka's consumer is in `consumer_hooks`, in the same way.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, cast

import aiokafka.errors
from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest

INVALID_RECORD = 87
"""The code of a record that the broker's validation refuses; aiokafka 0.14 has no class for it."""

THROTTLING_QUOTA_EXCEEDED = 89
"""The code of a request above a quota; aiokafka 0.14 has no class for it."""

FENCED_INSTANCE_ID = 82
"""The code for a static member whose name another one has taken; aiokafka 0.14 has no class for it."""

InvalidRecordError = type(
    "InvalidRecordError",
    (BrokerResponseError,),
    {
        "errno": INVALID_RECORD,
        "message": "INVALID_RECORD",
        "description": "The record failed the broker's validation (a compacted topic needs a key, for one).",
    },
)
"""INVALID_RECORD of the Kafka protocol."""

ThrottlingQuotaExceededError = type(
    "ThrottlingQuotaExceededError",
    (BrokerResponseError,),
    {
        "errno": THROTTLING_QUOTA_EXCEEDED,
        "message": "THROTTLING_QUOTA_EXCEEDED",
        "description": "A quota of the broker is used up.",
    },
)
"""THROTTLING_QUOTA_EXCEEDED of the Kafka protocol."""


FencedInstanceIdError = type(
    "FencedInstanceIdError",
    (BrokerResponseError,),
    {
        "errno": FENCED_INSTANCE_ID,
        "message": "FENCED_INSTANCE_ID",
        "description": "Another member has taken this one's group.instance.id.",
    },
)
"""FENCED_INSTANCE_ID of the Kafka protocol."""


def teach_codes() -> None:
    """Make aiokafka tell the codes that it has no class for; harmless to repeat."""
    aiokafka.errors.kafka_errors.setdefault(INVALID_RECORD, InvalidRecordError)
    aiokafka.errors.kafka_errors.setdefault(THROTTLING_QUOTA_EXCEEDED, ThrottlingQuotaExceededError)
    aiokafka.errors.kafka_errors.setdefault(FENCED_INSTANCE_ID, FencedInstanceIdError)


def new_builder(size: int) -> BatchBuilder:
    """An empty, uncompressed batch of at most `size` bytes; its first record is taken whatever its size."""
    return BatchBuilder(size, 0)


class Appended(Protocol):
    """What the builder says of a record it took."""

    size: int
    """Bytes it takes in the batch."""


Append: TypeAlias = Callable[
    [int, int | None, bytes | None, bytes | None, list[tuple[str, bytes | None]]], Appended | None
]
"""Adds a record: its offset in the batch, timestamp in milliseconds (None: now), key, value, headers; None if full."""


def append_to(builder: BatchBuilder) -> Append:
    """Give what adds records to a builder: offsets count from 0, and `close` is to be told how many were added."""
    return cast("Append", builder._builder.append)


def close(builder: BatchBuilder, count: int) -> None:
    """Close a builder that took `count` records by `append_to`, so that it is sent at once."""
    builder._relative_offset = count
    builder.close()


Answered: TypeAlias = Callable[[str, int, int], None]
"""Takes a topic, a partition, and the broker's answer to a batch for it: an error's code, or 0."""


def watch_answers(producer: AIOKafkaProducer, answered: Answered) -> None:
    """Tell each answer to a produce request as it comes, before aiokafka acts on it: it retries some by itself."""
    client = producer.client
    send = client.send

    async def watched(node: int, request: Any, **options: Any) -> Any:
        if not isinstance(request, ProduceRequest):
            return await send(node, request, **options)
        join_at_once(request)
        try:
            response = await send(node, request, **options)
        finally:
            del request.build  # a cycle, which would keep megabytes until the garbage collector comes by
        for topic, partitions in response.topics:
            for partition, code, *_ in partitions:
                answered(topic, partition, code)
        return response

    client.send = watched


_SHORT = struct.Struct(">h").pack
_INT = struct.Struct(">i").pack
_JOINED = range(3, 9)  # versions of a produce request with this layout: later ones are "flexible" (KIP-482)


def join_at_once(request: ProduceRequest) -> None:
    """Have a produce request copy its batches once when it is encoded, and not at each of six levels.

    Measured on Kafka -> Kafka, 256 B: those copies took 13 % of the process's time.
    """
    build = request.build

    def joined(version: Any) -> Any:
        built = build(version)
        if version.API_VERSION in _JOINED:
            fields = [built.get_item(name) for name in built.SCHEMA.names]
            built.encode = lambda: _produce_request(*fields)
        return built

    request.build = joined


def _produce_request(transactional_id: str | None, acks: int, timeout: int, topics: Sequence[Any]) -> bytes:
    """Encode the body of a produce request ("Produce API" of the Kafka protocol guide)."""
    parts = [_text(transactional_id), _SHORT(acks), _INT(timeout), _INT(len(topics))]
    for topic, partitions in topics:
        parts += (_text(topic), _INT(len(partitions)))
        for partition, batch in partitions:
            parts += (_INT(partition), _INT(len(batch)), batch)
    return b"".join(parts)


def _text(text: str | None) -> bytes:
    if text is None:
        return _SHORT(-1)
    raw = text.encode()
    return _SHORT(len(raw)) + raw


def watch_requests(producer: AIOKafkaProducer) -> set[asyncio.Task[Any]]:
    """Give the live set of tasks in which the producer awaits answers; called before `start`, needed by `drop`."""
    running: set[asyncio.Task[Any]] = set()
    sender = producer._sender
    send = sender._send_produce_req

    async def watched(node: int, batches: dict[Any, Any]) -> None:
        task = asyncio.current_task()
        if task is not None:
            running.add(task)
            task.add_done_callback(running.discard)
        await send(node, batches)

    sender._send_produce_req = watched
    return running


async def drop(producer: AIOKafkaProducer, requests: set[asyncio.Task[Any]], grace: float) -> None:
    """End a producer without waiting for anything it has not confirmed; takes at most `grace` seconds and never raises.

    Nothing is sent by it afterwards. What it had in flight may have arrived. A cancelled call cuts the sockets at once.
    """
    producer._closed = True
    tasks = {task for task in (producer._sender.sender_task, *requests) if task is not None}
    await end_client(producer.client, tasks, grace)


async def end_client(client: Any, tasks: set[asyncio.Task[Any]], grace: float) -> None:
    """End an aiokafka client and the tasks around it; takes at most `grace` seconds and never raises."""
    ending = tasks if client._sync_task is None else {*tasks, client._sync_task}
    for task in ending:
        task.cancel()
        task.add_done_callback(_unheard)
    writers = [connection._writer for connection in client._conns.values() if connection._writer is not None]
    try:
        async with asyncio.timeout(grace):
            if ending:
                await asyncio.wait(ending)
            await client.close()
    except TimeoutError:
        pass
    finally:
        # A peer that reads no more keeps a closing transport waiting for its buffer to empty.
        for writer in writers:
            writer.transport.abort()


def _unheard(task: asyncio.Task[Any]) -> None:
    """Take the error of a task that nobody awaits any more, so that asyncio does not write it to the log."""
    if not task.cancelled():
        task.exception()
