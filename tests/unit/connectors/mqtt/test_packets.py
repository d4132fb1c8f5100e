"""The numbers that MQTT packets are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.properties import VariableByteIntegers

from connectors.mqtt.packets import LARGEST, BadPacket, ack_head, read_varint, varint


@given(st.integers(0, LARGEST) | st.sampled_from([0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, LARGEST]))
def test_variable_byte_integers_are_what_the_library_makes_and_read_as_what_they_were(number: int) -> None:
    encoded = varint(number)
    assert encoded == VariableByteIntegers.encode(number)  # type: ignore[no-untyped-call]
    assert read_varint(b"x" + encoded + b"\xff", 1) == (number, 1 + len(encoded))
    for end in range(len(encoded)):
        with pytest.raises(IndexError):
            read_varint(encoded[:end], 0)


def test_a_fifth_byte_is_none() -> None:
    with pytest.raises(BadPacket, match="more than four bytes"):
        read_varint(b"\x80\x80\x80\x80\x01", 0)


def test_each_quality_has_its_acknowledgement() -> None:
    assert [ack_head(flags) for flags in (0x30, 0x32, 0x3B, 0x34)] == [b"", b"\x40\x02", b"\x40\x02", b"\x50\x02"]
    with pytest.raises(BadPacket, match="QoS 3"):
        ack_head(0x36)
