"""What arrives by the Kafka source: topics, patterns, codecs, transactions, headers; and where it begins."""

import re

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from bridge.message import Delivery
from tests.conftest import MakeTopic
from tests.integration.kafka_source import (
    MakeGroup,
    committed,
    counted,
    message,
    numbers,
    publish,
    settle,
    take,
    take_and_settle,
    until,
)


async def test_records_come_with_key_headers_time_and_a_uid_of_their_position(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic()
    headers = [("b", b"1"), ("a", None), ("b", b"\xff"), ("content-type", b"text/plain"), ("amqp-priority", b"7")]
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"body", key=b"\xffkey", headers=headers, timestamp_ms=1_700_000_000_123)
        await producer.send_and_wait(topic, None, key=b"gone")
    finally:
        await producer.stop()
    async with group(topics=[topic]).member() as source:
        first, second = map(message, await take(source, 2))
    assert (first.body, first.key, first.address, first.exchange) == (b"body", b"\xffkey", topic, None)
    assert list(first.headers) == [("b", "string", "1"), ("a", "void", None), ("b", "bytes", b"\xff")]
    assert first.properties == {"content_type": "text/plain", "priority": 7, "timestamp": 1_700_000_000_123}
    assert re.fullmatch(rf"kafka:[\w-]{{8}}/{re.escape(topic)}/0/0@1700000000123", first.uid)
    assert second.body is None, "a tombstone is not an empty body"
    assert (second.key, list(second.headers)) == (b"gone", [])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_a_compressed_batch_is_read(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup, codec: str
) -> None:
    topic = await kafka_topic()
    await publish(kafka_bootstrap, topic, counted(0, 500), compression_type=codec, linger_ms=50)
    async with group(topics=[topic]).member() as source:
        assert numbers(await take(source, 500)) == list(range(500))


async def test_aborted_transactions_are_not_seen_and_committed_ones_are(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup, unique: str
) -> None:
    topic = await kafka_topic()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=unique)
    try:
        await producer.start()
        for start, commits in ((0, True), (10, False), (20, True), (30, False)):
            await producer.begin_transaction()
            for body in counted(start, start + 10):
                await producer.send(topic, body)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()
    async with group(topics=[topic]).member() as source:
        assert numbers(await take_and_settle(source, 20)) == [*range(10), *range(20, 30)]
        await until(lambda: source.lag == 0)
    assert await committed(kafka_bootstrap, unique, topic) == 44, "behind the last marker"


async def test_a_record_larger_than_a_fetch_comes_through(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(config={"max.message.bytes": "20000000"})
    large = b"x" * 12_000_000
    await publish(kafka_bootstrap, topic, [b"1", large, b"2"], max_request_size=20_000_000)
    async with group(topics=[topic]).member() as source:
        assert [delivery.message.body for delivery in await take(source, 3)] == [b"1", large, b"2"]


async def test_all_partitions_have_their_turn_and_each_its_order(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup
) -> None:
    topic = await kafka_topic(4)
    for partition in range(4):
        await publish(kafka_bootstrap, topic, counted(partition * 1000, partition * 1000 + 1000), partition)
    async with group(topics=[topic]).member(messages=400) as source:
        deliveries: list[Delivery] = []
        for _ in range(40):
            some = await source.receive(100)
            deliveries += some
            settle(source, some)
        await source.flush()
    found = numbers(deliveries)
    assert {number // 1000 for number in found[:800]} == {0, 1, 2, 3}, "no partition waits for another's end"
    for partition in range(4):
        own = [number for number in found if number // 1000 == partition]
        assert own == list(range(partition * 1000, partition * 1000 + len(own)))


async def test_a_pattern_matches_whole_names_and_topics_made_later(
    kafka_bootstrap: str, kafka_topic: MakeTopic, kafka_admin: AIOKafkaAdminClient, group: MakeGroup, unique: str
) -> None:
    await kafka_topic()
    for name in (f"x{unique}-0", f"{unique}-0x", f"__{unique}-0"):
        await kafka_admin.create_topics([NewTopic(name, 1, 1)])
        await publish(kafka_bootstrap, name, [b"99"])
    await publish(kafka_bootstrap, f"{unique}-0", [b"0"])
    try:
        async with group(pattern=rf"(__)?{unique}-\d").member() as source:
            assert numbers(await take_and_settle(source, 1)) == [0]
            await kafka_topic()
            await publish(kafka_bootstrap, f"{unique}-1", [b"1"])
            assert numbers(await take_and_settle(source, 1)) == [1]
    finally:
        await kafka_admin.delete_topics([f"x{unique}-0", f"{unique}-0x", f"__{unique}-0"])


async def test_a_missing_topic_is_waited_for_and_not_created(
    kafka_bootstrap: str, kafka_topic: MakeTopic, kafka_admin: AIOKafkaAdminClient, group: MakeGroup, unique: str
) -> None:
    there = await kafka_topic()
    await publish(kafka_bootstrap, there, [b"0"])
    async with group(topics=[there, f"{unique}-1"]).member() as source:
        assert source.waiting == f"topic {unique}-1"
        assert numbers(await take_and_settle(source, 1)) == [0], "what is there is read"
        assert f"{unique}-1" not in await kafka_admin.list_topics()
        await kafka_topic()
        await until(lambda: source.waiting is None)
        await publish(kafka_bootstrap, f"{unique}-1", [b"1"])
        assert numbers(await take_and_settle(source, 1)) == [1]


@pytest.mark.parametrize("start", ["earliest", "latest"])
async def test_a_topic_made_anew_is_read_from_its_beginning(
    kafka_bootstrap: str, kafka_topic: MakeTopic, kafka_admin: AIOKafkaAdminClient, group: MakeGroup, start: str
) -> None:
    topic = await kafka_topic()
    async with group(topics=[topic], start=start).member() as source:
        await until(lambda: source.lag == 0)
        await source.flush()
        await publish(kafka_bootstrap, topic, counted(0, 100))
        before = await take_and_settle(source, 100)
        await kafka_admin.delete_topics([topic])
        await until(lambda: source.waiting == f"topic {topic}")
        await kafka_admin.create_topics([NewTopic(topic, 1, 1)])
        await publish(kafka_bootstrap, topic, counted(0, 10))  # before the source has noticed
        again = await take_and_settle(source, 10)
        assert numbers(again) == list(range(10))
        assert not {message(one).uid for one in before} & {message(one).uid for one in again}, "they are others"


async def test_latest_is_the_end_at_the_first_start_and_at_no_later_one(
    kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup, unique: str
) -> None:
    topic = await kafka_topic()
    await publish(kafka_bootstrap, topic, counted(0, 5))
    async with group(topics=[topic], start="latest").member() as source:
        await until(lambda: source.lag == 0)
        await source.flush()
    assert await committed(kafka_bootstrap, unique, topic) == 5
    await publish(kafka_bootstrap, topic, counted(5, 8))  # while nobody is there
    async with group(topics=[topic], start="latest").member() as source:
        assert numbers(await take(source, 3)) == [5, 6, 7]


async def test_latest_leaves_out_nothing_of_a_topic_or_partition_made_later(
    kafka_bootstrap: str,
    kafka_topic: MakeTopic,
    kafka_admin: AIOKafkaAdminClient,
    group: MakeGroup,
    unique: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = await kafka_topic()
    await publish(kafka_bootstrap, there, counted(0, 5))
    read = group(pattern=rf"{unique}-\d", start="latest")
    async with read.member() as source:
        await until(lambda: source.lag == 0)
        await publish(kafka_bootstrap, await kafka_topic(), counted(5, 8))
        assert numbers(await take_and_settle(source, 3)) == [5, 6, 7], "made while it runs"
        await kafka_admin.create_partitions({there: NewPartitions(2)})
        await publish(kafka_bootstrap, there, counted(8, 10), partition=1)
        assert numbers(await take_and_settle(source, 2)) == [8, 9]
    await publish(kafka_bootstrap, await kafka_topic(), counted(10, 12))
    async with read.member() as source:
        assert numbers(await take_and_settle(source, 2)) == [10, 11], "made while nobody was there"
    said = [line for line in capsys.readouterr().out.splitlines() if "without a committed offset" in line]
    assert [
        (f"{unique}-{number}" in line, begins in line)
        for line, (number, begins) in zip(
            said, [(0, "latest"), (1, "earliest"), (0, "earliest"), (2, "earliest")], strict=True
        )
    ] == [(True, True)] * 4


async def test_records_that_expired_unread_are_named_and_reading_goes_on(
    kafka_bootstrap: str,
    kafka_topic: MakeTopic,
    kafka_admin: AIOKafkaAdminClient,
    group: MakeGroup,
    capsys: pytest.CaptureFixture[str],
) -> None:
    topic = await kafka_topic()
    await publish(kafka_bootstrap, topic, counted(0, 50))
    read = group(topics=[topic], start="latest")  # which must not mean the end now
    async with group(topics=[topic]).member() as source:
        settle(source, (await take(source, 50))[:10])
        await source.flush()
    await kafka_admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=30)})
    async with read.member() as source:
        assert numbers(await take(source, 20)) == list(range(30, 50))
    said = capsys.readouterr().out
    assert "is gone" in said
    assert topic in said
    assert "30" in said


async def test_lag_is_what_is_not_settled(kafka_bootstrap: str, kafka_topic: MakeTopic, group: MakeGroup) -> None:
    topic = await kafka_topic(2)
    await publish(kafka_bootstrap, topic, counted(0, 60), 0)
    await publish(kafka_bootstrap, topic, counted(60, 100), 1)
    async with group(topics=[topic]).member(messages=10) as source:
        first = await source.receive(10)
        await until(lambda: source.lag == 100)
        settle(source, first)
        await until(lambda: source.lag == 90)
