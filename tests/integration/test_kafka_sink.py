"""The Kafka sink on a real Kafka, read back with Kafka's own consumer."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.produce import ProduceRequest

from bridge.cli.demo.install import Files
from bridge.cli.demo.kafka import Kafka
from bridge.errors import Disconnected, RouteFault
from bridge.message import DELIVERED, Message, Outcome, Properties, Verdict
from bridge.ports import Place, Sink
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings
from connectors.kafka import open_sink
from connectors.kafka.producer import Producer

PLACE = Place("test", "node", "route", 4000, 32 << 20)
DAY = 86_400_000


class MakeTopic(Protocol):
    def __call__(self, partitions: int = 1, config: Mapping[str, str] | None = None) -> Awaitable[str]: ...


class OwnKafka(Protocol):
    url: str

    def stop(self) -> None: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


@pytest.fixture
def broker(kafka_bootstrap: str) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": f"kafka://{kafka_bootstrap}"})


@pytest.fixture
def faults(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What asyncio and our own code complained about: unretrieved exceptions, unclosed things, destroyed tasks."""
    caplog.set_level(logging.ERROR, logger="asyncio")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "asyncio"]


def patient(url: str, seconds: int = 3) -> BrokerSettings:
    times = {"connect_timeout": f"{seconds}s", "broker_timeout": f"{seconds}s"}
    return BrokerSettings.model_validate({"url": url, **times})


def to(topic: str, **more: Any) -> KafkaSinkSettings:
    return KafkaSinkSettings.model_validate({"topic": topic, **more})


def numbered(start: int, stop: int, key: bytes | None = None) -> list[Message]:
    return [Message(b"%d" % number, f"uid-{number}", key=key) for number in range(start, stop)]


async def deliver(sink: Sink, messages: Sequence[Message], most: int = 4000) -> list[Outcome]:
    """Send with as many sends in flight as there is room for, and give all outcomes."""
    futures = []
    at = 0
    while at < len(messages):
        batch = messages[at : at + min(most, await sink.room())]
        futures.append(await sink.send(batch))
        at += len(batch)
    return [outcome for future in futures for outcome in await future]


async def read(bootstrap: str, topic: str) -> list[Any]:
    """Everything that is in a topic, in the order of the partitions and within them of the offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        # Naming the topic makes the consumer learn its partitions.
        await consumer._client._wait_on_metadata(topic)
        records = []
        for partition in sorted(consumer.partitions_for_topic(topic) or ()):
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                for found in (await consumer.getmany(place, timeout_ms=1000)).values():
                    records += found
        return records
    finally:
        await consumer.stop()


def refused(outcomes: Sequence[Outcome]) -> dict[int, tuple[Verdict, str]]:
    return {at: (out.verdict, out.reason) for at, out in enumerate(outcomes) if out is not DELIVERED}


async def test_order_is_kept_over_many_sends(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic()
    async with open_sink(broker, to(topic), PLACE) as sink:
        outcomes = await deliver(sink, numbered(0, 10_000), most=97)
        assert refused(outcomes) == {}
    assert [int(record.value) for record in await read(kafka_bootstrap, topic)] == list(range(10_000))


async def test_order_is_kept_for_each_key_over_partitions(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic(5)
    messages = [message._replace(key=b"key-%d" % (at % 23)) for at, message in enumerate(numbered(0, 5000))]
    async with open_sink(broker, to(topic), PLACE) as sink:
        assert refused(await deliver(sink, messages, most=333)) == {}
    records = await read(kafka_bootstrap, topic)
    assert len(records) == 5000
    for key in {record.key for record in records}:
        numbers = [int(record.value) for record in records if record.key == key]
        assert numbers == sorted(numbers)
        assert len({record.partition for record in records if record.key == key}) == 1


async def test_a_message_arrives_whole(broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic) -> None:
    topic = await kafka_topic()
    properties: Properties = {"content_type": "text/plain", "message_id": "m-1", "timestamp": 1_700_000_000_123}
    message = Message(
        b"body",
        "uid-1",
        "order.eu",
        "orders",
        None,
        properties,
        (("n", "i64", 7), ("n", "string", "7"), ("raw", "bytes", b"\xff"), ("nil", "void", None)),
    )
    far = Message(b"", "uid-2", properties={"timestamp": 2**60})
    tombstone = Message(None, "uid-3", key=b"k")
    nothing = Message(None, "uid-4")
    async with open_sink(broker, to(topic, key="{message_id}"), PLACE) as sink:
        assert refused(await deliver(sink, [message, far])) == {}
    async with open_sink(broker, to(topic), PLACE) as sink:
        assert refused(await deliver(sink, [tombstone, nothing])) == {}
    first, second, third, fourth = await read(kafka_bootstrap, topic)
    assert (first.key, first.value, first.timestamp) == (b"m-1", b"body", 1_700_000_000_123)
    assert list(first.headers) == [
        ("content-type", b"text/plain"),
        ("amqp-message-id", b"m-1"),
        ("amqp-timestamp", b"1700000000123"),
        ("amqp-exchange", b"orders"),
        ("amqp-routing-key", b"order.eu"),
        ("n", b"7"),
        ("n", b"7"),
        ("raw", b"\xff"),
        ("nil", None),
        ("fedbridge-types", b'{"n":["i64","string"],"raw":"bytes","nil":"void"}'),
        ("fedbridge-uid", b"uid-1"),
    ]
    assert (second.key, second.value) == (None, b"")
    assert abs(second.timestamp - time.time() * 1000) < DAY
    assert list(second.headers) == [("amqp-timestamp", b"%d" % 2**60), ("fedbridge-uid", b"uid-2")]
    assert (third.key, third.value) == (b"k", None)
    assert (fourth.key, fourth.value) == (None, None)


async def test_keys_go_where_the_java_client_puts_them(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic(7)
    # (murmur2(key) & 0x7fffffff) % 7, from the hashes in Kafka's own UtilsTest.testMurmur2
    hashes = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    messages = [Message(b"", key.decode(), key=key) for key in hashes]
    async with open_sink(broker, to(topic), PLACE) as sink:
        assert refused(await deliver(sink, messages)) == {}
    placed = {record.key: record.partition for record in await read(kafka_bootstrap, topic)}
    assert placed == {key: (hashed & 0x7FFFFFFF) % 7 for key, hashed in hashes.items()}


async def test_null_keys_spread_over_partitions(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic(4)
    async with open_sink(broker, to(topic), PLACE) as sink:
        assert refused(await deliver(sink, numbered(0, 400), most=50)) == {}
    partitions = [record.partition for record in await read(kafka_bootstrap, topic)]
    assert {partition: partitions.count(partition) for partition in range(4)} == dict.fromkeys(range(4), 100)


@pytest.mark.parametrize(
    ("config", "spoilt", "reason"),
    [
        ({"max.message.bytes": "10000"}, {"body": b"x" * 20_000}, "too_large"),
        (
            {"message.timestamp.after.max.ms": "60000"},
            {"properties": {"timestamp": int(time.time() * 1000) + DAY}},
            "invalid_timestamp",
        ),
        ({"message.timestamp.before.max.ms": str(DAY)}, {"properties": {"timestamp": 1}}, "invalid_timestamp"),
        ({"cleanup.policy": "compact"}, {"key": None}, "invalid_record"),
    ],
    ids=["too_large", "timestamp_after", "timestamp_before", "null_key"],
)
async def test_one_bad_record_is_refused_alone(
    broker: BrokerSettings,
    kafka_bootstrap: str,
    kafka_topic: MakeTopic,
    faults: Callable[[], list[str]],
    config: dict[str, str],
    spoilt: dict[str, Any],
    reason: str,
) -> None:
    topic = await kafka_topic(1, config)
    messages = numbered(0, 1000, key=b"k")
    messages[500] = messages[500]._replace(**spoilt)
    async with open_sink(broker, to(topic), PLACE) as sink:
        first = await sink.send(messages)
        second = await sink.send(numbered(1000, 1500, key=b"k"))
        assert refused(await first) == {500: (Verdict.REJECTED, reason)}
        assert refused(await second) == {}
        assert refused(await deliver(sink, numbered(1500, 2000, key=b"k"))) == {}
    expected = [number for number in range(2000) if number != 500]
    assert [int(record.value) for record in await read(kafka_bootstrap, topic)] == expected
    assert faults() == []


async def test_bad_records_in_several_partitions_cost_nobody_else(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic(3, {"message.timestamp.before.max.ms": str(DAY)})
    messages = [message._replace(key=b"key-%d" % (at % 11)) for at, message in enumerate(numbered(0, 2000))]
    bad = {3, 4, 777, 1200, 1999}
    for at in bad:
        messages[at] = messages[at]._replace(properties={"timestamp": 1})
    async with open_sink(broker, to(topic), PLACE) as sink:
        outcomes = await deliver(sink, messages, most=500)
    assert refused(outcomes) == dict.fromkeys(sorted(bad), (Verdict.REJECTED, "invalid_timestamp"))
    records = await read(kafka_bootstrap, topic)
    assert sorted(int(record.value) for record in records) == sorted(set(range(2000)) - bad)
    for partition in range(3):
        numbers = [int(record.value) for record in records if record.partition == partition]
        assert numbers == sorted(numbers)


async def test_what_cannot_be_encoded_is_refused_alone(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic()
    messages = numbered(0, 3)
    messages[1] = messages[1]._replace(headers=(("\udcff", "string", ""),))
    async with open_sink(broker, to(topic), PLACE) as sink:
        assert refused(await deliver(sink, messages)) == {1: (Verdict.REJECTED, "unencodable")}
        assert refused(await deliver(sink, messages[1:2])) == {0: (Verdict.REJECTED, "unencodable")}
    assert [record.value for record in await read(kafka_bootstrap, topic)] == [b"0", b"2"]


async def test_a_missing_topic_is_a_fault_of_the_route(broker: BrokerSettings) -> None:
    with pytest.raises(
        RouteFault, match=r"topic fedbridge\.absent does not exist .*--create.* or set create = true"
    ) as caught:
        async with open_sink(broker, to("fedbridge.absent"), PLACE):
            pass
    assert caught.value.reason == "missing"


async def test_a_topic_is_created_with_the_clusters_defaults(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = f"{await kafka_topic()}.created"
    for _ in range(2):
        async with open_sink(broker, to(topic, create=True), PLACE) as sink:
            assert refused(await deliver(sink, numbered(0, 10))) == {}
    assert len(await read(kafka_bootstrap, topic)) == 20


async def test_a_template_chooses_topics(broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic) -> None:
    topics = [await kafka_topic(2), await kafka_topic()]
    places: list[str | None] = [topics[0], topics[1], "a/b", "__internal", "fedbridge.absent", None, topics[0]]
    messages = [
        Message(b"%d" % at, str(at), headers=() if place is None else (("to", "string", place),))
        for at, place in enumerate(places)
    ]
    async with open_sink(broker, to("{header.to}"), PLACE) as sink:
        started = time.monotonic()
        for _ in range(2):
            assert refused(await deliver(sink, messages)) == {
                2: (Verdict.REJECTED, "bad_topic"),
                3: (Verdict.REJECTED, "bad_topic"),
                4: (Verdict.REJECTED, "missing_topic"),
                5: (Verdict.REJECTED, "missing_field"),
            }
        assert time.monotonic() - started < 5
    assert sorted(record.value for record in await read(kafka_bootstrap, topics[0])) == [b"0", b"0", b"6", b"6"]
    assert [record.value for record in await read(kafka_bootstrap, topics[1])] == [b"1", b"1"]


async def test_room_is_bounded(broker: BrokerSettings, kafka_topic: MakeTopic) -> None:
    topic = await kafka_topic()
    async with open_sink(broker, to(topic, max_in_flight=10), PLACE) as sink:
        assert await sink.room() == 10
        future = await sink.send(numbered(0, 10))
        assert await sink.room() == 10
        assert future.done()
    async with open_sink(broker, to(topic), PLACE) as sink:
        futures = [await sink.send(numbered(0, 10)), await sink.send(numbered(0, 10))]
        assert not any(future.done() for future in futures)
        assert await sink.room() == PLACE.messages - 10
        assert refused(await futures[1]) == {}


async def test_room_comes_after_the_outcomes_that_make_it(broker: BrokerSettings, kafka_topic: MakeTopic) -> None:
    """A lane that is given room must have learned of a setback before it sends what was never sent."""
    topic = await kafka_topic(2)
    learned: list[int] = []
    async with open_sink(broker, to(topic, max_in_flight=10), PLACE) as sink:
        for turn in range(20):
            await sink.room()
            assert len(learned) == turn
            future = await sink.send(numbered(0, 10))
            future.add_done_callback(lambda done: learned.append(len(done.result())))
        await sink.room()
    assert learned == [10] * 20


async def test_a_batch_that_is_given_up_is_a_loss(
    broker: BrokerSettings, kafka_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = await kafka_topic()
    submit = Producer.submit

    async def cancelled(self: Producer, builder: Any, name: str, partition: int) -> asyncio.Future[Any]:
        future = await submit(self, builder, name, partition)
        future.cancel()
        return future

    monkeypatch.setattr(Producer, "submit", cancelled)
    with pytest.raises(Disconnected, match="gave up"):  # noqa: PT012 - the loss ends the context, wherever its body is
        async with open_sink(broker, to(topic), PLACE) as sink:
            future = await sink.send(numbered(0, 10))
            await asyncio.Event().wait()
    assert refused(future.result()) == dict.fromkeys(range(10), (Verdict.UNKNOWN, "unknown_outcome"))


async def test_what_lacks_replicas_after_it_was_appended_is_there_once(
    kafka_bootstrap: str, kafka_topic: MakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka appends and answers NOT_ENOUGH_REPLICAS_AFTER_APPEND, here put in place of its answer to what it took."""
    topic = await kafka_topic()
    answers = 0
    lacking = False
    send = AIOKafkaConnection.send

    async def appended(connection: AIOKafkaConnection, request: Any) -> Any:
        nonlocal answers
        response = await send(connection, request)
        if lacking:
            answers += 1
            response.topics = [
                (name, [(partition, 20, -1, -1, -1) for partition, *_ in batches]) for name, batches in response.topics
            ]
        return response

    def answering(connection: AIOKafkaConnection, request: Any, **options: Any) -> Any:
        produce = isinstance(request, ProduceRequest)
        return appended(connection, request) if produce else send(connection, request, **options)

    monkeypatch.setattr(AIOKafkaConnection, "send", answering)
    async with open_sink(patient(f"kafka://{kafka_bootstrap}", 1), to(topic), PLACE) as sink:
        lacking = True
        futures = [await sink.send(numbered(0, 10)), await sink.send(numbered(10, 20))]
        started = time.monotonic()
        while answers < 20:  # noqa: ASYNC110 - each after aiokafka's pause of 0.1 s
            await asyncio.sleep(0.05)
        assert time.monotonic() - started > 1  # broker_timeout
        assert sink.waiting == f"enough in-sync replicas of topic {topic}, partition 0"
        lacking = False
        for future in futures:
            assert refused(await future) == {}
        assert sink.waiting is None
    assert [int(record.value) for record in await read(kafka_bootstrap, topic)] == list(range(20))


async def test_a_waiter_gone_does_not_stop_the_sending(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic, faults: Callable[[], list[str]]
) -> None:
    topic = await kafka_topic()
    async with open_sink(broker, to(topic), PLACE) as sink:
        future = await sink.send(numbered(0, 100))
        future.cancel()
        assert refused(await deliver(sink, numbered(100, 200))) == {}
    assert [int(record.value) for record in await read(kafka_bootstrap, topic)] == list(range(200))
    assert faults() == []


async def test_a_cancelled_send_has_sent_nothing(
    broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic
) -> None:
    topic = await kafka_topic()
    async with open_sink(broker, to("{header.to}"), PLACE) as sink:
        messages = [message._replace(headers=(("to", "string", topic),)) for message in numbered(0, 20)]
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(sink.send(messages[:10]), name="send")
            await asyncio.sleep(0)  # it is looking up the topic
            sending.cancel()
        assert refused(await deliver(sink, messages[10:])) == {}
    assert [int(record.value) for record in await read(kafka_bootstrap, topic)] == list(range(10, 20))


async def test_a_topic_deleted_under_way_ends_the_sink(
    kafka_bootstrap: str, kafka_topic: MakeTopic, kafka_admin: AIOKafkaAdminClient, faults: Callable[[], list[str]]
) -> None:
    topic = await kafka_topic()
    broker = patient(f"kafka://{kafka_bootstrap}")
    outcomes: asyncio.Future[Sequence[Outcome]] | None = None
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the context, wherever its body is
        async with open_sink(broker, to(topic), PLACE) as sink:
            assert refused(await deliver(sink, numbered(0, 10))) == {}
            await kafka_admin.delete_topics([topic])
            while topic in await kafka_admin.list_topics():  # noqa: ASYNC110 - only the broker knows when
                await asyncio.sleep(0.02)
            outcomes = await sink.send(numbered(10, 20))
            await asyncio.Event().wait()
    assert outcomes is not None
    assert {outcome.verdict for outcome in outcomes.result()} == {Verdict.UNKNOWN}
    with pytest.raises(RouteFault, match="does not exist"):
        async with open_sink(broker, to(topic), PLACE):
            pass
    assert topic not in await kafka_admin.list_topics()
    assert faults() == []


async def test_leaving_makes_what_is_unconfirmed_unknown(
    broker: BrokerSettings, kafka_topic: MakeTopic, faults: Callable[[], list[str]]
) -> None:
    topic = await kafka_topic()
    async with open_sink(broker, to(topic), PLACE) as sink:
        future = await sink.send(numbered(0, 100))
    assert refused(await future) == dict.fromkeys(range(100), (Verdict.UNKNOWN, "cancelled"))
    with pytest.raises(Disconnected):
        await sink.room()
    with pytest.raises(Disconnected):
        await sink.send(numbered(0, 1))
    assert faults() == []


async def test_the_bodys_own_error_leaves_as_it_is(broker: BrokerSettings, kafka_topic: MakeTopic) -> None:
    topic = await kafka_topic()
    with pytest.raises(LookupError, match="mine"):
        async with open_sink(broker, to(topic), PLACE):
            raise LookupError("mine")


async def test_nobody_there_is_refused() -> None:
    with pytest.raises(Disconnected, match=r"kafka://127\.0\.0\.1:1 cannot be reached") as caught:
        async with open_sink(patient("kafka://127.0.0.1:1"), to("orders"), PLACE):
            pass
    assert caught.value.reason == "refused"


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """A port that takes connections and never answers."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"kafka://{host}:{port}"
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_nobody_answering_is_a_timeout(faults: Callable[[], list[str]]) -> None:
    async with deaf() as url:
        started = time.monotonic()
        with pytest.raises(Disconnected) as caught:
            async with open_sink(patient(url, 1), to("orders"), PLACE):
                pass
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 3
    assert faults() == []


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_broker_that_goes_leaves_unknown_and_comes_back(
    own_kafka: OwnKafka, faults: Callable[[], list[str]], how: str
) -> None:
    broker = patient(own_kafka.url)
    settings = to("orders", create=True)
    futures = []
    with pytest.raises(Disconnected) as caught:  # noqa: PT012 - the loss ends the context, wherever its body is
        async with open_sink(broker, settings, PLACE) as sink:
            assert refused(await deliver(sink, numbered(0, 100))) == {}
            await asyncio.to_thread(own_kafka.stop if how == "stop" else own_kafka.kill)
            futures = [await sink.send(numbered(100, 200)), await sink.send(numbered(200, 300))]
            started = time.monotonic()
            await sink.room()
    assert 1 < time.monotonic() - started < 6
    assert caught.value.reason == "timeout"
    for future in futures:
        assert refused(future.result()) == dict.fromkeys(range(100), (Verdict.UNKNOWN, "timeout"))
    with pytest.raises(Disconnected):
        async with open_sink(broker, settings, PLACE):
            pass
    await asyncio.to_thread(own_kafka.start)
    async with open_sink(patient(own_kafka.url, 15), settings, PLACE) as sink:
        assert refused(await deliver(sink, numbered(100, 300))) == {}
    records = await read(own_kafka.url.removeprefix("kafka://"), "orders")
    assert [int(record.value) for record in records] == list(range(300))
    assert faults() == []


async def test_a_broker_that_goes_while_nothing_is_sent_is_noticed(own_kafka: OwnKafka) -> None:
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the context, wherever its body is
        async with asyncio.timeout(20), open_sink(patient(own_kafka.url), to("orders", create=True), PLACE):
            await asyncio.to_thread(own_kafka.stop)
            await asyncio.Event().wait()


async def test_a_short_outage_is_waited_out(own_kafka: OwnKafka, faults: Callable[[], list[str]]) -> None:
    async with open_sink(patient(own_kafka.url, 30), to("orders", create=True), PLACE) as sink:
        assert refused(await deliver(sink, numbered(0, 100))) == {}
        await asyncio.to_thread(own_kafka.kill)
        future = await sink.send(numbered(100, 200))
        await asyncio.to_thread(own_kafka.start)
        assert refused(await future) == {}
    records = await read(own_kafka.url.removeprefix("kafka://"), "orders")
    assert [int(record.value) for record in records] == list(range(200))
    assert faults() == []


def follower_of(leader: Kafka, files: Files, folder: Path) -> Kafka:
    """A second broker of the first one's cluster, not started: it has no controller of its own."""
    folder.mkdir()
    follower = Kafka(files.kafka, folder)
    ours, theirs = folder / "server.properties", leader.folder / "server.properties"
    lines = dict(line.split("=", 1) for line in ours.read_text("utf-8").splitlines())
    known = dict(line.split("=", 1) for line in theirs.read_text("utf-8").splitlines())
    lines |= {
        "process.roles": "broker",
        "node.id": "2",
        "controller.quorum.voters": known["controller.quorum.voters"],
        "listeners": lines["advertised.listeners"],
    }
    ours.write_text("".join(f"{name}={value}\n" for name, value in lines.items()), "utf-8")
    identity = (leader.data / "meta.properties").read_text("utf-8").replace("node.id=1", "node.id=2")
    own = [line for line in identity.splitlines() if not line.startswith("directory.id=")]
    (follower.data / "meta.properties").write_text("\n".join(own) + "\n", "utf-8")
    return follower


async def test_too_few_replicas_are_waited_out_and_nothing_doubles(
    own_kafka: Kafka, broker_files: Files, tmp_path: Path, faults: Callable[[], list[str]]
) -> None:
    with contextlib.closing(follower_of(own_kafka, broker_files, tmp_path / "follower")) as follower:
        await asyncio.to_thread(follower.start)
        admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka.bootstrap)
        await admin.start()
        config = {"min.insync.replicas": "2"}
        await admin.create_topics([NewTopic("orders", -1, -1, {0: [1, 2]}, topic_configs=config)])
        await admin.close()
        # A request that was on its way when the follower went has no answer at all, until it is sent again.
        times = {"connect_timeout": "2s", "broker_timeout": "5s"}
        broker = BrokerSettings.model_validate({"url": own_kafka.url, **times})
        async with open_sink(broker, to("orders"), PLACE) as sink:
            assert refused(await deliver(sink, numbered(0, 100))) == {}
            assert sink.waiting is None
            await asyncio.to_thread(follower.kill)
            futures = [await sink.send(numbered(100, 200)), await sink.send(numbered(200, 300))]
            async with asyncio.timeout(20):
                while sink.waiting is None:  # noqa: ASYNC110 - the broker's session ends when it does
                    await asyncio.sleep(0.05)
            await asyncio.sleep(6)  # longer than broker_timeout: what was a loss
            assert sink.waiting == "enough in-sync replicas of topic orders, partition 0"
            await asyncio.to_thread(follower.start)
            for future in futures:
                assert refused(await future) == {}
            assert sink.waiting is None
        records = await read(own_kafka.bootstrap, "orders")
        assert [int(record.value) for record in records] == list(range(300))
        assert faults() == []


async def test_throughput(broker: BrokerSettings, kafka_topic: MakeTopic, capsys: pytest.CaptureFixture[str]) -> None:
    """Not asserted: how fast 100,000 messages of 256 bytes with 5 properties and 3 headers go, on this machine."""
    topic = await kafka_topic()
    properties: Properties = {"content_type": "text/plain", "delivery_mode": 2, "timestamp": 1_700_000_000_000}
    properties |= {"app_id": "shop", "type": "update"}
    headers: Any = (("region", "string", "eu"), ("count", "i32", 42), ("trace", "string", "00-abc"))
    messages = [Message(b"x" * 256, str(n), "k", "e", None, properties, headers) for n in range(100_000)]
    async with open_sink(broker, to(topic), PLACE) as sink:
        wall, cpu = time.perf_counter(), time.process_time()
        assert refused(await deliver(sink, messages, most=1000)) == {}
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with capsys.disabled():
        print(f"\nKafka sink: {100_000 / wall:,.0f} msg/s, {cpu:.2f} CPU-s per 100,000")


async def test_the_producer_is_not_shared(broker: BrokerSettings, kafka_bootstrap: str, kafka_topic: MakeTopic) -> None:
    """Another producer's records in between change nothing: sequences are each producer's own."""
    topic = await kafka_topic()
    other = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, enable_idempotence=True)
    await other.start()
    try:
        async with open_sink(broker, to(topic), PLACE) as sink:
            for at in range(3):
                assert refused(await deliver(sink, numbered(at, at + 1))) == {}
                await other.send_and_wait(topic, b"other")
    finally:
        await other.stop()
    values = [record.value for record in await read(kafka_bootstrap, topic)]
    assert values == [b"0", b"other", b"1", b"other", b"2", b"other"]
