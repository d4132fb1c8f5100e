"""Messages as PUBLISH packets, and back."""

from typing import Any, cast

import pytest
from hypothesis import given
from paho.mqtt.properties import VariableByteIntegers

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Type, Value
from bridge.names import PROPERTY_NAMES
from config.mqtt import unfit
from connectors.mqtt.codec import Encoder, Exceptional
from connectors.mqtt.decoder import Decoder
from connectors.mqtt.packets import LARGEST
from connectors.mqtt.rules import long_way
from connectors.mqtt.tap import PacketTap
from tests.unit.bridge.typed import came_back
from tests.unit.connectors.kafka.messages import messages
from tests.unit.connectors.mqtt.raw import properties_of, publish, text

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


def encoder(qos: int = 1, retain: bool | None = None, largest: int | None = None, properties: bool = True) -> Encoder:
    return Encoder(qos, retain, largest, properties=properties)


def encoded(message: Message, made: Encoder | None = None, mid: bytes = b"\x00\x07") -> bytes:
    parts: list[bytes] = []
    size = (made or encoder()).add(message, b"\x00\x01t", mid, parts)
    packet = b"".join(parts)
    assert size == len(packet)
    return packet


def read(message: Message, **how: Any) -> Any:
    """The properties of a message's packet, as the library reads them."""
    tap = PacketTap()
    assert tap.feed(encoded(message, encoder(**how))) == b""
    (packet,) = tap.publishes
    assert (packet.topic, packet.ack) == (b"t", b"\x40\x02\x00\x07")
    size, begin = VariableByteIntegers.decode(packet.content)  # type: ignore[no-untyped-call]
    assert packet.content[begin + size :] == (message.body or b"")
    return properties_of(packet.content[begin : begin + size])


def pairs_of(*headers: Header) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = read(Message(b"", "u", headers=headers)).UserProperty
    return pairs


def test_every_property_has_its_place() -> None:
    found = read(Message(b"{}", "uid-1", "order.eu", "orders", b"key", FULL))
    assert found.ContentType == "application/json"
    assert found.CorrelationData == b"c-1"
    assert found.MessageExpiryInterval == 60
    assert found.UserProperty == [
        ("amqp-content-encoding", "gzip"),
        ("amqp-delivery-mode", "2"),
        ("amqp-priority", "0"),
        ("amqp-reply-to", "amq.rabbitmq.reply-to"),
        ("amqp-message-id", "m-1"),
        ("amqp-timestamp", "1700000000000"),
        ("amqp-type", "product.updated"),
        ("amqp-user-id", "guest"),
        ("amqp-app-id", "shop"),
        ("amqp-cluster-id", ""),
        ("amqp-exchange", "orders"),
        ("amqp-routing-key", "order.eu"),
        ("kafka-key", "key"),
        ("fedbridge-uid", "uid-1"),
    ]
    for name in ("PayloadFormatIndicator", "ResponseTopic", "TopicAlias", "SubscriptionIdentifier"):
        assert not hasattr(found, name)


def test_what_is_absent_is_not_invented() -> None:
    found = read(Message(b"", "u", "a/topic"))
    assert found.UserProperty == [("fedbridge-uid", "u")]
    assert not hasattr(found, "ContentType")


def test_no_body_is_not_an_empty_one() -> None:
    assert read(Message(None, "u")).UserProperty == [("fedbridge-null", "true"), ("fedbridge-uid", "u")]


@pytest.mark.parametrize(
    ("key", "text"),
    [("größe".encode(), "größe"), (b"\xff", "_w=="), (b"\0\0\0\7", "AAAABw=="), (b"\t", "CQ=="), (b"", "")],
)
def test_a_key_is_text_or_marked(key: bytes, text: str) -> None:
    mark = [] if text.encode() == key else [("fedbridge-types", '{"kafka-key":"bytes"}')]
    assert read(Message(b"", "u", key=key)).UserProperty == [("kafka-key", text), *mark, ("fedbridge-uid", "u")]


@pytest.mark.parametrize(
    ("kind", "value", "expected", "marked"),
    [
        ("string", "größe", "größe", None),
        ("string", b"\xff\xfe", "__4=", "string64"),
        ("string", "\udcff", "_w==", "string64"),
        ("string", b"text", "text", None),
        ("string", "a\0", "YQA=", "string64"),
        ("string", b"a\0", "YQA=", "string64"),
        ("string", "a\n", "YQo=", "string64"),
        ("string", b"a\n", "YQo=", "string64"),
        ("string", "\x85", "woU=", "string64"),
        ("string", "\uffff", "77-_", "string64"),
        ("table", (("k", "string", "\n\x7f\uffff"),), '{"k":"\\n\\u007f\\uffff"}', "table"),
        ("bytes", b"\x00\xff", "AP8=", "bytes"),
        ("void", None, "", "void"),
        ("bool", True, "true", "bool"),
        ("i64", -(2**63), "-9223372036854775808", "i64"),
        ("timestamp", 0, "1970-01-01T00:00:00Z", "timestamp"),
        ("array", (("i64", 1), ("string", "a")), '[1,"a"]', "array"),
        ("table", (("k", "bool", False),), '{"k":false}', "table"),
    ],
)
def test_each_type_has_its_form_and_its_mark(kind: Type, value: Value, expected: str, marked: str | None) -> None:
    mark = [] if marked is None else [("fedbridge-types", f'{{"h":"{marked}"}}')]
    assert pairs_of(("h", kind, value)) == [("h", expected), *mark, ("fedbridge-uid", "u")]


def test_order_and_repeats_are_kept_and_our_own_are_there_once() -> None:
    headers: list[Header] = [("b", "i64", 1), ("a", "string", "x"), ("b", "string", "2")]
    ours: list[Header] = [("fedbridge-uid", "string", "forged"), ("fedbridge-types", "i8", 1)]
    mark = ("fedbridge-types", '{"b":["i64","string"]}')
    assert pairs_of(*headers, *ours) == [("b", "1"), ("a", "x"), ("b", "2"), mark, ("fedbridge-uid", "u")]


def test_what_only_mqtt_has_goes_where_it_came_from() -> None:
    headers: list[Header] = [
        ("mqtt-topic", "string", "a/b"),
        ("mqtt-retain", "bool", True),
        ("mqtt-response-topic", "string", "replies"),
        ("mqtt-payload-format", "u8", 1),
    ]
    found = read(Message(b"", "u", headers=headers))
    assert (found.ResponseTopic, found.PayloadFormatIndicator) == ("replies", 1)
    assert found.UserProperty == [("mqtt-topic", "a/b"), ("fedbridge-uid", "u")]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (("mqtt-response-topic", "string", "replies/+"), "replies/+"),
        (("mqtt-response-topic", "string", ""), ""),
        (("mqtt-response-topic", "string", "a\n"), "YQo="),
        (("mqtt-response-topic", "i8", 1), "1"),
        (("mqtt-payload-format", "u8", 2), "2"),
        (("mqtt-payload-format", "string", "1"), "1"),
        (("mqtt-retain", "string", "true"), "true"),
    ],
)
def test_what_a_broker_would_not_take_stays_a_user_property(header: Header, text: str) -> None:
    assert pairs_of(header)[0] == (header[0], text)


def test_a_standard_property_is_there_once() -> None:
    headers: list[Header] = [("mqtt-response-topic", "string", "one"), ("mqtt-response-topic", "string", "two")]
    found = read(Message(b"", "u", headers=headers))
    assert (found.ResponseTopic, found.UserProperty[0]) == ("one", ("mqtt-response-topic", "two"))


@pytest.mark.parametrize(
    ("setting", "header", "flagged"),
    [(None, True, True), (None, False, False), (None, None, False), (True, None, True), (False, True, False)],
)
@pytest.mark.parametrize("properties", [True, False])
def test_retaining_is_as_the_route_says_or_else_the_message(
    setting: bool | None, header: bool | None, flagged: bool, properties: bool
) -> None:
    headers: list[Header] = [] if header is None else [("mqtt-retain", "bool", header)]
    packet = encoded(Message(b"", "u", headers=headers), encoder(retain=setting, properties=properties))
    assert packet[0] == (0x33 if flagged else 0x32)


@pytest.mark.parametrize(
    ("expiration", "seconds", "carried"),
    [
        ("60000", 60, False),
        ("1", 1, True),
        ("0", 1, True),
        ("1500", 2, True),
        ("060000", 60, True),
        ("4294967295000", 4_294_967_295, False),
        ("4294967296000", None, True),
        ("soon", None, True),
        ("-1", None, True),
        ("٣", None, True),
        ("9" * 5000, None, True),
    ],
)
def test_an_expiration_is_rounded_up_to_seconds_and_kept_where_that_says_less(
    expiration: str, seconds: int | None, carried: bool
) -> None:
    found = read(Message(b"", "u", properties={"expiration": expiration}))
    assert getattr(found, "MessageExpiryInterval", None) == seconds
    assert (("amqp-expiration", expiration) in found.UserProperty) == carried


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(b"", "u", properties={"content_type": "\ud800"}), "unencodable"),
        (Message(b"", "u", properties={"correlation_id": "\ud800"}), "unencodable"),
        (Message(b"", "u\0"), "unencodable"),
        (Message(b"", "u\uffff"), "unencodable"),
        (Message(b"", "u", headers=[("a\n", "i8", 1)]), "unencodable"),
        (Message(b"", "u", headers=[("a", "string", "\ud800")]), "unencodable"),
        (Message(b"", "u", headers=[("a\0", "string", "x")]), "unencodable"),
        (Message(b"", "u", headers=[("\ud800", "i8", 1)]), "unencodable"),
        (Message(b"", "u", properties={"type": "x" * 65_536}), "too_large"),
        (Message(b"", "u", properties={"correlation_id": "x" * 65_536}), "too_large"),
        (Message(b"", "u", headers=[("a", "string", "ö" * 32_768)]), "too_large"),
        (Message(b"", "u", headers=[("a", "bytes", b"x" * 50_000)]), "too_large"),
        (Message(b"", "u", headers=[("a" * 65_536, "string", "x")]), "too_large"),
    ],
)
def test_what_mqtt_cannot_say_makes_a_message_unmappable(message: Message, reason: str) -> None:
    with pytest.raises(Unmappable) as fault:
        encoded(message)
    assert fault.value.reason == reason
    assert len(str(fault.value)) < 300


@pytest.mark.parametrize("name", ["content_type", "expiration", "message_id", "type"])
@pytest.mark.parametrize(("text", "escaped"), [("\udcff", "_w=="), ("a\n", "YQo=")])
def test_a_property_that_mqtt_has_no_text_for_is_a_user_property_in_base64(name: str, text: str, escaped: str) -> None:
    pair = PROPERTY_NAMES[name]
    found = read(Message(b"", "u", properties=cast("Properties", {name: text})))
    mark = ("fedbridge-types", f'{{"{pair}":"string64"}}')
    assert found.UserProperty == [(pair, escaped), mark, ("fedbridge-uid", "u")]
    assert not hasattr(found, "ContentType")
    assert not hasattr(found, "MessageExpiryInterval")


def test_an_exchange_or_a_routing_key_that_mqtt_has_no_text_for_is_in_base64() -> None:
    found = read(Message(b"", "u", "\udcff", "e\t", b"k")).UserProperty
    assert found.pop(2) == ("kafka-key", "k")
    assert found[:2] == [("amqp-exchange", "ZQk="), ("amqp-routing-key", "_w==")]
    assert found[2] == ("fedbridge-types", '{"amqp-exchange":"string64","amqp-routing-key":"string64"}')


def test_the_longest_texts_fit() -> None:
    found = read(Message(b"", "u", headers=[("n" * 65_535, "string", "v" * 65_535)]))
    assert found.UserProperty[0] == ("n" * 65_535, "v" * 65_535)
    assert read(Message(b"", "u", properties={"correlation_id": "\0\udcff"})).CorrelationData == b"\0\xff"


def test_a_table_that_is_too_deep_is_unmappable() -> None:
    deep: Value = ()
    for _ in range(20_000):
        deep = (("t", "table", deep),)
    with pytest.raises(Unmappable) as fault:
        encoded(Message(b"", "u", headers=[("deep", "table", deep)]))
    assert fault.value.reason == "too_deep"


def test_a_packet_above_the_brokers_limit_is_unmappable_and_leaves_nothing() -> None:
    message = Message(b"x" * 300, "u")
    size = len(encoded(message))
    assert encoded(message, encoder(largest=size))
    parts: list[bytes] = []
    for largest, properties in ((size - 1, True), (300, False)):
        with pytest.raises(Unmappable, match="at most") as fault:
            encoder(largest=largest, properties=properties).add(message, b"\x00\x01t", b"\0\1", parts)
        assert fault.value.reason == "too_large"
    with pytest.raises(Unmappable, match="at most 268435455"):
        encoder().add(Message(bytes(LARGEST), "u"), b"\x00\x01t", b"\0\1", parts)
    assert parts == []


@pytest.mark.parametrize("size", [0, 100, 128, 16_384, 2_097_152])
def test_without_properties_a_packet_is_topic_and_payload(size: int) -> None:
    message = Message(b"x" * size, "u", properties=FULL, headers=[("a", "string", "b")])
    assert encoded(message, encoder(properties=False)) == publish(2, b"t", 7, b"x" * size)
    assert encoded(message, encoder(0, properties=False), b"") == publish(0, b"t", 0, b"x" * size)


def test_a_shape_of_headers_is_remembered_for_its_own_values() -> None:
    made = encoder()
    for number in (1, 2):
        packet = encoded(Message(b"", "u", headers=[("n", "i32", number), ("s", "string", f"v{number}")]), made)
        assert b"\x26" + text(b"n") + text(b"%d" % number) + b"\x26" + text(b"s") + text(b"v%d" % number) in packet
    for number in range(1000):
        encoded(Message(b"", "u", headers=[(f"n{number}", "i32", number)]), made)
    assert len(made._shapes) <= 256


@given(messages)
def test_both_ways_give_the_same_bytes(message: Message) -> None:
    try:
        short = encoder()._short_way(message)
    except (Exceptional, UnicodeError, AttributeError, OverflowError):
        return
    assert short == long_way(message)


@given(messages)
def test_what_is_written_is_read_as_what_it_was(message: Message) -> None:
    tap = PacketTap()
    try:
        tap.feed(encoded(message))
    except Unmappable as fault:
        assert fault.reason == "unencodable"  # noqa: PT017 - either that, or all of what follows
        assert not _is_plain(message)
        return
    found = Decoder("mqtt:e-", properties=True).decode(tap.publishes[0], 1)
    assert isinstance(found, Message)
    assert (found.body, found.key, found.address) == (message.body, message.key, "t")
    origin: list[Header] = (
        []
        if message.exchange is None
        else [("amqp-exchange", "string", message.exchange), ("amqp-routing-key", "string", message.address)]
    )
    kept = [header for header in message.headers if header[0] not in {"fedbridge-uid", "fedbridge-types"}]
    topic: list[Header] = [] if message.uid else [("mqtt-topic", "string", "t")]
    assert list(map(repr, found.headers)) == list(map(repr, [*map(came_back, [*origin, *kept]), *topic]))
    expected = dict(message.properties)
    if not message.uid:
        expected.setdefault("delivery_mode", 2)
    assert found.properties == expected
    assert found.uid == (message.uid or "mqtt:e-1")


def _is_plain(message: Message) -> bool:
    """Whether all of a message is text that MQTT can carry, as far as it has to be."""
    texts = [message.uid, message.path, *(name for name, _, _ in message.headers)]
    strings = [value for _, kind, value in message.headers if kind == "string" and isinstance(value, str)]
    strings += [] if message.exchange is None else [message.exchange, message.address]
    strings += map(str, message.properties.values())
    try:
        "".join(texts).encode()
        "".join(strings).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return not unfit("".join(texts))
