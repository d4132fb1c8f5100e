"""Frames in bytes of any split."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.amqp.frames import HEARTBEAT, BadFrame, Splitter, parse_close, short


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def found(splitter: Splitter, data: bytes) -> list[tuple[int, int, bytes]]:
    """The frames that a chunk completes."""
    data, at, frames = splitter.gather(data), 0, []
    while (frame := splitter.frame(data, at)) is not None:
        kind, channel, end = frame
        frames.append((kind, channel, data[at + 7 : end - 1]))
        at = end
    return frames


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 8]), st.integers(0, 65535), st.binary(max_size=20)), max_size=8),
    st.integers(1, 30),
)
def test_any_split_gives_the_same_frames(frames: list[tuple[int, int, bytes]], piece: int) -> None:
    stream, splitter = b"".join(framed(*frame) for frame in frames), Splitter()
    chunks = [stream[at : at + piece] for at in range(0, len(stream), piece)]
    assert [frame for chunk in chunks for frame in found(splitter, chunk)] == frames


def test_a_frame_larger_than_agreed_is_bad_before_it_is_complete() -> None:
    splitter = Splitter()
    splitter.limit(100)
    assert found(splitter, framed(3, 1, bytes(92))) == [(3, 1, bytes(92))]
    with pytest.raises(BadFrame, match="101 bytes, at most 100 were agreed"):
        found(splitter, framed(3, 1, bytes(93))[:7] + b"x")


def test_only_the_first_byte_of_a_connection_tells_of_another_protocol() -> None:
    splitter = Splitter()
    assert splitter.gather(b"AMQP") == b"AMQP"
    assert splitter.foreign
    splitter = Splitter()
    found(splitter, HEARTBEAT)
    with pytest.raises(BadFrame):
        found(splitter, b"AMQP\x00\x00\x09\x01")
    assert not splitter.foreign


def test_the_arguments_of_a_close_are_code_and_text() -> None:
    assert parse_close(b"\x01\x94\x03bye\x00\x00\x00\x00") == (404, "bye")
    assert short(b"xx\x03abc", 2) == b"abc"
    for cut in (b"", b"\x01", b"\x01\x94"):
        with pytest.raises(BadFrame, match="cut short"):
            parse_close(cut)
