"""Headers of records that came by Kafka: what nobody has touched is written as it was read."""

from typing import cast

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Message, Properties
from bridge.paths import Trail
from bridge.raw import Pairs, RawHeaders
from connectors.kafka.codec import LAST_TIMESTAMP, Encoder
from connectors.kafka.decoder import Decoder
from connectors.kafka.records import PlainRecord
from tests.unit.connectors.kafka.messages import UID, decoded, foreign
from tests.unit.connectors.kafka.records import CREATED

PLAIN: Pairs = [("b", b"\xff"), ("content-type", b"text/plain"), ("fedbridge-types", b"{}"), ("a", None), ("b", b"2")]


def named(uid: str) -> tuple[str, bytes]:
    return ("fedbridge-uid", uid.encode())


def touched(message: Message) -> Message:
    """The same message, in other objects."""
    return message._replace(properties=cast("Properties", dict(message.properties)), headers=tuple(message.headers))


def test_what_nobody_touched_is_written_as_it_was_read() -> None:
    message = decoded(PLAIN, timestamp=5)
    record = Encoder().record(message, b"key")
    assert record == (b"key", b"", 5, [*PLAIN, named(UID.replace(str(CREATED), "5"))])
    assert isinstance(message.headers, RawHeaders)
    assert message.headers.given == PLAIN, "it is not written to"


def test_a_uid_that_it_brought_is_all_the_uid_there_is() -> None:
    message = decoded([named("u-1"), *PLAIN])
    assert Encoder().record(message, None).headers == [named("u-1"), *PLAIN]
    assert isinstance(message.headers, RawHeaders)
    assert message.headers.given == [named("u-1"), *PLAIN]


@pytest.mark.parametrize("brought", [[None], [b""], [None, b'["x/y"]'], [b'["x/y"]', b""]])
def test_what_is_no_path_is_not_passed_on(brought: list[bytes | None]) -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, 5, None, b"", [("a", b"1"), *(("fedbridge-path", raw) for raw in brought)])
    batch = DefaultRecordBatch(bytes(builder.build()))
    (delivery,) = Decoder("cluster", Trail("k")).deliveries(batch, "orders", 3, 40)
    assert isinstance(delivery.message, Message)
    path = b'["x/y","k/orders"]' if b'["x/y"]' in brought else b'["k/orders"]'
    headers = Encoder().record(delivery.message, None).headers
    assert [raw for name, raw in headers if name == "fedbridge-path"] == [path]
    assert list(delivery.message.headers) == [("a", "string", "1")]


@pytest.mark.parametrize("mark", [None, b""])
def test_what_marks_no_types_is_no_header_of_the_next_hop(mark: bytes | None) -> None:
    message = decoded([("a", b"1"), ("fedbridge-types", mark)])
    again = decoded(Encoder().record(message, None).headers)
    assert list(again.headers) == [("a", "string", "1")]


def test_another_body_key_or_address_leaves_the_headers_as_they_were() -> None:
    message = decoded(PLAIN)._replace(body=b"other", key=b"other", address="other")
    assert Encoder().record(message, b"k") == (b"k", b"other", CREATED, [*PLAIN, named(UID)])


def test_other_properties_are_written() -> None:
    message = decoded([("a", b"1"), ("content-type", b"text/plain")])
    other = cast("Properties", {**message.properties, "content_type": "text/html"})
    assert Encoder().record(message._replace(properties=other), None).headers == [
        ("content-type", b"text/html"),
        ("amqp-timestamp", b"%d" % CREATED),
        ("a", b"1"),
        named(UID),
    ]


def test_other_headers_are_written() -> None:
    message = decoded([("a", b"1"), ("content-type", b"text/plain")])._replace(headers=(("b", "i8", 1),))
    assert Encoder().record(message, None).headers == [
        ("content-type", b"text/plain"),
        ("amqp-timestamp", b"%d" % CREATED),
        ("b", b"1"),
        ("fedbridge-types", b'{"b":"i8"}'),
        named(UID),
    ]


@pytest.mark.parametrize("brought", [[], [named("u-1")]])
@pytest.mark.parametrize("uid", ["u-2", "größe"])
def test_another_uid_is_written_once(brought: Pairs, uid: str) -> None:
    message = decoded([("a", b"\xff"), *brought])._replace(uid=uid)
    headers = Encoder().record(message, None).headers
    assert [pair for pair in headers if pair[0] == "fedbridge-uid"] == [named(uid)]
    assert ("a", b"\xff") in headers


@pytest.mark.parametrize("brought", [[], [named("u-1")]])
def test_another_uid_that_has_no_bytes_is_unmappable(brought: Pairs) -> None:
    with pytest.raises(Unmappable, match="not text"):
        Encoder().record(decoded(brought)._replace(uid="\ud800"), None)


@pytest.mark.parametrize("brought", [[], [named(f"kafka:c/t/0/0@{LAST_TIMESTAMP + 1}")]])
def test_a_time_that_no_calendar_has_is_kept_in_a_header(brought: Pairs) -> None:
    message = decoded([("a", b"\xff"), *brought], timestamp=LAST_TIMESTAMP + 1)
    record = Encoder().record(message, None)
    assert record.timestamp is None, "such a record would never expire"
    assert ("amqp-timestamp", b"%d" % (LAST_TIMESTAMP + 1)) in record.headers
    assert decoded(record.headers) == message._replace(uid=decoded(record.headers).uid)


def test_the_time_of_a_record_that_a_bridge_wrote_is_passed_on_and_is_not_the_messages() -> None:
    message = decoded([("a", b"1"), named("u-1")])
    assert message.properties == {}
    assert Encoder().record(message, None) == (None, b"", CREATED, [("a", b"1"), named("u-1")])
    assert decoded([named(f"kafka:c/t/0/0@{CREATED}")]).properties == {"timestamp": CREATED}


def test_the_brokers_time_is_not_passed_on() -> None:
    appended = PlainRecord(0, CREATED, 1, None, b"", [("a", b"1")])
    (delivery,) = Decoder("c").deliveries([appended], "t", 0, 0)
    assert isinstance(delivery.message, Message)
    record = Encoder().record(delivery.message, None)
    assert (record.timestamp, record.headers) == (None, [("a", b"1"), named(f"kafka:c/t/0/0@{CREATED}")])


@pytest.mark.parametrize("name", ["a", "größe"])
def test_what_was_read_in_python_is_written_as_it_was_read(name: str) -> None:
    (delivery,) = Decoder("c").deliveries([PlainRecord(0, CREATED, 0, None, b"", [(name, b"\xff")])], "t", 0, 0)
    assert isinstance(delivery.message, Message)
    assert Encoder().record(delivery.message, None).headers == [(name, b"\xff"), named(delivery.message.uid)]


def test_names_that_are_not_text_cannot_be_written() -> None:
    (delivery,) = Decoder("c").deliveries([PlainRecord(0, CREATED, 0, None, b"", [("\udcff", b"v")])], "t", 0, 0)
    assert isinstance(delivery.message, Message)
    with pytest.raises(Unmappable, match="not text"):
        Encoder().record(delivery.message, None)


@given(foreign, st.none() | st.binary(max_size=3))
def test_what_was_touched_has_the_same_meaning(headers: Pairs, value: bytes | None) -> None:
    message = decoded(headers, value=value)
    record = Encoder().record(touched(message), None)
    assert record.value == value
    again = decoded(record.headers, value=record.value, timestamp=CREATED)
    own = [header for header in message.headers if not header[0].startswith("fedbridge-")]
    assert repr(again._replace(headers=list(again.headers))) == repr(message._replace(headers=own))


@given(foreign)
def test_what_was_not_touched_has_the_same_meaning(headers: Pairs) -> None:
    message = decoded(headers)
    before = list(headers)
    record = Encoder().record(message, None)
    assert decoded(record.headers)[:6] == message[:6]
    uids = [value for name, value in headers if name == "fedbridge-uid"]
    if ("fedbridge-types", None) in headers:
        assert ("fedbridge-types", None) not in record.headers
    elif len(uids) == 0:
        assert record.headers == [*before, named(UID)]
    elif len(uids) == 1 and message.uid != UID:
        assert record.headers == before
    assert headers == before


def test_headers_are_a_sequence_like_any_other() -> None:
    headers = decoded([("a", b"1"), ("b", b"2")]).headers
    assert headers == [("a", "string", "1"), ("b", "string", "2")]
    assert headers == decoded([("a", b"1"), ("b", b"2")]).headers
    assert (headers[0], headers[1:]) == (("a", "string", "1"), [("b", "string", "2")])
    assert len(headers) == 2
    assert ("a", "string", "1") in headers
    assert not decoded([named("u")]).headers
    assert headers != [("a", "string", "1")]
    with pytest.raises(TypeError):
        hash(headers)
