"""The MQTT sink on a real Mosquitto: what arrives, where, and what is said of what does not."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.demo.install import Files
from bridge.errors import RouteFault
from bridge.message import DELIVERED, Header, Message, Outcome, Verdict
from connectors.mqtt import Past
from connectors.mqtt.sink import MqttSink
from tests import mqtt
from tests.integration.mqtt_topics import (
    PATIENCE,
    Peer,
    Topics,
    bodies,
    messages,
    mosquitto,
    numbered,
    playing,
    send,
    speaking_311,
    take,
    take_and_settle,
    work_off,
)


@pytest.fixture
def topics(mqtt_url: str, unique: str) -> Topics:
    return Topics(mqtt_url, unique)


@pytest.fixture
def reader(topics: Topics) -> Iterator[mqtt.Session]:
    with topics.reader() as session:
        yield session


async def taken(reader: mqtt.Session) -> list[bytes]:
    return [message.body for message in await asyncio.to_thread(reader.take)]


async def test_every_property_and_header_arrives_as_another_library_reads_it(
    topics: Topics, reader: mqtt.Session
) -> None:
    message = Message(
        b"body",
        "uid-1",
        "order.eu",
        "orders",
        b"key",
        {"content_type": "text/plain", "correlation_id": "c", "expiration": "60000", "message_id": "m", "priority": 7},
        [
            ("tenant", "string", "acmé"),
            ("n", "i32", 5),
            ("tenant", "string", "two"),
            ("mqtt-response-topic", "string", "replies"),
            ("mqtt-payload-format", "u8", 1),
        ],
    )
    async with topics.sink(topic=f"{topics.name}/{{routing_key}}/{{header.tenant}}") as sink:
        assert await send(sink, [message]) == [DELIVERED]
    (found,) = await asyncio.to_thread(reader.take)
    assert (found.topic, found.body) == (f"{topics.name}/order.eu/acmé", b"body")
    read = mqtt.properties_of(found.properties)
    assert (read.ContentType, read.CorrelationData, read.ResponseTopic) == ("text/plain", b"c", "replies")
    assert (read.PayloadFormatIndicator, read.MessageExpiryInterval) == (1, 60)
    assert read.UserProperty == [
        ("amqp-message-id", "m"),
        ("amqp-priority", "7"),
        ("amqp-exchange", "orders"),
        ("amqp-routing-key", "order.eu"),
        ("kafka-key", "key"),
        ("tenant", "acmé"),
        ("n", "5"),
        ("tenant", "two"),
        ("fedbridge-types", '{"n":"i32"}'),
        ("fedbridge-uid", "uid-1"),
    ]


async def test_what_one_source_reads_another_reads_again_unchanged(topics: Topics) -> None:
    headers: list[Header] = [("f", "f64", 1.1), ("raw", "bytes", b"\0\xff"), ("void", "void", None), ("i", "i8", -3)]
    message = Message(None, "uid-1", f"{topics.name}/t", None, b"\0\xff", {"message_id": "m", "timestamp": 5}, headers)
    async with topics.source() as source:
        async with topics.sink() as sink:
            assert await send(sink, [message]) == [DELIVERED]
        (delivery,) = await take(source, 1)
        assert isinstance(delivery.message, Message)
        read = delivery.message._replace(path="")  # it says where that was: it does not go there again
        assert read == message
        async with topics.sink(topic="{topic}") as sink:
            assert await send(sink, [read]) == [DELIVERED]
        (again,) = await take(source, 1)
        assert again.message == delivery.message


async def test_order_is_kept_through_pipelined_batches(topics: Topics, reader: mqtt.Session) -> None:
    async with topics.sink() as sink:
        started = time.monotonic()
        assert await send(sink, messages(5000), most=130) == [DELIVERED] * 5000
        print(f"published and confirmed {5000 / (time.monotonic() - started):,.0f} msg/s")
    assert await taken(reader) == numbered(5000)


async def test_a_message_that_nobody_reads_is_delivered(mqtt_url: str, unique: str) -> None:
    async with Topics(mqtt_url, unique).sink() as sink:
        assert await send(sink, messages(100)) == [DELIVERED] * 100


async def test_at_quality_0_everything_that_is_said_to_be_delivered_arrives(
    topics: Topics, reader: mqtt.Session
) -> None:
    async with topics.sink(qos=0) as sink:
        assert await send(sink, messages(3000)) == [DELIVERED] * 3000
    async with asyncio.timeout(PATIENCE):
        found = await taken(reader)
        while len(found) < 3000:  # nothing tells when a broker has read what a client has written
            found += await taken(reader)
    assert found == numbered(3000)


async def test_what_is_to_be_retained_is_there_for_later_readers(topics: Topics) -> None:
    asks: list[Header] = [("mqtt-retain", "bool", True)]
    for retain, message, kept in (
        (True, Message(b"a", "u"), True),
        (None, Message(b"b", "u", headers=asks), True),
        (None, Message(b"c", "u"), False),
        (False, Message(b"d", "u", headers=asks), False),
    ):
        async with topics.sink(topic=f"{topics.name}/{{header.x:kept}}", retain=retain) as sink:
            assert await send(sink, [message._replace(body=b""), message]) == [DELIVERED] * 2
            with topics.reader() as late:
                assert [each.body for each in await asyncio.to_thread(late.take)] == ([message.body] if kept else [])
            with mqtt.Session(topics.url, f"{topics.name}-reader", clean=True, expiry=0):
                pass
            assert await send(sink, [Message(b"", "u", headers=asks)]) == [DELIVERED], "and is forgotten"


async def test_bad_topics_are_refused_before_and_cost_their_neighbours_nothing(
    topics: Topics, reader: mqtt.Session
) -> None:
    def message(number: int, topic: str | None) -> Message:
        return Message(b"%d" % number, f"u{number}", headers=[] if topic is None else [("t", "string", topic)])

    bad = ["a\0b", "a/+", "#", "x" * 65_536, "\udcff", None]
    batch = [message(number, f"{topics.name}/ok") for number in range(len(bad))]
    mixed = [each for pair in zip(batch, (message(9, topic) for topic in bad), strict=True) for each in pair]
    async with topics.sink(topic="{header.t}") as sink:
        outcomes = await send(sink, [*mixed, message(9, "$SYS/x"), message(9, "")])
        assert outcomes[:-2:2] == [DELIVERED] * len(bad)
        refused = [*outcomes[1:-2:2], *outcomes[-2:]]
        assert {outcome.verdict for outcome in refused} == {Verdict.REJECTED}
        assert [outcome.reason for outcome in refused] == ["bad_topic"] * 5 + ["missing_field"] + ["bad_topic"] * 2
        assert await send(sink, batch[:1]) == [DELIVERED]
    assert await taken(reader) == [*numbered(len(bad)), b"0"]


async def test_no_more_are_in_flight_than_the_broker_takes(broker_files: Files, unique: str) -> None:
    with mosquitto(broker_files, "max_inflight_messages 10") as broker:
        topics = Topics(broker.url, unique)
        with topics.reader() as reader:
            async with topics.sink() as sink:
                assert isinstance(sink, MqttSink)
                assert await sink.room() == 5, "half of ten, so that another half can be on its way"
                assert await send(sink, messages(200)) == [DELIVERED] * 200
            assert await taken(reader) == numbered(200)


async def test_a_broker_sees_no_more_unconfirmed_than_it_said() -> None:
    """What Mosquitto would end the connection for is seen by whoever plays it."""
    unconfirmed: list[int] = []
    most = 0

    async def broker(peer: Peer) -> None:
        nonlocal most
        await peer.accepts(b"\x21\x00\x07")
        for number in range(1, 41):
            mid = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH))).packet_id
            assert mid not in unconfirmed, "no identifier is used again before it is confirmed"
            unconfirmed.append(mid)
            most = max(most, len(unconfirmed))
            if number % 3 == 0 or number > 37:
                await peer.gives(*(mqtt.packet(mqtt.PUBACK, mid.to_bytes(2)) for mid in reversed(unconfirmed)))
                unconfirmed.clear()

    async with playing(broker) as url, Topics(url, "t").sink() as sink:
        assert await send(sink, messages(40)) == [DELIVERED] * 40
    assert 1 < most <= 7


async def test_a_packet_above_the_brokers_limit_is_refused_before(broker_files: Files, unique: str) -> None:
    with mosquitto(broker_files, "max_packet_size 2000") as broker:
        topics = Topics(broker.url, unique)
        with topics.reader() as reader:
            async with topics.sink() as sink:
                outcomes = await send(sink, [Message(b"0", "a"), Message(b"x" * 2000, "b"), Message(b"1", "c")])
                assert [outcome.reason for outcome in outcomes] == ["", "too_large", ""]
                assert outcomes[1].verdict is Verdict.REJECTED
                fitting = 2000 - (1 + 2 + 2 + len(f"{topics.name}/t") + 2 + 1 + 1 + 2 + 13 + 2 + 1)
                assert await send(sink, [Message(b"x" * fitting, "d")]) == [DELIVERED]
                assert (await send(sink, [Message(b"x" * (fitting + 1), "e")]))[0].reason == "too_large"
            assert await taken(reader) == [b"0", b"1", b"x" * fitting]


async def test_a_message_above_the_brokers_limit_of_payloads_is_refused_by_it(broker_files: Files, unique: str) -> None:
    with mosquitto(broker_files, "message_size_limit 100") as broker:
        topics = Topics(broker.url, unique)
        with topics.reader() as reader:
            async with topics.sink() as sink:
                outcomes = await send(sink, [Message(b"0", "a"), Message(b"x" * 101, "b"), Message(b"1", "c")])
            assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [
                (Verdict.DELIVERED, ""),
                (Verdict.REJECTED, "too_large"),
                (Verdict.DELIVERED, ""),
            ]
            assert await taken(reader) == [b"0", b"1"]


@pytest.fixture
def guarded(broker_files: Files, unique: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Topics]:
    """A broker where topic "shut" may not be written to; the parameter is its max_queued_messages."""
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite {unique}/open\ntopic read #\n")
    with mosquitto(broker_files, f"acl_file {acl}", f"max_queued_messages {request.param}") as broker:
        yield Topics(broker.url, unique)


def some_shut() -> list[Message]:
    return [
        Message(b"%d" % number, f"u{number}", headers=[("t", "string", "shut" if number in {1, 2, 5} else "open")])
        for number in range(7)
    ]


@pytest.mark.parametrize("guarded", [1_000_000], indirect=True)
async def test_a_topic_that_the_user_may_not_write_to_costs_its_neighbours_nothing(guarded: Topics) -> None:
    batch = some_shut()
    with guarded.reader() as reader:
        async with guarded.sink(topic=f"{guarded.name}/{{header.t}}") as sink:
            outcomes = await send(sink, batch)
            assert await send(sink, batch[:1]) == [DELIVERED]
        assert [outcome.reason for outcome in outcomes] == ["", "forbidden", "forbidden", "", "", "forbidden", ""]
        assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED, Verdict.REJECTED}
        assert outcomes[1].detail == f"{guarded.url} refused it: not authorized (0x87)"
        assert await taken(reader) == [b"0", b"3", b"4", b"6", b"0"]


@pytest.mark.parametrize("guarded", [0], indirect=True)
async def test_a_broker_that_ends_the_connection_behind_each_refusal_costs_only_that(guarded: Topics) -> None:
    """Mosquitto before 2.0.22 does so if max_queued_messages is 0; a refusal that comes behind others is then lost."""
    past = Past()
    with guarded.reader() as reader:
        final = await work_off(lambda: guarded.sink(past, topic=f"{guarded.name}/{{header.t}}"), some_shut())
        reasons = [final[f"u{number}"].reason for number in range(7)]
        assert reasons == ["", "forbidden", "forbidden", "", "", "forbidden", ""]
        assert list(dict.fromkeys(await taken(reader))) == [b"0", b"3", b"4", b"6"]


@pytest.mark.parametrize(
    ("code", "verdict", "reason"),
    [
        (0x80, Verdict.RETRY, "refused"),
        (0x83, Verdict.RETRY, "refused"),
        (0x90, Verdict.REJECTED, "bad_topic"),
        (0x97, Verdict.HOLD, "quota"),
        (0x99, Verdict.REJECTED, "payload_format"),
    ],
)
async def test_each_answer_of_a_broker_has_its_verdict(code: int, verdict: Verdict, reason: str) -> None:
    words = b"\x1f" + mqtt.text("its words")

    async def broker(peer: Peer) -> None:
        await peer.accepts()
        answers = (b"", b"\x10", bytes((code, len(words))) + words, b"\0")
        for answer in answers:
            mid = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH))).packet_id
            await peer.gives(mqtt.packet(mqtt.PUBACK, mid.to_bytes(2) + answer))
        await peer.gives(mqtt.packet(mqtt.PUBACK, b"\xff\xff"))  # of nothing that was sent

    async with playing(broker) as url, Topics(url, "t").sink() as sink:
        outcomes = await send(sink, messages(4))
    assert outcomes[:2] == outcomes[3:] * 2 == [DELIVERED] * 2
    assert outcomes[2][:2] == (verdict, reason)
    assert outcomes[2].detail.endswith("its words")


@pytest.mark.parametrize(
    ("setting", "table", "words"),
    [
        ("retain_available false", {"retain": True}, "does not retain"),
        ("max_qos 0", {"qos": 1}, "QoS 0 only"),
    ],
)
async def test_a_route_that_wants_what_the_broker_has_not_is_told_when_it_opens(
    broker_files: Files, unique: str, setting: str, table: dict[str, Any], words: str
) -> None:
    with mosquitto(broker_files, setting) as broker:
        with pytest.raises(RouteFault, match=words) as fault:
            async with Topics(broker.url, unique).sink(**table):
                pass
        assert (fault.value.reason, fault.value.final) == ("conflict", False)


async def test_a_broker_that_does_not_retain_gets_what_asks_for_it_without(broker_files: Files, unique: str) -> None:
    with mosquitto(broker_files, "retain_available false") as broker:
        topics = Topics(broker.url, unique)
        with topics.reader() as reader:
            async with topics.sink() as sink:
                asking = Message(b"0", "u", headers=[("mqtt-retain", "bool", True)])
                assert await send(sink, [asking]) == [DELIVERED]
            assert await taken(reader) == [b"0"]


async def test_a_broker_of_3_1_1_gets_topic_and_payload(topics: Topics, reader: mqtt.Session) -> None:
    async with speaking_311(topics.url) as url, Topics(url, topics.name).sink() as sink:
        assert (
            await send(sink, [Message(b"%d" % number, "u", key=b"k") for number in range(1000)]) == [DELIVERED] * 1000
        )
    found = await asyncio.to_thread(reader.take)
    assert [message.body for message in found] == numbered(1000)
    assert {message.properties for message in found} == {b""}


async def test_room_and_max_in_flight(topics: Topics) -> None:
    async with topics.sink(max_in_flight=7) as sink:
        assert await sink.room() == 3
        first = await sink.send(messages(3))
        second = await sink.send(messages(4))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await sink.room()
        assert [*await first, *await second] == [DELIVERED] * 7
        async with asyncio.timeout(PATIENCE):
            assert await sink.room() == 3
    async with topics.sink(max_in_flight=1) as sink:
        assert await sink.room() == 1
        assert await send(sink, messages(20)) == [DELIVERED] * 20


async def test_a_batch_that_is_all_refused_leaves_the_sink_as_it_was(topics: Topics) -> None:
    async with topics.sink(topic="{header.t}") as sink:
        for _ in range(3):
            outcomes: list[Outcome] = await send(sink, messages(5))
            assert {outcome.reason for outcome in outcomes} == {"missing_field"}
        assert await sink.room() == 250


async def test_large_messages_arrive_whole_and_nothing_piles_up_behind_them(
    topics: Topics, reader: mqtt.Session
) -> None:
    large = [Message(bytes([number]) * 3_000_000, f"u{number}") for number in range(8)]
    async with topics.sink(messages=8) as sink:
        assert isinstance(sink, MqttSink)
        sending = [await sink.send(large[:4])]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await sink.room()
        async with asyncio.timeout(PATIENCE):
            assert await sink.room()
        assert sink._session.unwritten <= 1 << 20
        sending.append(await sink.send(large[4:]))
        assert [outcome for future in sending for outcome in await future] == [DELIVERED] * 8
    assert await taken(reader) == [message.body for message in large]


async def test_what_has_arrived_is_read_by_the_source(topics: Topics) -> None:
    async with topics.source() as source, topics.sink() as sink:
        assert await send(sink, messages(2000)) == [DELIVERED] * 2000
        assert bodies(await take(source, 2000)) == numbered(2000)


ODD = ("\n", "\t", "\x1f", "\x7f", "\x85", "\ufdd0", "\uffff", "\U0010ffff", "\0")
"""What Mosquitto ends the connection for, without a word, in any text."""


async def test_text_that_brokers_refuse_crosses_as_bytes_or_is_refused_before(topics: Topics) -> None:
    batch = [
        message
        for number, sign in enumerate(ODD)
        for message in (
            Message(b"%d" % number, f"u{number}", key=f"k{sign}".encode(), headers=[("h", "string", f"a{sign}b")]),
            Message(b"", f"p{number}", properties={"type": sign}),
            Message(b"", f"n{number}", headers=[(f"n{sign}", "i8", 1)]),
            Message(b"", f"t{number}", headers=[("t", "string", sign)]),
            Message(b"", f"u{sign}"),
        )
    ]
    async with topics.source() as source, topics.sink(topic=f"{topics.name}/{{header.t:t}}") as sink:
        outcomes = await send(sink, batch)
        found = await take_and_settle(source, 2 * len(ODD))
    assert [outcome.reason for outcome in outcomes] == ["", "", "unencodable", "bad_topic", "unencodable"] * len(ODD)
    assert bodies(found[::2]) == numbered(len(ODD))
    for sign, delivery, other in zip(ODD, found[::2], found[1::2], strict=True):
        assert isinstance(delivery.message, Message)
        assert delivery.message.key == f"k{sign}".encode()
        assert delivery.message.headers == [("h", "string", f"a{sign}b")]
        assert isinstance(other.message, Message)
        assert other.message.properties == {"type": sign}
