"""Messages as the fields of entries, packed."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Type, Value
from connectors.redis.codec import Encoder
from tests.unit.connectors.kafka.messages import messages
from tests.unit.connectors.redis.entries import commands, decoded, encoded

FULL: Properties = {
    "content_type": "application/json",
    "content_encoding": "gzip",
    "delivery_mode": 2,
    "priority": 0,
    "correlation_id": "c-1",
    "reply_to": "amq.rabbitmq.reply-to",
    "expiration": "60000",
    "message_id": "m-1",
    "timestamp": 1_700_000_000_123,
    "type": "product.updated",
    "user_id": "guest",
    "app_id": "shop",
    "cluster_id": "",
}


def headers_of(*headers: Header) -> list[tuple[bytes, bytes]]:
    (body, *fields, uid) = encoded(Message(b"", "u", headers=headers))
    assert (body, uid) == ((b"body", b""), (b"fedbridge-uid", b"u"))
    return fields


def test_every_property_has_its_field() -> None:
    headers: list[Header] = [("body", "string", "x"), ("größe", "i32", 7)]
    assert encoded(Message(b"{}", "uid-1", "order.eu", "orders", b"k", FULL, headers)) == [
        (b"body", b"{}"),
        (b"key", b"k"),
        (b"content-type", b"application/json"),
        (b"amqp-content-encoding", b"gzip"),
        (b"amqp-delivery-mode", b"2"),
        (b"amqp-priority", b"0"),
        (b"amqp-correlation-id", b"c-1"),
        (b"amqp-reply-to", b"amq.rabbitmq.reply-to"),
        (b"amqp-expiration", b"60000"),
        (b"amqp-message-id", b"m-1"),
        (b"amqp-timestamp", b"1700000000123"),
        (b"amqp-type", b"product.updated"),
        (b"amqp-user-id", b"guest"),
        (b"amqp-app-id", b"shop"),
        (b"amqp-cluster-id", b""),
        (b"amqp-exchange", b"orders"),
        (b"amqp-routing-key", b"order.eu"),
        (b"h:body", b"x"),
        ("h:größe".encode(), b"7"),
        (b"fedbridge-types", '{"größe":"i32"}'.encode()),
        (b"fedbridge-uid", b"uid-1"),
    ]


def test_what_is_absent_is_not_invented() -> None:
    assert encoded(Message(b"", "u", "a/topic")) == [(b"body", b""), (b"fedbridge-uid", b"u")]


def test_a_tombstone_is_not_an_empty_body() -> None:
    assert encoded(Message(None, "u", key=b"k")) == [
        (b"fedbridge-null", b"true"),
        (b"key", b"k"),
        (b"fedbridge-uid", b"u"),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "expected", "marked"),
    [
        ("string", "größe", "größe".encode(), None),
        ("string", b"\xff\xfe", b"\xff\xfe", "string"),
        ("string", "\udcff", b"\xff", "string"),
        ("bytes", b"\x00\xff\r\n", b"\x00\xff\r\n", None),
        ("bytes", b"text", b"text", "bytes"),
        ("void", None, b"", "void"),
        ("bool", True, b"true", "bool"),
        ("i64", -(2**63), b"-9223372036854775808", "i64"),
        ("f64", 1.1, b"1.1", "f64"),
        ("decimal", Decimal("1.50"), b"1.50", "decimal"),
        ("timestamp", 0, b"1970-01-01T00:00:00Z", "timestamp"),
        ("array", (("i64", 1), ("string", "a")), b'[1,"a"]', "array"),
        ("table", (("k", "bool", False),), b'{"k":false}', "table"),
    ],
)
def test_each_type_has_its_form_and_its_mark(kind: Type, value: Value, expected: bytes, marked: str | None) -> None:
    header, *mark = headers_of(("h", kind, value))
    assert header == (b"h:h", expected)
    assert mark == ([] if marked is None else [(b"fedbridge-types", f'{{"h":"{marked}"}}'.encode())])


def test_order_and_repeats_are_kept() -> None:
    *headers, (name, mark) = headers_of(
        ("b", "i64", 1), ("a", "string", "x"), ("b", "string", "2"), ("c", "u8", 1), ("c", "u8", 2)
    )
    assert headers == [(b"h:b", b"1"), (b"h:a", b"x"), (b"h:b", b"2"), (b"h:c", b"1"), (b"h:c", b"2")]
    assert (name, json.loads(mark)) == (b"fedbridge-types", {"b": ["i64", "string"], "c": "u8"})


def test_our_own_headers_are_there_once() -> None:
    assert headers_of(("fedbridge-uid", "string", "forged"), ("fedbridge-types", "i8", 1), ("a", "string", "")) == [
        (b"h:a", b"")
    ]


def test_a_name_that_is_not_utf8_is_the_bytes_it_was() -> None:
    assert headers_of(("\udcff", "string", "x")) == [(b"h:\xff", b"x")]
    marked = [(b"h:\xff", b"1"), (b"fedbridge-types", b'{"\\udcff":"i8"}')]
    assert headers_of(("\udcff", "i8", 1)) == marked
    assert decoded([(b"body", b""), *marked]).headers == [("\udcff", "i8", 1)]


@pytest.mark.parametrize(
    "message",
    [
        Message(b"", "u", headers=(("\ud800", "string", ""),)),
        Message(b"", "u", headers=(("h", "string", "\ud800"),)),
        Message(b"", "u", properties={"type": "\ud800"}),
        Message(b"", "\ud800"),
    ],
)
def test_text_without_bytes_is_unmappable(message: Message) -> None:
    parts = [b"before"]
    with pytest.raises(Unmappable) as caught:
        Encoder(None).add(message, b"orders", parts)
    assert caught.value.reason == "unencodable"
    str(caught.value).encode()
    assert parts == [b"before"]


def test_a_table_too_deep_is_unmappable() -> None:
    value: Value = ()
    for _ in range(20_000):
        value = (("t", "table", value),)
    with pytest.raises(Unmappable) as caught:
        encoded(Message(b"", "u", headers=(("h", "table", value),)))
    assert caught.value.reason == "too_deep"


@pytest.mark.parametrize("size", [5000, 5001])
@pytest.mark.parametrize("where", ["body", "key", "header", "uid"])
def test_a_field_may_be_as_large_as_the_server_says(where: str, size: int) -> None:
    large = b"x" * size
    message = {
        "body": Message(large, "u"),
        "key": Message(b"", "u", key=large),
        "header": Message(b"", "u", headers=(("h", "bytes", large),)),
        "uid": Message(b"", large.decode()),
    }[where]
    encoder = Encoder(None, largest=5000)
    if size == 5000:
        assert large in [value for _, value in encoded(message, encoder)]
        return
    with pytest.raises(Unmappable, match="5001 bytes, and the server takes 5000") as caught:
        encoded(message, encoder)
    assert caught.value.reason == "too_large"


def test_an_entry_has_no_more_fields_than_a_command_arguments() -> None:
    with pytest.raises(Unmappable, match="500002 fields") as caught:
        encoded(Message(b"", "u", headers=(("h", "string", ""),) * 500_000))
    assert caught.value.reason == "too_large"


def test_streams_are_trimmed_where_that_is_asked_for() -> None:
    encoder, parts = Encoder(1000), list[bytes]()
    for stream in (b"one", b"two", b"one"):
        encoder.add(Message(b"x", "u"), stream, parts)
    trimmed = [b"MAXLEN", b"~", b"1000", b"*", b"body", b"x", b"fedbridge-uid", b"u"]
    assert commands(b"".join(parts)) == [[b"XADD", stream, *trimmed] for stream in (b"one", b"two", b"one")]


@given(st.lists(messages, max_size=5))
def test_what_is_remembered_of_others_changes_nothing(several: list[Message]) -> None:
    encoder, together, alone = Encoder(None), list[bytes](), list[bytes]()
    for message in [*several, *several]:
        reasons = []
        for each, parts in ((encoder, together), (Encoder(None), alone)):
            try:
                each.add(message, b"orders", parts)
                reasons.append("")
            except Unmappable as error:
                reasons.append(error.reason)
        assert reasons[0] == reasons[1]
    assert commands(b"".join(together)) == commands(b"".join(alone))
