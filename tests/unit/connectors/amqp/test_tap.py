"""The tap: any split of any stream."""

import itertools
import struct
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.heartbeat import Heartbeat

from connectors.amqp.codec import RawDelivery
from connectors.amqp.frames import HEARTBEAT, BadFrame
from connectors.amqp.tap import FrameTap, ack_frame

CHANNEL = 5
FRAME_MAX = 131_072


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def method(raw: RawDelivery, channel: int = CHANNEL) -> bytes:
    fields = (
        short(b"ctag") + struct.pack(">QB", raw.tag, raw.redelivered) + short(raw.exchange) + short(raw.routing_key)
    )
    return framed(1, channel, b"\x00\x3c\x00\x3c" + fields)


def header(raw: RawDelivery, channel: int = CHANNEL) -> bytes:
    return framed(2, channel, struct.pack(">HHQ", 60, 0, len(raw.body)) + raw.properties)


def content(raw: RawDelivery, piece: int = 8, channel: int = CHANNEL) -> list[bytes]:
    parts = [framed(3, channel, raw.body[at : at + piece]) for at in range(0, len(raw.body), piece)]
    return [method(raw, channel), header(raw, channel), *parts]


def tap() -> FrameTap:
    made = FrameTap()
    made.divert(CHANNEL, FRAME_MAX)
    return made


def split(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


deliveries = st.builds(
    RawDelivery,
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.binary(max_size=10),
    st.binary(max_size=255),
    st.binary(min_size=2, max_size=40),
    st.binary(max_size=50),
)
others = st.sampled_from(
    [
        HEARTBEAT,
        framed(1, CHANNEL, b"\x00\x3c\x00\x0b"),  # Basic.QosOk
        framed(1, 6, b"\x00\x14\x00\x0b\x00\x00\x00\x00"),
        framed(2, 6, b"\x00\x3c" + b"\x00" * 12),  # the content of a GetOk or Return of another channel
        framed(3, 6, b"body"),
        b"".join(content(RawDelivery(1, False, b"e", b"k", b"\x00\x00", b"other"), channel=6)),
    ]
)


@given(st.lists(deliveries | others, max_size=12), st.lists(st.integers(0, 10_000), max_size=40), st.integers(1, 20))
def test_any_split_of_any_stream_gives_the_same(parts: list[RawDelivery | bytes], cuts: list[int], piece: int) -> None:
    """RawDelivery is a tuple, so that bytes are what is not one."""
    stream = b"".join(part if isinstance(part, bytes) else b"".join(content(part, piece)) for part in parts)
    made = tap()
    passed = b"".join(made.feed(chunk) for chunk in split(stream, cuts))
    assert made.deliveries == [part for part in parts if not isinstance(part, bytes)]
    assert passed == b"".join(part for part in parts if isinstance(part, bytes))


@given(deliveries, st.lists(others, max_size=4), st.integers(0, 20))
def test_frames_of_other_channels_may_come_between_those_of_a_delivery(
    raw: RawDelivery, between: list[bytes], place: int
) -> None:
    foreign = [part for part in between if part[1:3] != struct.pack(">H", CHANNEL)]
    frames = content(raw)
    at = place % (len(frames) + 1)
    made = tap()
    passed = made.feed(b"".join([*frames[:at], *foreign, *frames[at:]]))
    assert (made.deliveries, passed) == ([raw], b"".join(foreign))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_pass_or_are_a_bad_frame(chunks: list[bytes]) -> None:
    made = tap()
    for chunk in chunks:
        try:
            made.feed(chunk)
        except BadFrame:
            return


@given(deliveries, st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_is_never_another_exception(raw: RawDelivery, at: int, value: int) -> None:
    stream = bytearray(b"".join(content(raw)))
    stream[at % len(stream)] = value
    made = tap()
    try:
        made.feed(bytes(stream))
        made.feed(b"".join(content(raw)))
    except BadFrame:
        return


def outcome(chunks: Sequence[bytes]) -> tuple[list[RawDelivery], bytes, bool]:
    """What came of it: the deliveries, what passed, and whether it ended as a bad frame."""
    made, passed = tap(), b""
    try:
        for chunk in chunks:
            passed += made.feed(chunk)
    except BadFrame:
        return made.deliveries, b"", True
    return made.deliveries, passed, False


@given(st.lists(deliveries, min_size=1, max_size=4), st.integers(0, 10_000), st.integers(0, 255))
def test_a_wrong_byte_shows_alike_in_one_step_and_frame_by_frame(raws: list[RawDelivery], at: int, value: int) -> None:
    """Deliveries that are whole are taken in one step; byte by byte none ever is."""
    stream = bytearray(b"".join(part for raw in raws for part in content(raw, 50)))
    stream[at % len(stream)] = value
    whole = bytes(stream)
    assert outcome([whole]) == outcome([whole[place : place + 1] for place in range(len(whole))])


def test_before_diverting_everything_is_the_librarys() -> None:
    made = FrameTap()
    stream = b"".join(content(RawDelivery(1, False, b"", b"q", b"\x00\x00", b"body")))
    assert made.feed(stream) == stream
    assert made.deliveries == []


def test_another_protocol_version_is_left_to_the_library_to_say() -> None:
    made = FrameTap()
    assert made.feed(b"AMQP\x00\x00\x09\x01") == b"AMQP\x00\x00\x09\x01"
    assert made.feed(b"rest") == b"rest"


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "type 72"),
        (framed(1, 0, b"\x00\x0a\x00\x0a")[:-1] + b"\xcd", "not 0xce"),
        (struct.pack(">BHI", 3, CHANNEL, FRAME_MAX) + b"x", "at most 131072"),
        (method(RawDelivery(1, False, b"", b"q", b"\x00\x00", b"")) * 2, "in the middle of a delivery"),
        (framed(1, CHANNEL, b"\x00\x3c\x00\x3c\xff"), "do not fit"),
        (framed(1, CHANNEL, b"\x00\x3c\x00\x3c" + bytes(10) + b"\x00\x00\x00"), "do not fit"),
        (method(RawDelivery(1, False, b"", b"", b"", b"")) + framed(2, CHANNEL, b"\x00\x3c"), "a content header of 2"),
        (
            method(RawDelivery(1, False, b"", b"", b"", b""))
            + framed(2, CHANNEL, struct.pack(">HHQH", 60, 0, 3, 0))
            + framed(3, CHANNEL, b"four"),
            "longer",
        ),
        (framed(1, 0, b"\x00\x0a\x00\x32"), "cut short"),
    ],
)
def test_bad_frames_are_named(stream: bytes, words: str) -> None:
    with pytest.raises(BadFrame, match=words):
        tap().feed(stream)


def test_what_the_broker_said_when_it_closed_is_kept_and_passed_on() -> None:
    made = FrameTap()
    closing = frame.marshal(commands.Connection.Close(530, "NOT_ALLOWED - no", 10, 40), 0)
    assert made.feed(closing) == closing
    assert made.farewell == (530, "NOT_ALLOWED - no")


def test_a_text_that_the_broker_has_cut_in_a_character_is_passed_on_as_the_library_can_read_it() -> None:
    closing = frame.marshal(commands.Channel.Close(404, "no queue 'gr_...", 50, 10), CHANNEL)
    passed = tap().feed(closing.replace(b"_", b"\xc3"))
    found = frame.unmarshal(passed)[2]
    assert isinstance(found, commands.Channel.Close)
    assert found.reply_text == "no queue 'gr..."


def test_a_large_body_in_small_pieces_is_linear() -> None:
    """16 MiB in one frame, read by the KiB: quadratic joining would copy 128 GiB."""
    raw = RawDelivery(1, False, b"", b"q", b"\x00\x00", bytes(16 << 20))
    made = FrameTap()
    made.divert(CHANNEL, 0)  # a broker without a limit
    stream = b"".join(content(raw, piece=len(raw.body)))
    started = time.process_time()
    for at in range(0, len(stream), 1024):
        assert made.feed(stream[at : at + 1024]) == b""
    assert made.deliveries == [raw]
    assert time.process_time() - started < 2


def test_an_ack_is_what_the_library_would_write() -> None:
    for tag, multiple in ((1, True), (2**63 - 1, False)):
        assert ack_frame(CHANNEL, tag, multiple) == frame.marshal(commands.Basic.Ack(tag, multiple), CHANNEL)


def test_a_heartbeat_is_what_the_library_would_write() -> None:
    assert frame.marshal(Heartbeat(), 0) == HEARTBEAT
