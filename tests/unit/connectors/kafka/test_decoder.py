"""Kafka records as messages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Delivery, Element, Header, Message, Type, Value
from bridge.raw import Pairs
from bridge.values import text_of
from connectors.kafka.codec import LAST_TIMESTAMP, Encoder
from connectors.kafka.decoder import Decoder, short_cluster
from connectors.kafka.records import PlainRecord
from tests.unit.bridge.typed import came_back
from tests.unit.connectors.kafka.messages import UID, decoded, delivered, foreign, messages
from tests.unit.connectors.kafka.records import CREATED, legacy, read


def test_a_record_of_anybody_is_a_message_with_its_position_for_a_name() -> None:
    delivery = delivered([("a", b"1"), ("b", None), ("a", b"\xff")], b"\x00key", None)
    message = decoded([("a", b"1"), ("b", None), ("a", b"\xff")], key=b"\x00key", value=None)
    assert delivery == Delivery(message, 40, len(b"a1" + b"b" + b"a\xff" + b"\x00key"))
    assert message[:5] == (None, UID, "orders", None, b"\x00key")
    assert list(message.headers) == [("a", "string", "1"), ("b", "void", None), ("a", "bytes", b"\xff")]
    assert message.properties == {"timestamp": CREATED}


def test_null_and_empty_are_not_the_same() -> None:
    assert decoded([], key=None, value=None)[::4] == (None, None)
    assert decoded([], key=b"", value=b"")[::4] == (b"", b"")
    assert list(decoded([("h", b""), ("h", None)]).headers) == [("h", "string", ""), ("h", "void", None)]


@pytest.mark.parametrize("key", [None, b"", b"12"])
@pytest.mark.parametrize("value", [None, b"", b"345"])
@pytest.mark.parametrize("headers", [[], [("content-type", b"text/plain"), ("fedbridge-uid", b"u"), ("h", None)]])
def test_the_size_is_that_of_key_value_and_headers(key: bytes | None, value: bytes | None, headers: Pairs) -> None:
    size = len(key or b"") + len(value or b"") + sum(len(name) + len(raw or b"") for name, raw in headers)
    assert delivered(headers, key, value).size == size


def test_receipts_count_up() -> None:
    records = [PlainRecord(offset, CREATED, 0, None, b"v", []) for offset in (3, 5, 9)]
    found = Decoder("c").deliveries(records, "t", 0, 7)
    assert [delivery.receipt for delivery in found] == [7, 8, 9]
    assert [delivery.message.uid for delivery in found if isinstance(delivery.message, Message)] == [
        f"kafka:c/t/0/{offset}@{CREATED}" for offset in (3, 5, 9)
    ]


def test_the_time_is_the_producers_and_never_the_brokers() -> None:
    appended = PlainRecord(0, CREATED, 1, None, b"", [])
    (delivery,) = Decoder("c").deliveries([appended], "t", 0, 0)
    assert isinstance(delivery.message, Message)
    assert delivery.message.properties == {}
    assert delivery.message.uid == f"kafka:c/t/0/0@{CREATED}"
    assert decoded([("amqp-timestamp", b"-5")]).properties == {"timestamp": -5}
    assert decoded([], timestamp=-1).properties == {}


@pytest.mark.parametrize("codec", [0, 1])
def test_messages_without_a_time_are_read(codec: int) -> None:
    found = Decoder("c").deliveries(read(legacy(5, 0, [b"v"], codec)), "t", 0, 0)
    assert [delivery.message[:6] for delivery in found] == [(b"v", "kafka:c/t/0/5@-1", "t", None, b"k", {})]


def test_headers_of_properties_become_properties_and_others_stay() -> None:
    message = decoded(
        [
            ("content-type", b"text/plain"),
            ("content-type", b"text/html"),
            ("amqp-priority", b"007"),
            ("amqp-delivery-mode", b"2"),
            ("amqp-correlation-id", b"\xff"),
            ("amqp-reply-to", None),
            ("amqp-exchange", b"orders"),
            ("amqp-routing-key", b"order.eu"),
        ]
    )
    assert message.properties == {
        "content_type": "text/plain",
        "delivery_mode": 2,
        "correlation_id": "\udcff",
        "timestamp": CREATED,
    }
    assert list(message.headers) == [
        ("content-type", "string", "text/html"),
        ("amqp-priority", "string", "007"),
        ("amqp-reply-to", "void", None),
        ("amqp-exchange", "string", "orders"),
        ("amqp-routing-key", "string", "order.eu"),
    ]


@pytest.mark.parametrize("raw", [b"", b"-", b"-0", b"+1", b" 1", b"1_0", "\u0661".encode(), b"1.0", b"9" * 25, b"\xff"])
def test_what_is_no_number_stays_a_header(raw: bytes) -> None:
    message = decoded([("amqp-timestamp", raw)])
    assert message.properties == {"timestamp": CREATED}
    assert [(name, text_of(kind, value)) for name, kind, value in message.headers if kind == "string"] == (
        [] if raw == b"\xff" else [("amqp-timestamp", raw.decode())]
    )
    assert len(message.headers) == 1


@pytest.mark.parametrize("number", [0, -1, LAST_TIMESTAMP + 1, (2**64 - 1) * 1000, -(2**63)])
def test_any_time_that_amqp_can_say_comes_back(number: int) -> None:
    assert decoded([("amqp-timestamp", b"%d" % number)]).properties == {"timestamp": number}


@pytest.mark.parametrize(
    ("given_headers", "uid", "left"),
    [
        ([("fedbridge-uid", b"u-1")], "u-1", []),
        ([("fedbridge-uid", b"u-1"), ("fedbridge-uid", b"u-2")], "u-1", [("fedbridge-uid", "string", "u-2")]),
        ([("fedbridge-uid", b"\xff")], UID, [("fedbridge-uid", "bytes", b"\xff")]),
        ([("fedbridge-uid", None)], UID, [("fedbridge-uid", "void", None)]),
        ([("fedbridge-uid", b"")], UID, [("fedbridge-uid", "string", "")]),
        ([("fedbridge-uid", b""), ("fedbridge-uid", b"u-1")], "u-1", [("fedbridge-uid", "string", "")]),
        ([("fedbridge-uid", b"\xff"), ("fedbridge-uid", b"u-1")], "u-1", [("fedbridge-uid", "bytes", b"\xff")]),
    ],
)
def test_an_inbound_uid_is_kept_if_it_is_one(given_headers: Pairs, uid: str, left: list[Header]) -> None:
    message = decoded(given_headers)
    assert message.uid == uid
    assert list(message.headers) == left
    again = Encoder().record(message, None).headers
    assert [value for name, value in again if name == "fedbridge-uid"] == [uid.encode()], "ours, once"


_ARRAY: tuple[Element, ...] = (("void", None), ("bool", True), ("string", "x"), ("f64", 0.5), ("u64", 2**63))


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("i32", b"-7", -7),
        ("u64", b"18446744073709551615", 2**64 - 1),
        ("bool", b"true", True),
        ("f32", b"0.5", 0.5),
        ("f64", b"-inf", -math.inf),
        ("bytes", b"text", b"text"),
        ("timestamp", b"2023-11-14T22:13:20Z", 1_700_000_000),
        ("timestamp", b"-62135596801", -62135596801),
        ("array", b'[null,true,"x",0.5,9223372036854775808]', _ARRAY),
        ("table", b'{"a":1,"a":{}}', (("a", "i64", 1), ("a", "table", ()))),
    ],
)
def test_marked_types_come_back(kind: Type, raw: bytes, value: Value) -> None:
    assert list(decoded([("h", raw), ("fedbridge-types", b'{"h":"%s"}' % kind.encode())]).headers) == [
        ("h", kind, value)
    ]


def test_what_does_not_fit_its_type_stays_as_it_is() -> None:
    for marks in (b'{"h":"i32"}', b'{"h":"nonsense"}', b"not JSON", b""):
        assert list(decoded([("h", b"seven"), ("fedbridge-types", marks)]).headers) == [("h", "string", "seven")]


@given(messages, st.none() | st.binary(max_size=5))
def test_a_message_that_went_through_kafka_is_what_it_was(message: Message, key: bytes | None) -> None:
    message = message._replace(exchange=None)
    record = Encoder().record(message, key)
    at = CREATED if record.timestamp is None else record.timestamp
    back = decoded(record.headers, key=record.key, value=record.value, timestamp=at)
    assert (back.body, back.key) == (message.body, key)
    assert back.uid == (message.uid if _is_text(message.uid) else f"kafka:cluster/orders/3/0@{at}")
    invented = {} if _is_text(message.uid) else {"timestamp": at}
    assert back.properties == {**invented, **message.properties}
    own = [header for header in message.headers if header[0] not in {"fedbridge-uid", "fedbridge-types"}]
    left = [] if _is_text(message.uid) else _unnamed(record.headers[-1][1] or b"")
    assert repr(list(back.headers)) == repr([*map(came_back, own), *left])


def _is_text(uid: str) -> bool:
    try:
        return uid.encode() != b""
    except UnicodeEncodeError:
        return False


def _unnamed(raw: bytes) -> list[Header]:
    return [("fedbridge-uid", "bytes", raw) if raw else ("fedbridge-uid", "string", "")]


@given(foreign)
def test_no_header_raises_and_none_is_lost(headers: Pairs) -> None:
    message = decoded(headers)
    properties = dict(message.properties)
    if properties.get("timestamp") == CREATED:
        del properties["timestamp"]
    marks = sum(1 for name, raw in headers if name == "fedbridge-types" and raw is not None)
    assert len(message.headers) + len(properties) + (message.uid != UID) + marks == len(headers)
    order = iter(headers)
    assert all(any(name == found for found, _ in order) for name, _, _ in message.headers)


@given(st.lists(foreign, max_size=8))
def test_what_is_remembered_changes_nothing(some: list[Pairs]) -> None:
    remembering = Decoder("c")
    for headers in some:
        assert remembering.headers(headers) == Decoder("c").headers(headers)


def test_a_uid_has_a_short_name_of_its_cluster() -> None:
    assert short_cluster("") == ""
    assert short_cluster("cluster8") == "cluster8"
    names = {short_cluster(cluster) for cluster in ("eu-west-1", "eu-west-2", "4L6g3nShT-eMCtK--X86sw")}
    assert {len(name) for name in names} == {8}
    assert len(names) == 3
    (delivery,) = Decoder("4L6g3nShT-eMCtK--X86sw").deliveries([PlainRecord(0, CREATED, 0, None, b"", [])], "t", 0, 0)
    assert isinstance(delivery.message, Message)
    assert delivery.message.uid == f"kafka:{short_cluster('4L6g3nShT-eMCtK--X86sw')}/t/0/0@{CREATED}"
