"""What the connector uses of aiokafka beyond its documented interface is where it was."""

import asyncio
import inspect
from typing import Any, get_args

import aiokafka.errors
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.protocol.produce import (
    ProduceRequest,
    ProduceRequest_v8,
    ProduceRequestStruct,
    ProduceResponse_v7,
)
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka import hooks


async def test_a_producer_has_what_is_hooked() -> None:
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True)
    assert producer._closed is False
    assert producer._sender.sender_task is None
    assert inspect.iscoroutinefunction(producer._sender._send_produce_req)
    assert list(inspect.signature(Sender._send_produce_req).parameters) == ["self", "node_id", "batches"]
    assert producer.client._topics == set()
    assert producer.client._conns == {}
    assert producer.client._sync_task is None
    for name in ("send", "get_random_node", "force_metadata_update", "close"):
        assert callable(getattr(producer.client, name))
    for name in ("partitions_for_topic", "available_partitions_for_topic"):
        assert callable(getattr(producer.client.cluster, name))
    assert producer.client.cluster.controller is None
    assert AIOKafkaConnection("127.0.0.1", 1)._writer is None
    await hooks.drop(producer, hooks.watch_requests(producer), 1.0)


async def test_an_empty_set_of_topics_asks_for_all_of_them() -> None:
    source = inspect.getsource(AIOKafkaClient._metadata_update)
    assert "MetadataRequest(list(topics) if topics else None)" in source


def test_the_table_of_codes_is_read_at_each_answer() -> None:
    hooks.teach_codes()
    assert aiokafka.errors.for_code(hooks.INVALID_RECORD) is hooks.InvalidRecordError


def test_a_builder_is_what_create_batch_makes_with_a_size_of_its_own() -> None:
    builder = hooks.new_builder(100)
    append = hooks.append_to(builder)
    assert append(0, None, None, None, []) is not None
    assert append(1, 1, b"k", b"v" * 100, [("h", None)]) is None
    hooks.close(builder, 1)
    assert builder.record_count() == 1
    assert builder.closed()
    first = hooks.append_to(hooks.new_builder(100))(0, 1, b"k", b"v" * 1000, [])
    assert first is not None
    assert first.size > 1000


def test_appending_to_the_c_builder_makes_the_same_batch() -> None:
    ours, theirs = hooks.new_builder(1000), hooks.new_builder(1000)
    append = hooks.append_to(ours)
    for number in range(3):
        append(number, number, b"k", b"%d" % number, [("h", b"v")])
        theirs.append(timestamp=number, key=b"k", value=b"%d" % number, headers=[("h", b"v")])
    hooks.close(ours, 3)
    theirs.close()
    assert ours.record_count() == theirs.record_count()
    assert bytes(ours._build()) == bytes(theirs._build())


async def test_every_answer_is_told_before_aiokafka_acts_on_it() -> None:
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True)
    sender = producer._sender
    answers: list[tuple[str, int, int]] = []
    partition = TopicPartition("orders", 2)
    batch = MessageBatch(partition, hooks.new_builder(100), 30, 0)

    async def send(node: int, request: Any) -> Any:
        return ProduceResponse_v7([("orders", [(2, NotEnoughReplicasError.errno, -1, -1, -1)])], 0)

    producer.client.send = send
    hooks.watch_answers(producer, lambda *answer: answers.append(answer))
    producing = SendProduceReqHandler(sender, {partition: batch})
    response = await producer.client.send(1, producing.create_request())
    assert answers == [("orders", 2, 19)]
    producing.handle_response(response)
    assert producing._to_reenqueue == [batch]
    assert not batch.future.done()
    await hooks.drop(producer, set(), 1.0)


async def test_requests_are_watched_while_they_run() -> None:
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def send(node: int, batches: dict[Any, Any]) -> None:
        entered.set()
        await leave.wait()

    producer._sender._send_produce_req = send
    requests = hooks.watch_requests(producer)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(producer._sender._send_produce_req(1, {}), name="request")
        await entered.wait()
        assert requests == {task}
        await hooks.drop(producer, requests, 1.0)
    assert task.cancelled()
    assert requests == set()


@pytest.mark.parametrize("version", [*get_args(ProduceRequestStruct), ProduceRequest_v8])
@given(
    st.none() | st.text(max_size=5),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(
        st.tuples(
            st.text(max_size=5),
            st.lists(st.tuples(st.integers(0, 2**31 - 1), st.binary() | st.binary().map(bytearray)), max_size=3),
        ),
        max_size=3,
    ),
)
def test_a_produce_request_that_is_joined_at_once_has_the_same_bytes(
    version: Any, transaction: str | None, acks: int, timeout: int, topics: list[tuple[str, list[tuple[int, bytes]]]]
) -> None:
    transaction = transaction if version.API_VERSION >= 3 else None
    ours, theirs = (ProduceRequest(transaction, acks, timeout, topics) for _ in range(2))
    hooks.join_at_once(ours)
    assert ours.build(version).encode() == theirs.build(version).encode()
    assert ours.required_acks == acks
