"""PUBLISH packets as messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Delivery, Header, Message, Undecodable
from connectors.mqtt.decoder import Decoder
from connectors.mqtt.packets import Publish
from connectors.mqtt.tap import PacketTap
from tests.unit.connectors.mqtt.raw import content, publish, text, user

UID = "mqtt:e-7"
OURS = ("fedbridge-uid", "u-1")


def decoded(
    properties: bytes = b"", payload: bytes = b"body", flags: int = 0x32, topic: bytes = b"a/b"
) -> Message | Undecodable:
    return Decoder("mqtt:e-", properties=True).decode(Publish(flags, topic, b"", content(properties, payload)), 7)


def message(properties: bytes = b"", payload: bytes = b"body", flags: int = 0x32) -> Message:
    found = decoded(properties, payload, flags)
    assert isinstance(found, Message)
    return found


def test_a_message_of_anybody_has_its_topic_for_an_address_and_a_name_of_its_own() -> None:
    topic: Header = ("mqtt-topic", "string", "a/b")
    assert message() == Message(b"body", UID, "a/b", None, None, {"delivery_mode": 2}, [topic])
    assert message(flags=0x30).properties == {"delivery_mode": 1}
    assert message(flags=0x34).properties == {"delivery_mode": 2}
    assert message(user(("amqp-delivery-mode", "1"))).properties == {"delivery_mode": 1}


def test_a_message_of_a_bridge_keeps_its_name_and_gets_nothing() -> None:
    assert message(user(OURS)) == Message(b"body", "u-1", "a/b", None, None, {}, [])
    assert message(user(("fedbridge-uid", "")))[1] == UID
    assert message(user(OURS, ("fedbridge-uid", "other"))).headers == [("fedbridge-uid", "string", "other")]


def test_standard_properties_have_their_places() -> None:
    block = b"".join(
        [
            b"\x01\x01",
            b"\x02\x00\x00\x00\x3c",
            b"\x03" + text(b"text/plain"),
            b"\x08" + text(b"replies"),
            b"\x09" + text(b"c-\xff"),
            b"\x0b\x7f",
            b"\x23\x00\x01",
            user(OURS),
        ]
    )
    found = message(block, flags=0x33)
    assert found.properties == {"content_type": "text/plain", "correlation_id": "c-\udcff", "expiration": "60000"}
    assert found.headers == [
        ("mqtt-payload-format", "u8", 1),
        ("mqtt-response-topic", "string", "replies"),
        ("mqtt-retain", "bool", True),
    ]
    assert message(b"\x01\x00" + user(OURS)).headers == [], "0 says nothing"


def test_user_properties_are_headers_in_order_with_repeats() -> None:
    pairs = [("b", "1"), ("a", ""), ("b", "größe"), ("amqp-exchange", "e")]
    assert message(user(*pairs, OURS)).headers == [(name, "string", value) for name, value in pairs]


def test_names_of_properties_become_properties_and_what_does_not_fit_stays() -> None:
    found = message(
        user(
            ("amqp-message-id", "m"),
            ("amqp-message-id", "n"),
            ("amqp-priority", "007"),
            ("amqp-delivery-mode", "٣"),
            ("amqp-timestamp", "-5"),
            ("content-type", "text/plain"),
            OURS,
        )
    )
    assert found.properties == {"message_id": "m", "timestamp": -5, "content_type": "text/plain"}
    assert found.headers == [
        ("amqp-message-id", "string", "n"),
        ("amqp-delivery-mode", "string", "٣"),
        ("amqp-priority", "string", "007"),
    ]
    assert message(user(("amqp-timestamp", "9" * 25), OURS)).properties == {}


def test_what_mqtt_has_a_place_for_wins_and_the_other_stays_a_header() -> None:
    found = message(user(("content-type", "text/html"), OURS) + b"\x03" + text(b"text/plain"))
    assert found.properties == {"content_type": "text/plain"}
    assert found.headers == [("content-type", "string", "text/html")]


@pytest.mark.parametrize(
    ("seconds", "exact", "expiration"),
    [(None, "1500", "1500"), (2, "1500", "1500"), (1, "1500", "1000"), (60, None, "60000"), (5, "soon", "5000")],
)
def test_an_exact_expiration_counts_until_the_broker_has_counted_down(
    seconds: int | None, exact: str | None, expiration: str
) -> None:
    native = b"" if seconds is None else b"\x02" + seconds.to_bytes(4, "big")
    given_exactly = user(OURS) if exact is None else user(("amqp-expiration", exact), OURS)
    for block in (native + given_exactly, given_exactly + native):
        found = message(block)
        assert (found.properties, found.headers) == ({"expiration": expiration}, [])


def test_types_are_as_they_were_marked() -> None:
    mark = '{"n":"i64","raw":"bytes","v":"void","mixed":["bool","string"],"bad":"i8","odd":"nonsense"}'
    found = message(
        user(
            *[("n", "-5"), ("raw", "AP8="), ("v", ""), ("mixed", "true"), ("mixed", "x"), ("bad", "1000")],
            ("odd", "1"),
            ("fedbridge-types", mark),
            OURS,
        )
    )
    assert found.headers == [
        ("n", "i64", -5),
        ("raw", "bytes", b"\x00\xff"),
        ("v", "void", None),
        ("mixed", "bool", True),
        ("mixed", "string", "x"),
        ("bad", "string", "1000"),
        ("odd", "string", "1"),
    ]


def test_a_key_is_bytes() -> None:
    assert message(user(("kafka-key", "größe"), OURS)).key == "größe".encode()
    mark = ("fedbridge-types", '{"kafka-key":"bytes"}')
    assert message(user(("kafka-key", "AP8="), mark, OURS)).key == b"\x00\xff"
    assert message(user(("kafka-key", "no base64"), mark, OURS)).key == b"no base64"
    both = ("fedbridge-types", '{"kafka-key":[{"property":"bytes"},"string"]}')
    marked = user(("kafka-key", "AP8="), ("kafka-key", "two"), both, OURS)
    assert message(marked).key == b"\x00\xff"
    assert message(marked).headers == [("kafka-key", "string", "two")]
    own = user(("kafka-key", "5"), ("fedbridge-types", '{"kafka-key":["i8"]}'), OURS)
    assert (message(own).key, message(own).headers) == (None, [("kafka-key", "i8", 5)])
    assert message(user(("kafka-key", "5"), ("fedbridge-types", '{"kafka-key":"i8"}'), OURS)).key == b"5"


def test_no_body_is_not_an_empty_one_and_a_body_is_never_thrown_away() -> None:
    null = ("fedbridge-null", "true")
    assert message(user(null, OURS), b"").body is None
    assert message(user(null, OURS), b"body").body == b"body"
    assert message(user(OURS), b"").body == b""
    assert message(user(("fedbridge-null", "no"), OURS), b"").body == b""


def test_receipts_count_up_and_sizes_are_those_of_topic_properties_and_payload() -> None:
    tap = PacketTap()
    tap.feed(publish(2, b"a", 9, content(user(OURS), b"12345")) + publish(0x0A, b"bc", 3, content()))
    found = Decoder("mqtt:e-", properties=True).deliveries(tap.publishes, 1 << 64, 5)
    assert [delivery[1:] for delivery in found] == [((1 << 64) + 5, 28, False), ((1 << 64) + 6, 3, True)]
    assert [delivery.message.uid for delivery in found if isinstance(delivery.message, Message)] == ["u-1", "mqtt:e-6"]
    assert isinstance(found[0], Delivery)


@pytest.mark.parametrize(
    ("block", "detail"),
    [
        (b"\x7f", "KeyError"),
        (b"\x26\x00\x01a\x00\x05b", "they end at"),
        (b"\x26\x00\x01a", "IndexError"),
        (b"\x26" + text(b"\xff") + text(b""), "UnicodeDecodeError"),
        (b"\x03" + text(b"\xff"), "UnicodeDecodeError"),
        (b"\x02\x00\x00", "they end at"),
        (b"\x0b\xff\xff\xff\xff", "BadPacket"),
    ],
)
def test_broken_properties_are_a_value(block: bytes, detail: str) -> None:
    found = decoded(block, b"")
    assert isinstance(found, Undecodable)
    assert found[:3] == (block, b"", "bad_properties")
    assert detail in found.detail
    assert found.address == "a/b"


def test_what_can_be_told_apart_of_an_undecodable_is_kept() -> None:
    found = decoded(b"\x7f", b"payload", topic=b"\xff/b")
    assert isinstance(found, Undecodable)
    assert (found.raw, found.body, found.reason, found.address) == (b"\x7f", b"payload", "bad_topic", "\udcff/b")
    decoder = Decoder("mqtt:e-", properties=True)
    for rest in (b"", b"\x05abc", b"\xff\xff\xff\xff\xff"):
        broken = decoder.decode(Publish(0x30, b"t", b"", rest), 1)
        assert isinstance(broken, Undecodable)
        assert (broken.raw, broken.body, broken.reason) == (rest, b"", "bad_properties")


def test_without_properties_everything_is_payload() -> None:
    decoder = Decoder("mqtt:e-", properties=False)
    found = decoder.decode(Publish(0x33, b"t", b"", b"\x05abc"), 7)
    assert found == Message(
        b"\x05abc",
        UID,
        "t",
        None,
        None,
        {"delivery_mode": 2},
        [("mqtt-retain", "bool", True), ("mqtt-topic", "string", "t")],
    )
    bad = decoder.decode(Publish(0x30, b"\xff", b"", b"\x05abc"), 7)
    assert isinstance(bad, Undecodable)
    assert (bad.raw, bad.body, bad.reason) == (b"", b"\x05abc", "bad_topic")


@given(st.binary(max_size=10), st.binary(max_size=80), st.integers(0x30, 0x35), st.booleans())
def test_no_packet_raises(topic: bytes, rest: bytes, flags: int, properties: bool) -> None:
    found = Decoder("mqtt:e-", properties=properties).decode(Publish(flags, topic, b"", rest), 1)
    if isinstance(found, Undecodable):
        assert found.reason in {"bad_topic", "bad_properties"}
        assert found.detail


_pairs = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *["a", "content-type", "fedbridge-types", "fedbridge-uid", "fedbridge-null", "kafka-key"],
                *["amqp-priority", "amqp-timestamp", "amqp-expiration", "mqtt-retain"],
            ]
        ),
        st.text(max_size=8)
        | st.sampled_from(["1", "true", "AA==", '{"a":"i8"}', '{"a":["bool","i8"]}', '{"kafka-key":"bytes"}', "[1]"]),
    ),
    max_size=8,
)


@given(_pairs, st.binary(max_size=3), st.integers(0, 60), st.integers(0, 255))
def test_whatever_anybody_writes_into_user_properties_is_a_message(
    pairs: list[tuple[str, str]], payload: bytes, at: int, value: int
) -> None:
    block = bytearray(user(*pairs))
    assert isinstance(decoded(bytes(block), payload), Message)
    if block:
        block[at % len(block)] = value
        decoded(bytes(block), payload)
