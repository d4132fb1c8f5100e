"""What MQTT takes: topics, and how long a message lasts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client

from bridge.message import Message
from config.mqtt import unfit
from connectors.mqtt.rules import LONGEST_EXPIRY, lasting, retains, topic_fault


@pytest.mark.parametrize(
    "topic", ["a", "/", "a//b", "größe/€", "a$b", " ", "\xa0", "\xad", "\ufdf0", "\U0001f600", "x" * 65_535]
)
def test_topics_that_may_be_published_to(topic: str) -> None:
    assert topic_fault(topic) == ""
    Client._raise_for_invalid_topic(topic.encode())


@pytest.mark.parametrize(
    ("topic", "fault"),
    [
        ("", "is empty"),
        ("a\0b", "holds the control character U+0000"),
        ("a\nb", "holds the control character U+000A"),
        ("\x7f", "holds the control character U+007F"),
        ("\x9f", "holds the control character U+009F"),
        ("\ufdd0", "holds U+FDD0, which is no character"),
        ("\U0010ffff", "holds U+10FFFF, which is no character"),
        ("a/+/b", "holds a wildcard, + or #"),
        ("a+", "holds a wildcard, + or #"),
        ("#", "holds a wildcard, + or #"),
        ("$SYS/x", "begins with $, as only the broker's own do"),
        ("$share/g/a", "begins with $, as only the broker's own do"),
        ("a\ud800", "is not UTF-8"),
        ("\udcff", "is not UTF-8"),
        ("ö" * 32_768, "has 65536 bytes, MQTT allows 65535"),
    ],
)
def test_topics_that_may_not(topic: str, fault: str) -> None:
    assert topic_fault(topic) == fault


@given(st.text())
def test_what_is_printable_is_never_unfit(text: str) -> None:
    assert not (unfit(text) and text.isprintable())


@given(st.integers(0, 2**40))
def test_nothing_expires_early_and_at_most_a_second_late(milliseconds: int) -> None:
    seconds = lasting(str(milliseconds))
    if seconds is None:
        assert milliseconds > LONGEST_EXPIRY * 1000
    else:
        assert seconds >= 1
        assert milliseconds <= seconds * 1000 <= max(1000, milliseconds + 999)


@given(st.text())
def test_no_text_is_too_odd_for_an_expiration(text: str) -> None:
    assert lasting(text) is None or text.isdigit()


def test_only_a_bool_says_retain() -> None:
    assert retains(Message(b"", "u", headers=[("a", "i8", 1), ("mqtt-retain", "bool", True)]))
    for header in (("mqtt-retain", "bool", False), ("mqtt-retain", "string", "true"), ("retain", "bool", True)):
        assert not retains(Message(b"", "u", headers=[header]))
