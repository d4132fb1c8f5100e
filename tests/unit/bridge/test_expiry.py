"""Messages that expire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.expiry import aged
from bridge.message import Message


def lasting(text: str) -> Message:
    return Message(b"", "u", properties={"expiration": text, "type": "t"})


@given(st.integers(0, 10**10), st.floats(0, 10**6))
def test_the_time_in_the_bridge_is_taken_off(milliseconds: int, seconds: float) -> None:
    message = lasting(str(milliseconds))
    left = milliseconds - round(seconds * 1000)
    found = aged(message, seconds)
    if left <= 0:
        assert found is None
    else:
        assert found is not None
        assert found.properties == {"expiration": str(left), "type": "t"}
    assert message == lasting(str(milliseconds)), "a message is a value"


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "\u0661", "9" * 30])
def test_what_is_no_time_does_not_expire(text: str) -> None:
    assert aged(lasting(text), 1e6) == lasting(text)


def test_most_messages_do_not_expire() -> None:
    assert aged(Message(b"", "u"), 1e6) == Message(b"", "u")
