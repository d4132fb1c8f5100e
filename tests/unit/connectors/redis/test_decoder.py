"""Entries as messages, and the way back."""

import json
from typing import Any, cast

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Delivery, Header, Message, Properties
from connectors.redis.decoder import Decoder, NoBody
from connectors.redis.ledger import Ledger, Receipt, Window
from tests.unit.bridge.typed import came_back
from tests.unit.connectors.kafka.messages import messages
from tests.unit.connectors.redis.entries import ENTRY, UID, decoded, delivered, encoded, undecodable
from tests.unit.connectors.redis.test_codec import FULL

OURS = (b"fedbridge-uid", b"u")


def test_a_message_comes_back_as_it_was() -> None:
    headers: tuple[Header, ...] = (("a", "string", "x"), ("n", "i32", -7), ("a", "void", None), ("b", "bytes", b"\xff"))
    message = Message(b"\x00\xff", "uid-1", "orders", None, b"\xff", FULL, headers)
    assert decoded(encoded(message)) == message
    assert decoded(encoded(message._replace(body=None))) == message._replace(body=None)
    assert decoded(encoded(message._replace(body=b""))) == message._replace(body=b"")


def test_a_delivery_says_where_it_was_and_how_large() -> None:
    ledger = Ledger("orders", Window())
    fields = [b"body", b"12345", b"fedbridge-uid", b"u"]
    found = Decoder("host:6379/0", "body", "json").deliveries([(b"1-1", fields), (b"1-2", fields)], ledger, True)
    assert [(each.receipt, each.size, each.redelivered) for each in found] == [
        (Receipt(ledger, b"1-1"), 23, True),
        (Receipt(ledger, b"1-2"), 23, True),
    ]


def test_what_came_by_amqp_keeps_where_it_was_published_as_headers() -> None:
    message = decoded(encoded(Message(b"", "u", "order.eu", "orders")))
    assert (message.address, message.exchange) == ("orders", None)
    assert list(message.headers) == [("amqp-exchange", "string", "orders"), ("amqp-routing-key", "string", "order.eu")]


def test_a_foreign_entry_has_its_place_for_a_name_and_its_id_for_a_time() -> None:
    message = decoded([(b"body", b"x"), (b"color", b"red"), (b"raw", b"\xff"), (b"color", b"blue")])
    assert message.uid == UID
    assert message.properties == {"timestamp": 1_700_000_000_000}
    headers = [("color", "string", "red"), ("raw", "bytes", b"\xff"), ("color", "string", "blue")]
    assert list(message.headers) == headers
    assert len(message.headers) == 3
    assert message.headers[0] == headers[0]
    assert message.headers[1:] == headers[1:]
    assert decoded([(b"body", b"x"), (b"amqp-timestamp", b"5")]).properties == {"timestamp": 5}


def test_the_body_may_have_another_name() -> None:
    message = decoded([(b"body", b"1"), (b"data", b"2"), (b"key", b"3"), OURS], body="data")
    assert (message.body, message.key, list(message.headers)) == (b"2", b"3", [("body", "string", "1")])
    assert decoded([(b"key", b"1"), OURS], body="key").body == b"1"


@pytest.mark.parametrize("uid", [[], [OURS]])
def test_without_a_body_all_fields_may_be_it(uid: list[tuple[bytes, bytes]]) -> None:
    pairs = [(b"t", b"20"), (b"key", b"k"), (b"t", "\u2028\"'größe".encode()), (b"raw", b"\xff\xfe"), (b"\xff", b"")]
    message = decoded([*pairs, *uid])
    assert message.body is not None
    assert json.loads(message.body, object_pairs_hook=list) == [
        ("t", "20"),
        ("key", "k"),
        ("t", "\u2028\"'größe"),
        ("raw", "__4="),
        ("_w==", ""),
    ]
    assert b" " not in message.body
    assert message.key is None
    assert list(message.headers) == []
    assert message.uid == ("u" if uid else UID)
    time = {} if uid else {"timestamp": 1_700_000_000_000}
    assert message.properties == {"content_type": "application/json", **time}


def test_without_a_body_it_may_be_empty() -> None:
    message = decoded([(b"t", b"20"), (b"content-type", b"text/plain")], no_body="empty")
    assert message == Message(
        b"",
        UID,
        "orders",
        None,
        None,
        {"content_type": "text/plain", "timestamp": 1_700_000_000_000},
        [("t", "string", "20")],
    )


def test_without_a_body_it_may_be_none_of_ours() -> None:
    found = undecodable([(b"t", b"\xff")], no_body="dead_letter")
    assert (found.reason, found.body, found.address) == ("no_body", b"", "orders")
    assert found.detail == f"{UID} has no field body"
    reader = hiredis.Reader()
    reader.feed(found.raw)
    assert reader.gets() == [b"t", b"\xff"], "the fields as Redis writes them"


@pytest.mark.parametrize("no_body", ["json", "empty", "dead_letter"])
def test_a_tombstone_lacks_nothing(no_body: NoBody) -> None:
    assert decoded([(b"fedbridge-null", b"true"), OURS], no_body=no_body).body is None
    assert decoded([(b"fedbridge-null", b"true")], no_body=no_body).body is None
    assert decoded([(b"fedbridge-null", b"true"), (b"body", b"x"), OURS], no_body=no_body).body == b"x"


def test_a_field_that_its_value_does_not_fit_is_a_header() -> None:
    message = decoded(
        [
            (b"body", b""),
            (b"amqp-priority", b"high"),
            (b"amqp-delivery-mode", b"007"),
            (b"amqp-timestamp", b"-" + b"9" * 30),
            (b"amqp-type", b"\xff"),
            (b"fedbridge-uid", b"\xff"),
            (b"content-type", b"a"),
            (b"content-type", b"b"),
        ]
    )
    assert message.uid == UID
    assert message.properties == {"type": "\udcff", "content_type": "a", "timestamp": 1_700_000_000_000}
    assert list(message.headers) == [
        ("amqp-priority", "string", "high"),
        ("amqp-delivery-mode", "string", "007"),
        ("amqp-timestamp", "string", "-" + "9" * 30),
        ("fedbridge-uid", "bytes", b"\xff"),
        ("content-type", "string", "b"),
    ]


@pytest.mark.parametrize(
    ("raw", "number"), [(b"0", 0), (b"-1", -1), (b"1844674407370955161500000", None), (b"-0", None), (b"", None)]
)
def test_numbers_are_written_as_they_are(raw: bytes, number: int | None) -> None:
    message = decoded([(b"body", b""), (b"amqp-timestamp", raw), OURS])
    assert message.properties.get("timestamp") == number


@given(messages)
def test_every_message_comes_back(message: Message) -> None:
    try:
        pairs = encoded(message)
    except Unmappable:
        return
    found = decoded(pairs)
    assert (found.body, found.key) == (message.body, message.key)
    if not _names_a_message(message.uid):
        assert found.uid == UID
        return
    assert found.uid == message.uid
    assert found.properties == _as_utf8(message.properties)
    own = [header for header in message.headers if header[0] not in {"fedbridge-uid", "fedbridge-types"}]
    expected = [came_back(header) for header in own]
    origin = 0 if message.exchange is None else 2
    assert repr(list(found.headers)[origin:]) == repr(expected), "by their texts, in which nan is nan"


def _names_a_message(uid: str) -> bool:
    try:
        return bool(uid.encode("utf-8", "surrogateescape").decode())
    except UnicodeDecodeError:
        return False


def _as_utf8(properties: Properties) -> dict[str, Any]:
    """Text as it reads once it was bytes."""
    return {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
        if isinstance(value, str)
        else value
        for name, value in cast("dict[str, Any]", properties).items()
    }


_OWN = [b"fedbridge-uid", b"fedbridge-types", b"fedbridge-null", b"h:fedbridge-uid", b"amqp-exchange", b"amqp-priority"]
_names = st.sampled_from(
    [b"body", b"key", b"a", b"h:a", b"h:", b"", b"\xff", b"content-type", b"amqp-timestamp", *_OWN]
)
_values = st.binary(max_size=12) | st.sampled_from([b"1", b"true", b'{"a":"i8"}', b'{"a":["bool","i8"]}', b"[1]", b"{"])
_foreign = st.lists(st.tuples(_names, _values), min_size=1, max_size=7)


@given(_foreign, st.sampled_from(["json", "empty", "dead_letter"]))
def test_whatever_an_entry_holds_it_is_a_message_or_says_why_not(
    pairs: list[tuple[bytes, bytes]], no_body: NoBody
) -> None:
    found = delivered(pairs, no_body=no_body)
    if isinstance(found.message, Message):
        assert found.message.uid
        assert all(len(header) == 3 for header in found.message.headers)
    else:
        assert found.message.reason == "no_body"


@given(st.lists(_foreign, min_size=1, max_size=5), st.sampled_from(["json", "empty", "dead_letter"]))
def test_what_is_remembered_of_others_changes_nothing(
    entries: list[list[tuple[bytes, bytes]]], no_body: NoBody
) -> None:
    decoder = Decoder("host:6379/0", "body", no_body)
    for pairs in [*entries, *entries]:
        assert _seen(delivered(pairs, decoder=decoder)) == _seen(delivered(pairs, no_body=no_body))


def _seen(delivery: Delivery) -> object:
    message = delivery.message
    return (*message[:-1], list(message.headers)) if isinstance(message, Message) else message


def test_a_name_without_a_value_harms_nobody() -> None:
    ledger = Ledger("orders", Window())
    fields = [[b"body", b"1", *OURS], [b"body", b"1", b"x"], [b"body", b"2", *OURS]]
    entries = [(b"1-%d" % number, each) for number, each in enumerate(fields)]
    found = Decoder("host:6379/0", "body", "json").deliveries(entries, ledger, False)
    assert [delivery.message.body for delivery in found] == [b"1", b"", b"2"]
    bad = found[1].message
    assert not isinstance(bad, Message)
    assert (bad.reason, bad.detail) == ("bad_entry", "redis:host:6379/0/orders/1-1 has a name without a value")


@pytest.mark.parametrize("entry", [ENTRY, b"5-18446744073709551615"])
def test_the_time_of_an_entry_is_its_ids(entry: bytes) -> None:
    ledger = Ledger("orders", Window())
    (found,) = Decoder("host:6379/0", "body", "json").deliveries([(entry, [b"body", b""])], ledger, False)
    assert isinstance(found.message, Message)
    assert found.message.properties == {"timestamp": int(entry.split(b"-")[0])}
