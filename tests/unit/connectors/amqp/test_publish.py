"""Publishes: what the existing decoder and the library make of them."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, frame

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Type, Value
from connectors.amqp.codec import RawDelivery, decode, decode_properties, encode_properties
from connectors.amqp.publish import Encoder
from connectors.amqp.rules import sendable
from connectors.amqp.tables import MAX_HEADERS

CHANNEL, FRAME_MAX, LOGIN = 3, 4096, "bridge"

texts = st.text(max_size=20)
long_texts = st.integers(200, 300).map(lambda size: "x" * size) | st.integers(100, 150).map(lambda size: "é" * size)
escaped = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
any_text = texts | long_texts | escaped
numbers = st.integers(-2, 300)
properties = st.fixed_dictionaries(
    {},
    optional={
        "content_type": any_text,
        "content_encoding": any_text,
        "delivery_mode": numbers,
        "priority": numbers,
        "correlation_id": any_text,
        "reply_to": any_text | st.just("amq.rabbitmq.reply-to.g1"),
        "expiration": any_text | st.integers(-5, 1 << 33).map(str),
        "message_id": any_text,
        "timestamp": st.integers(-5, 1 << 75) | st.integers(0, 1 << 41),
        "type": any_text,
        "user_id": any_text | st.just(LOGIN),
        "app_id": any_text,
        "cluster_id": any_text,
    },
)
names = st.sampled_from(
    ["tenant", "a", "CC", "BCC", "x-death", "kafka-key", "fedbridge-uid", "fedbridge-null", "fedbridge-timestamp-ms"]
) | st.text(max_size=10)
values: st.SearchStrategy[tuple[Type, Value]] = st.one_of(
    st.tuples(st.just("string"), any_text),
    st.tuples(st.just("string"), st.binary(max_size=9)),
    st.tuples(st.just("i64"), st.integers(-(1 << 63), 1 << 63)),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("void"), st.none()),
    st.tuples(st.just("array"), st.just((("table", (("queue", "string", "q"), ("count", "i64", 1))),))),
)
headers = st.lists(st.builds(lambda name, typed: (name, *typed), names, values), max_size=6)
messages = st.builds(
    Message,
    st.binary(max_size=30) | st.none(),
    st.text(min_size=1, max_size=20),
    st.just("address"),
    st.sampled_from([None, "", "exchange"]),
    st.binary(max_size=9) | st.none(),
    properties,
    headers,
)


def encoder(persistent: bool | None = None, frame_max: int = FRAME_MAX) -> Encoder:
    return Encoder(CHANNEL, frame_max, LOGIN, persistent)


def publish(made: Encoder, message: Message, exchange: str = "ex", key: str = "key") -> bytes:
    parts: list[bytes] = []
    made.add(message, exchange, key, parts)
    return b"".join(parts)


def frames(stream: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(stream):
        kind, channel, size = struct.unpack_from(">BHI", stream, at)
        assert channel == CHANNEL
        assert stream[at + 7 + size] == 0xCE
        found.append((kind, stream[at + 7 : at + 7 + size]))
        at += size + 8
    return found


def received(message: Message, persistent: bool | None = None) -> Message:
    """What the other end of a route decodes of a message that was published."""
    _, (_, header), *bodies = frames(publish(encoder(persistent), message))
    body = b"".join(part for _, part in bodies)
    decoded = decode(RawDelivery(1, False, b"ex", b"key", header[12:], body), "none")
    assert isinstance(decoded, Message), decoded
    return decoded


def on_the_wire(message: Message) -> tuple[Properties, tuple[Header, ...]]:
    """The properties and headers it arrives with, as others read them."""
    _, (_, header), *_ = frames(publish(encoder(), message))
    return decode_properties(header[12:])


def one(message: Message) -> dict[str, tuple[Type, Value]]:
    """The headers it arrives with, as others read them, without its uid."""
    *found, uid = on_the_wire(message)[1]
    assert uid == ("fedbridge-uid", "string", message.uid)
    assert len({name for name, _, _ in found}) == len(found), "AMQP has no repeats"
    return {name: (kind, value) for name, kind, value in found}


@given(messages, st.sampled_from([None, True, False]))
@example(Message(b"", "0", properties={"delivery_mode": 0}), True)
def test_the_short_way_gives_what_the_long_way_gives(message: Message, persistent: bool | None) -> None:
    made = encoder(persistent)
    expected = outcome(lambda: encode_properties(*sendable(message, LOGIN, persistent)))
    for _ in range(2):  # the second time the shapes are known
        assert outcome(lambda: frames(publish(made, message))[1][1][12:]) == expected


def outcome(encode: Callable[[], bytes]) -> bytes | str:
    """What it gives, or the reason why it gives nothing."""
    try:
        return encode()
    except Unmappable as error:
        return error.reason


@given(messages)
def test_whatever_is_published_decodes_with_its_uid_and_without_repeats(message: Message) -> None:
    try:
        decoded = received(message)
    except Unmappable:
        return
    assert decoded.uid == message.uid
    assert (decoded.body or b"") == (message.body or b"")
    names = [name for name, _, _ in on_the_wire(message)[1]]
    assert len(set(names)) == len(names)
    assert {"CC", "BCC", "x-death"}.isdisjoint(names)


plain = st.text(max_size=20)


@given(
    st.fixed_dictionaries(
        {"delivery_mode": st.sampled_from([1, 2])},
        optional={
            "content_type": plain,
            "content_encoding": plain,
            "priority": st.integers(0, 255),
            "correlation_id": plain,
            "reply_to": plain.filter(lambda text: not text.startswith("amq.")),
            "expiration": st.integers(0, (1 << 32) - 1).map(str),
            "message_id": plain,
            "timestamp": st.integers(0, (1 << 64) - 1).map(lambda seconds: seconds * 1000),
            "type": plain,
            "user_id": st.just(LOGIN),
            "app_id": plain,
            "cluster_id": plain,
        },
    ),
    st.lists(st.tuples(st.text("abc", min_size=1), st.just("string"), plain), unique_by=lambda header: header[0]),
    st.binary(max_size=30),
)
def test_what_came_by_amqp_arrives_as_it_was(properties: dict[str, object], headers: list[Header], body: bytes) -> None:
    message = Message(body, "uid", "key", "ex", None, cast("Properties", properties), headers)
    assert received(message) == message._replace(headers=tuple(headers))


def test_the_method_is_what_the_library_would_write_and_mandatory() -> None:
    stream = publish(encoder(), Message(b"body", "uid"))
    expected = frame.marshal(commands.Basic.Publish(0, "ex", "key", True, False), CHANNEL)
    assert stream.startswith(expected)
    assert publish(encoder(), Message(b"body", "uid"), "", "é\udcff").startswith(
        b"\x01\x00\x03\x00\x00\x00\x0c\x00\x3c\x00\x28\x00\x00\x00\x03\xc3\xa9\xff\x01\xce"
    )


@pytest.mark.parametrize("size", [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX])
def test_a_body_is_cut_into_frames_of_the_size_agreed(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    _, (_, header), *bodies = frames(publish(encoder(), Message(body[:size], "uid")))
    assert struct.unpack_from(">HHQ", header) == (60, 0, size)
    assert b"".join(part for _, part in bodies) == body[:size]
    assert all(kind == 3 and 0 < len(part) <= FRAME_MAX - 8 for kind, part in bodies)
    assert len(bodies) == -(-size // (FRAME_MAX - 8))


def test_without_a_limit_a_body_is_one_frame() -> None:
    assert len(frames(publish(encoder(frame_max=0), Message(bytes(1 << 20), "uid")))) == 3


def filled(size: int) -> Message:
    """A message whose header frame has `size` bytes in all."""
    empty = len(frames(publish(encoder(), Message(b"", "uid", headers=[("a", "string", "")])))[1][1])
    return Message(b"", "uid", headers=[("a", "string", "x" * (size - 8 - empty))])


def test_headers_that_do_not_fit_a_frame_are_too_large() -> None:
    assert len(frames(publish(encoder(), filled(FRAME_MAX)))[1][1]) == FRAME_MAX - 8
    parts: list[bytes] = []
    with pytest.raises(Unmappable, match="go into a frame") as caught:
        encoder().add(filled(FRAME_MAX + 1), "ex", "key", parts)
    assert caught.value.reason == "too_large"
    assert parts == []


@pytest.mark.parametrize(
    ("message", "exchange", "key", "reason"),
    [
        (Message(b"", "uid"), "ex", "é" * 128, "too_large"),
        (Message(b"", "uid"), "x" * 256, "key", "too_large"),
        (Message(b"", "uid"), "ex", "\ud800", "unencodable"),
        (Message(b"", "uid", properties={"message_id": "\ud800"}), "ex", "key", "unencodable"),
        (Message(b"", "\ud800"), "ex", "key", "unencodable"),
        (Message(b"", "uid", headers=[("a", "i8", 128)]), "ex", "key", "unencodable"),
        (Message(b"", "uid", headers=[("a", "string", 5)]), "ex", "key", "unencodable"),
        (Message(b"", "uid", headers=[("a" * 256, "void", None)]), "ex", "key", "too_large"),
        (Message(b"", "uid", headers=[("\udcff", "void", None)]), "ex", "key", "unencodable"),
        (Message(b"", "uid", headers=[("a", "table", (("\udcff", "void", None),))]), "ex", "key", "unencodable"),
        (Message(None, "uid", headers=[("\udcff", "void", None)] * 2), "ex", "key", "unencodable"),
        (Message(b"", "uid", headers=[(str(n), "void", None) for n in range(MAX_HEADERS)]), "ex", "key", "too_large"),
    ],
)
def test_what_amqp_cannot_hold_is_named_and_leaves_nothing(
    message: Message, exchange: str, key: str, reason: str
) -> None:
    made, parts = encoder(), cast("list[bytes]", [])
    for _ in range(2):
        with pytest.raises(Unmappable) as caught:
            made.add(message, exchange, key, parts)
        assert caught.value.reason == reason
    assert parts == []


def test_a_message_that_says_nothing_is_persistent() -> None:
    assert received(Message(b"", "uid")).properties == {"delivery_mode": 2}
    assert received(Message(b"", "uid", properties={"delivery_mode": 1})).properties == {"delivery_mode": 1}
    for said in ({}, {"delivery_mode": 1}, {"delivery_mode": 2}):
        message = Message(b"", "uid", properties=cast("Properties", said))
        assert received(message, persistent=True).properties == {"delivery_mode": 2}
        assert received(message, persistent=False).properties == {"delivery_mode": 1}


@pytest.mark.parametrize(
    ("name", "value", "header"),
    [
        ("user_id", "somebody", "amqp-user-id"),
        ("reply_to", "amq.rabbitmq.reply-to", "amqp-reply-to"),
        ("reply_to", "amq.rabbitmq.reply-to.g1h2", "amqp-reply-to"),
        ("expiration", "", "amqp-expiration"),
        ("expiration", "soon", "amqp-expiration"),
        ("expiration", "-1", "amqp-expiration"),
        ("expiration", "1.5", "amqp-expiration"),
        ("expiration", " 1", "amqp-expiration"),
        ("expiration", "²", "amqp-expiration"),
        ("expiration", str(1 << 32), "amqp-expiration"),
        ("message_id", "x" * 256, "amqp-message-id"),
        ("content_type", "é" * 128, "amqp-content-type"),
        ("cluster_id", "x" * 256, "amqp-cluster-id"),
        ("timestamp", -1, "amqp-timestamp"),
        ("timestamp", (1 << 64) * 1000, "amqp-timestamp"),
        ("priority", 256, "amqp-priority"),
        ("priority", -1, "amqp-priority"),
        ("delivery_mode", 3, "amqp-delivery-mode"),
    ],
)
def test_what_rabbitmq_would_not_take_becomes_a_header(name: str, value: Any, header: str) -> None:
    message = Message(b"", "uid", properties=cast("Properties", {name: value}))
    assert one(message) == {header: ("string", str(value))}
    assert on_the_wire(message)[0] == {"delivery_mode": 2}
    assert received(message).properties == {"delivery_mode": 2, name: value}, "as a bridge reads it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_id", LOGIN),
        ("reply_to", "replies"),
        ("expiration", "0"),
        ("expiration", "007"),
        ("expiration", str((1 << 32) - 1)),
        ("message_id", "x" * 255),
        ("timestamp", ((1 << 64) - 1) * 1000),
        ("priority", 255),
    ],
)
def test_what_rabbitmq_takes_stays(name: str, value: Any) -> None:
    message = Message(b"", "uid", exchange="", properties=cast("Properties", {name: value}))
    assert received(message).properties == {name: value, "delivery_mode": 2}
    assert one(message) == {}


def test_headers_that_mean_something_to_rabbitmq_are_renamed() -> None:
    deaths: Value = (("table", (("queue", "string", "q"), ("count", "i64", 2))),)
    message = Message(
        b"",
        "uid",
        headers=[("CC", "string", "a"), ("BCC", "array", (("string", "b"),)), ("x-death", "array", deaths)],
    )
    assert one(message) == {
        "amqp-cc": ("string", "a"),
        "amqp-bcc": ("array", (("string", "b"),)),
        "fedbridge-original-x-death": ("string", '[{"queue":"q","count":2}]'),
    }


@pytest.mark.parametrize(
    ("timestamp", "exchange", "properties", "headers"),
    [
        (1_700_000_000_123, None, 1_700_000_000_000, ("i64", 1_700_000_000_123)),
        (1_700_000_000_000, None, 1_700_000_000_000, ("i64", 1_700_000_000_000)),
        (1_700_000_000_123, "ex", 1_700_000_000_000, ("i64", 1_700_000_000_123)),
        (1_700_000_000_000, "ex", 1_700_000_000_000, None),
        ((1 << 63) + 1, None, ((1 << 63) + 1) // 1000 * 1000, ("string", str((1 << 63) + 1))),
    ],
)
def test_milliseconds_are_kept_in_a_header(
    timestamp: int, exchange: str | None, properties: int, headers: tuple[Type, Value] | None
) -> None:
    message = Message(b"", "uid", exchange=exchange, properties={"timestamp": timestamp})
    assert on_the_wire(message)[0]["timestamp"] == properties
    assert received(message).properties["timestamp"] == timestamp
    assert one(message).get("fedbridge-timestamp-ms") == headers


def test_milliseconds_that_came_along_stay_or_are_replaced() -> None:
    old: Sequence[Header] = [("fedbridge-timestamp-ms", "i64", 5)]
    seconds = Message(b"", "uid", exchange="ex", properties={"timestamp": 1000}, headers=old)
    assert one(seconds) == {"fedbridge-timestamp-ms": ("i64", 5)}
    assert one(seconds._replace(exchange=None)) == {"fedbridge-timestamp-ms": ("i64", 1000)}


def test_a_tombstone_is_marked_and_the_empty_body_is_not() -> None:
    assert one(Message(None, "uid")) == {"fedbridge-null": ("bool", True)}
    assert one(Message(b"", "uid")) == {}
    assert one(Message(None, "uid", headers=[("fedbridge-null", "string", "no")])) == {"fedbridge-null": ("bool", True)}


def test_a_key_is_text_if_it_can_be() -> None:
    assert one(Message(b"", "uid", key="clé".encode())) == {"kafka-key": ("string", "clé")}
    assert one(Message(b"", "uid", key=b"\xff")) == {"kafka-key": ("bytes", b"\xff")}
    assert one(Message(b"", "uid", key=b"")) == {"kafka-key": ("string", "")}


def test_a_uid_of_the_message_is_replaced_by_ours() -> None:
    message = Message(b"", "ours", headers=[("fedbridge-uid", "i64", 5), ("a", "void", None)])
    assert one(message) == {"a": ("void", None)}
    assert received(message).uid == "ours"


def test_repeats_become_one_array_that_says_so() -> None:
    message = Message(
        b"",
        "uid",
        properties={"user_id": "x"},
        headers=[("a", "string", "1"), ("b", "i64", 2), ("a", "i64", 3), ("amqp-user-id", "string", "y")],
    )
    assert one(message) == {
        "a": ("array", (("string", "1"), ("i64", 3))),
        "b": ("i64", 2),
        "amqp-user-id": ("array", (("string", "y"), ("string", "x"))),
        "fedbridge-types": ("string", '{"a":[0,2],"amqp-user-id":[3,null]}'),
    }
    assert received(message)._replace(properties={}) == message._replace(
        address="key", exchange="ex", properties={}, headers=tuple(message.headers)
    )
    assert received(message).properties == {"user_id": "x", "delivery_mode": 2}


def test_repeats_side_by_side_are_marked_with_their_types() -> None:
    message = Message(b"", "uid", headers=[("a", "string", "1"), ("a", "i64", 3), ("b", "void", None)])
    assert one(message)["fedbridge-types"] == ("string", '{"a":["string","i64"]}')
    assert received(message).headers == tuple(message.headers)


def test_many_shapes_are_forgotten_and_learned_again() -> None:
    made = encoder()
    for number in range(600):
        message = Message(b"", "uid", properties={"message_id": str(number)}, headers=[(str(number), "string", "x")])
        assert publish(made, message, "ex", str(number)) == publish(encoder(), message, "ex", str(number))
