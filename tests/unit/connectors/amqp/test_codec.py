"""Content headers, both ways."""

import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Undecodable
from bridge.names import UID
from connectors.amqp.codec import RawDelivery, decode, encode_properties, uid_of

texts = st.binary(max_size=255).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
every_property = st.fixed_dictionaries(
    {},
    optional={
        "content_type": texts,
        "content_encoding": texts,
        "delivery_mode": st.integers(0, 255),
        "priority": st.integers(0, 255),
        "correlation_id": texts,
        "reply_to": texts,
        "expiration": texts,
        "message_id": texts,
        "timestamp": st.integers(0, 2**64 - 1).map(lambda seconds: seconds * 1000),
        "type": texts,
        "user_id": texts,
        "app_id": texts,
        "cluster_id": texts,
    },
)


def raw(properties: bytes, body: bytes = b"body") -> RawDelivery:
    return RawDelivery(7, False, b"exchange", b"key", properties, body)


@given(every_property, st.sampled_from([(), (("a", "i32", 1), ("b", "string", "x"))]))
def test_what_was_encoded_decodes_to_the_same(properties: dict[str, object], headers: tuple[Header, ...]) -> None:
    encoded = encode_properties(cast("Properties", properties), headers)
    assert decode(raw(encoded), "uid") == Message(b"body", "uid", "key", "exchange", None, properties, headers)  # type: ignore[arg-type]  # hypothesis gives a plain dict


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_undecodable(data: bytes) -> None:
    message = decode(raw(data), "uid")
    if isinstance(message, Undecodable):
        assert message.raw == data
        assert message.body == b"body"
        assert message.reason in {"bad_properties", "bad_header_table", "too_deep", "too_many_headers"}
        assert "byte" in message.detail
        assert (message.address, message.exchange) == ("key", "exchange")


@given(every_property, st.data())
def test_a_cut_anywhere_is_undecodable(properties: dict[str, object], data: st.DataObject) -> None:
    whole = encode_properties(cast("Properties", properties), (("a", "string", "x"),))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert isinstance(decode(raw(cut), "uid"), Undecodable)
    assert isinstance(decode(raw(whole + b"\x00"), "uid"), Undecodable)


def test_a_timestamp_in_microseconds_is_carried() -> None:
    """Pitfall A5: pamqp ends the connection."""
    data = struct.pack(">HQ", 1 << 6, 1_700_000_000_000_000)
    message = decode(raw(data), "uid")
    assert isinstance(message, Message)
    assert message.properties == {"timestamp": 1_700_000_000_000_000_000}


def test_unknown_flags_are_undecodable() -> None:
    message = decode(raw(b"\x00\x01"), "uid")
    assert isinstance(message, Undecodable)
    assert message.detail == "unknown property flags 0x0001 at byte 0"


def test_a_routing_key_that_is_not_utf8_survives() -> None:
    message = decode(RawDelivery(1, False, b"\xff", b"\xfe", b"\x00\x00", b""), "uid")
    assert isinstance(message, Message)
    assert message.address.encode("utf-8", "surrogateescape") == b"\xfe"
    assert (message.body, message.exchange) == (b"", "\udcff")


def test_an_inbound_uid_replaces_ours_and_leaves_the_headers() -> None:
    headers: tuple[Header, ...] = (
        ("a", "i32", 1),
        ("fedbridge-uid", "string", "first"),
        ("fedbridge-uid", "string", "second"),
        ("fedbridge-uid", "i32", 5),
    )
    message = decode(raw(encode_properties({}, headers)), "ours")
    assert isinstance(message, Message)
    assert message.uid == "first"
    assert message.headers == (headers[0], *headers[2:]), "no sink writes the others"


@pytest.mark.parametrize("value", ["", b"\xff"])
def test_an_inbound_uid_that_is_no_text_is_only_a_header(value: str | bytes) -> None:
    headers: tuple[Header, ...] = (("fedbridge-uid", "string", value), ("body", "string", "fedbridge-uid"))
    message = decode(raw(encode_properties({}, headers)), "ours")
    assert isinstance(message, Message)
    assert (message.uid, message.headers) == ("ours", headers)


@pytest.mark.parametrize("uid", ["", "kafka:c/t/0/5@1", "größe", "\udcff", "S\x00\x00\x00\x01"])
@pytest.mark.parametrize("damage", [b"\x01\xffV", b"\x01a?"])
def test_the_uid_of_what_comes_back_is_found_whatever_is_before_it(uid: str, damage: bytes) -> None:
    whole = encode_properties({"message_id": "m", "app_id": "a"}, [("a", "void", None), (UID, "string", uid)])
    damaged = whole.replace(b"\x01aV", damage)
    assert isinstance(decode(raw(damaged), "ours"), Undecodable)
    assert uid_of(whole) == uid_of(damaged) == uid


def test_what_comes_back_without_a_uid_has_none() -> None:
    assert uid_of(b"\x00\x00") == uid_of(b"") == uid_of(encode_properties({}, [("a", "void", None)])) == ""


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"message_id": "é" * 128}, "too_large"),
        ({"priority": 256}, "unencodable"),
        ({"timestamp": -1}, "unencodable"),
        ({"timestamp": 2**64 * 1000}, "unencodable"),
        ({"app_id": "\ud800"}, "unencodable"),
    ],
)
def test_what_amqp_cannot_hold_is_unmappable(properties: Properties, reason: str) -> None:
    with pytest.raises(Unmappable) as caught:
        encode_properties(properties, ())
    assert caught.value.reason == reason
    assert next(iter(properties)) in str(caught.value)


def test_a_timestamp_is_cut_to_seconds() -> None:
    assert encode_properties({"timestamp": 1_999}, ()) == struct.pack(">HQ", 1 << 6, 1)
