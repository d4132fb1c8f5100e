"""Frames in bytes of any split."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame

from connectors.amqp.frames import BODY, HEARTBEAT, METHOD, BadFrame, Splitter, legible, parse_close, short


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


@pytest.mark.parametrize("close", [commands.Channel.Close, commands.Connection.Close])
@given(st.text(max_size=60), st.sampled_from([b"", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"]), st.integers(0, 65535))
def test_a_text_that_was_cut_in_a_character_is_legible_to_the_library(
    close: type[commands.Channel.Close | commands.Connection.Close], text: str, cut: bytes, channel: int
) -> None:
    method = close(404, text, 60, 40)
    payload = method.marshal()
    raw = text.encode()
    behind = payload[3 + len(raw) :]
    whole = struct.pack(">I", close.index) + payload[:2] + bytes((len(raw + cut) + 3,)) + raw + cut + b"..." + behind
    _, number, found = frame.unmarshal(legible(framed(METHOD, channel, whole)))
    assert isinstance(found, close)
    assert (number, found.reply_text) == (channel, f"{text}...")
    assert (found.reply_code, found.class_id, found.method_id) == (404, 60, 40)


def test_every_other_frame_is_what_it_was() -> None:
    said = frame.marshal(commands.Channel.Close(404, "größe", 60, 40), 7)
    like = framed(BODY, 7, b"\x00\x14\x00\x28\x01\x94\x01\xff\x00\x3c\x00\x28")
    stub = framed(METHOD, 7, b"\x00\x14\x00\x28\x01")
    for each in (said, like, stub, HEARTBEAT, frame.marshal(commands.Channel.CloseOk(), 7)):
        assert legible(each) is each
