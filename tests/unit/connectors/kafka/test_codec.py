"""Messages as Kafka records."""

import base64
import json
from decimal import Decimal

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Type, Value
from bridge.raw import Pairs
from connectors.kafka.codec import LAST_TIMESTAMP, Encoder
from tests.unit.connectors.kafka.messages import messages

FULL: Properties = {
    "content_type": "application/json",
    "content_encoding": "gzip",
    "delivery_mode": 2,
    "priority": 0,
    "correlation_id": "c-1",
    "reply_to": "amq.rabbitmq.reply-to",
    "expiration": "60000",
    "message_id": "m-1",
    "timestamp": 1_700_000_000_000,
    "type": "product.updated",
    "user_id": "guest",
    "app_id": "shop",
    "cluster_id": "",
}


def headers_of(*headers: Header) -> Pairs:
    return Encoder().record(Message(b"", "u", headers=headers), None).headers


def test_every_property_has_its_header() -> None:
    record = Encoder().record(Message(b"{}", "uid-1", "order.eu", "orders", None, FULL), b"k")
    assert record.key == b"k"
    assert record.value == b"{}"
    assert record.timestamp == 1_700_000_000_000
    assert record.headers == [
        ("content-type", b"application/json"),
        ("amqp-content-encoding", b"gzip"),
        ("amqp-delivery-mode", b"2"),
        ("amqp-priority", b"0"),
        ("amqp-correlation-id", b"c-1"),
        ("amqp-reply-to", b"amq.rabbitmq.reply-to"),
        ("amqp-expiration", b"60000"),
        ("amqp-message-id", b"m-1"),
        ("amqp-timestamp", b"1700000000000"),
        ("amqp-type", b"product.updated"),
        ("amqp-user-id", b"guest"),
        ("amqp-app-id", b"shop"),
        ("amqp-cluster-id", b""),
        ("amqp-exchange", b"orders"),
        ("amqp-routing-key", b"order.eu"),
        ("fedbridge-uid", b"uid-1"),
    ]


def test_what_is_absent_is_not_invented() -> None:
    assert Encoder().record(Message(None, "u", "a/topic"), None) == (None, None, None, [("fedbridge-uid", b"u")])


def test_an_empty_body_is_not_a_tombstone() -> None:
    assert Encoder().record(Message(b"", "u"), b"k").value == b""
    assert Encoder().record(Message(None, "u"), b"k").value is None


@pytest.mark.parametrize(
    ("kind", "value", "expected", "marked"),
    [
        ("string", "größe", "größe".encode(), None),
        ("string", b"\xff\xfe", b"\xff\xfe", "string"),
        ("string", "\udcff", b"\xff", "string"),
        ("bytes", b"\x00\xff", b"\x00\xff", None),
        ("bytes", b"text", b"text", "bytes"),
        ("void", None, None, None),
        ("bool", True, b"true", "bool"),
        ("i64", -(2**63), b"-9223372036854775808", "i64"),
        ("f64", 1.1, b"1.1", "f64"),
        ("decimal", Decimal("1.50"), b"1.50", "decimal"),
        ("timestamp", 0, b"1970-01-01T00:00:00Z", "timestamp"),
        ("array", (("i64", 1), ("string", "a")), b'[1,"a"]', "array"),
        ("table", (("k", "bool", False),), b'{"k":false}', "table"),
    ],
)
def test_each_type_has_its_form_and_its_mark(
    kind: Type, value: Value, expected: bytes | None, marked: str | None
) -> None:
    headers = headers_of(("h", kind, value))
    assert headers[0] == ("h", expected)
    mark = [] if marked is None else [("fedbridge-types", f'{{"h":"{marked}"}}'.encode())]
    assert headers[1:] == [*mark, ("fedbridge-uid", b"u")]


def test_order_and_repeats_are_kept() -> None:
    headers = headers_of(("b", "i64", 1), ("a", "string", "x"), ("b", "string", "2"), ("c", "u8", 1), ("c", "u8", 2))
    assert [name for name, _ in headers] == ["b", "a", "b", "c", "c", "fedbridge-types", "fedbridge-uid"]
    assert json.loads(headers[5][1] or b"") == {"b": ["i64", "string"], "c": "u8"}


def test_our_own_headers_are_there_once() -> None:
    headers = headers_of(("fedbridge-uid", "string", "forged"), ("fedbridge-types", "i8", 1))
    assert headers == [("fedbridge-uid", b"u")]


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [(0, 0), (LAST_TIMESTAMP, LAST_TIMESTAMP), (LAST_TIMESTAMP + 1, None), (-1, None), (2**64, None)],
)
def test_a_timestamp_no_calendar_has_is_only_in_its_header(timestamp: int, expected: int | None) -> None:
    record = Encoder().record(Message(b"", "u", properties={"timestamp": timestamp}), None)
    assert record.timestamp == expected
    assert record.headers[0] == ("amqp-timestamp", str(timestamp).encode())


@pytest.mark.parametrize(
    "message",
    [
        Message(b"", "u", headers=(("\udcff", "string", ""),)),
        Message(b"", "u", headers=(("h", "string", "\ud800"),)),
        Message(b"", "u", properties={"type": "\ud800"}),
    ],
)
def test_text_without_bytes_is_unmappable(message: Message) -> None:
    with pytest.raises(Unmappable) as caught:
        Encoder().record(message, None)
    assert caught.value.reason == "unencodable"
    str(caught.value).encode()


def test_a_table_too_deep_is_unmappable() -> None:
    value: Value = ()
    for _ in range(20_000):
        value = (("t", "table", value),)
    with pytest.raises(Unmappable) as caught:
        Encoder().record(Message(b"", "u", headers=(("h", "table", value),)), None)
    assert caught.value.reason == "too_deep"


@given(messages, st.none() | st.binary())
def test_kafkas_format_takes_every_record(message: Message, key: bytes | None) -> None:
    try:
        record = Encoder().record(message, key)
    except Unmappable:
        return
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, record.timestamp, record.key, record.value, record.headers)
    (read,) = DefaultRecordBatch(bytes(builder.build()))
    assert (read.key, read.value, read.headers) == (key, message.body, record.headers)
    assert read.headers[-1][0] == "fedbridge-uid"
    carried = [(name, kind, value) for name, kind, value in message.headers if not name.startswith("fedbridge-")]
    names = [name for name, _ in read.headers]
    first = len(message.properties) + (0 if message.exchange is None else 2)
    assert names[first : first + len(carried)] == [name for name, _, _ in carried]


def test_bytes_that_are_typed_are_told_from_text() -> None:
    raw = base64.b64decode("AAEC")
    assert headers_of(("h", "bytes", raw))[1] == ("fedbridge-types", b'{"h":"bytes"}')
    assert headers_of(("h", "string", raw))[1] == ("fedbridge-uid", b"u")


_name = st.sampled_from(["a", "b", "größe", "fedbridge-uid", "fedbridge-types", "\udcff"])
_shaped = st.builds(
    lambda headers, address, exchange: Message(b"", "u", address, exchange, headers=tuple(headers)),
    st.lists(st.tuples(_name, st.sampled_from([("string", "x"), ("i64", 7), ("void", None)])), max_size=4).map(
        lambda given: [(name, *typed) for name, typed in given]
    ),
    st.sampled_from(["", "x", "\udcff", "\ud800"]),
    st.sampled_from(["", "x", "\udcff", "\ud800"]),
)


def _attempt(encoder: Encoder, message: Message) -> object:
    try:
        return encoder.record(message, None)
    except Unmappable as error:
        return error.reason


@given(st.lists(_shaped, max_size=20))
def test_what_is_remembered_changes_nothing(messages: list[Message]) -> None:
    remembering = Encoder()
    for message in messages:
        assert _attempt(remembering, message) == _attempt(Encoder(), message)
