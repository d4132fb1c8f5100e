"""The blocks of properties of MQTT 5, beside what the library makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt.properties import (
    CONTENT_TYPE,
    CORRELATION,
    EXPIRY,
    PAYLOAD_FORMAT,
    READ,
    RESPONSE_TOPIC,
    Names,
    expiry,
    reason_of,
    user_head,
)
from tests.unit.connectors.mqtt.raw import content, text, user


def packed(kind: int = PacketTypes.PUBLISH, **values: object) -> bytes:
    """Properties as the library writes them, without their length."""
    made = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return bytes(made.pack()[1:])  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("block", "identifier", "value"),
    [
        (packed(PayloadFormatIndicator=1), PAYLOAD_FORMAT, 1),
        (packed(MessageExpiryInterval=4_294_967_295), EXPIRY, 4_294_967_295),
        (packed(ContentType="größe"), CONTENT_TYPE, "größe"),
        (packed(ResponseTopic="a/b"), RESPONSE_TOPIC, "a/b"),
        (packed(CorrelationData=b"\x00\xff"), CORRELATION, b"\x00\xff"),
        (packed(SubscriptionIdentifier=268_435_455), 0x0B, 268_435_455),
        (packed(TopicAlias=65_535), 0x23, 65_535),
    ],
)
def test_each_property_is_read_as_the_library_writes_it(block: bytes, identifier: int, value: object) -> None:
    assert block[0] == identifier
    assert READ[identifier](b"xx" + block + b"yy", 3) == (value, 2 + len(block))


def test_user_property_and_expiry_begin_as_the_library_writes_them() -> None:
    assert user_head("größe") + text(b"v") == packed(UserProperty=("größe", "v"))
    assert expiry(7) == packed(MessageExpiryInterval=7)
    with pytest.raises(OverflowError):
        user_head("x" * 65_536)
    with pytest.raises(UnicodeEncodeError):
        user_head("\ud800")


def test_names_are_remembered_and_not_for_ever() -> None:
    names = Names()
    assert names[b"tenant"] is names[b"tenant"]
    assert names[b"x" * 300] == "x" * 300
    assert len(names) == 1, "long ones are not"
    for number in range(5000):
        assert names[b"%d" % number] == str(number)
    assert len(names) <= 1024
    with pytest.raises(UnicodeDecodeError):
        names[b"\xff"]


def test_the_brokers_own_words_are_found_among_other_properties() -> None:
    block = user(("a", "b")) + packed(PacketTypes.PUBACK, ReasonString="no room") + user(("c", "d"))
    assert reason_of(content(block)) == "no room"
    assert reason_of(content(user(("a", "b")))) == ""
    assert reason_of(b"") == ""
    assert reason_of(content(b"\x1f" + text(b"\xff"))) == "\ufffd"


@given(st.binary(max_size=60))
def test_looking_for_words_never_fails(block: bytes) -> None:
    assert isinstance(reason_of(block), str)
