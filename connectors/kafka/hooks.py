"""All that this package uses of aiokafka beyond its documented interface: a new version of it is checked here.

tests/unit/connectors/kafka/test_hooks.py fails when one of these moves:

- `aiokafka.errors.kafka_errors`: the table of codes; a code without a class would come as UnknownError, its number lost
- `aiokafka.producer.message_accumulator.BatchBuilder(batch_size, compression)`: what `create_batch()` makes, with a
  size for each topic, and good for any producer, so that batches outlive one
- `AIOKafkaProducer.client`, its `cluster`, `send`, `get_random_node`, `force_metadata_update`, and an empty `_topics`,
  which makes every metadata request one for all topics: one that names a missing topic would create it on some brokers
- `AIOKafkaProducer._closed`, `._sender`, its `sender_task` and `_send_produce_req`, `client._conns`, their `_writer`,
  `client._sync_task`: to drop a producer whose broker is away, since `stop()` waits for ever then (K7 in
  research/reliability.md)
"""

import asyncio
from typing import Any

import aiokafka.errors
from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError
from aiokafka.producer.message_accumulator import BatchBuilder

INVALID_RECORD = 87
"""The code of a record that the broker's validation refuses; aiokafka 0.14 has no class for it."""


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


def teach_codes() -> None:
    """Make aiokafka tell the codes that it has no class for; harmless to repeat."""
    aiokafka.errors.kafka_errors.setdefault(INVALID_RECORD, InvalidRecordError)


def new_builder(size: int) -> BatchBuilder:
    """An empty, uncompressed batch of at most `size` bytes; its first record is taken whatever its size."""
    return BatchBuilder(size, 0)


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
    client = producer.client
    ending = {task for task in (producer._sender.sender_task, client._sync_task, *requests) if task is not None}
    for task in ending:
        task.cancel()
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
