"""The tap of a sink: any split of any stream."""

import itertools
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame

from connectors.amqp.confirms import Confirm, ConfirmTap, Return
from connectors.amqp.frames import HEARTBEAT, BadFrame

CHANNEL = 5
FRAME_MAX = 131_072


def framed(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def confirm(said: Confirm, channel: int = CHANNEL) -> bytes:
    if said.nack:
        return frame.marshal(commands.Basic.Nack(said.tag, said.multiple, False), channel)
    return frame.marshal(commands.Basic.Ack(said.tag, said.multiple), channel)


def returned(said: Return, body: bytes, piece: int, channel: int = CHANNEL) -> list[bytes]:
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    return [
        frame.marshal(commands.Basic.Return(said.code, said.text, "exchange", "key"), channel),
        framed(2, channel, struct.pack(">HHQ", 60, 0, len(body)) + said.properties),
        *(framed(3, channel, part) for part in pieces),
    ]


def tap() -> ConfirmTap:
    made = ConfirmTap()
    made.divert(CHANNEL, FRAME_MAX)
    return made


def split(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


confirms = st.builds(Confirm, st.integers(1, 2**63 - 1), st.booleans(), st.booleans())
returns = st.builds(Return, st.just(312), st.just("NO_ROUTE"), st.binary(min_size=2, max_size=40))
others = st.sampled_from(
    [
        HEARTBEAT,
        framed(1, CHANNEL, b"\x00\x55\x00\x0b"),  # Confirm.SelectOk
        confirm(Confirm(1, True, False), 6),
        b"".join(returned(Return(312, "NO_ROUTE", b"\x00\x00"), b"body", 2, channel=6)),
        framed(2, 6, b"\x00\x3c" + b"\x00" * 12),
    ]
)
cuts = st.lists(st.integers(0, 10_000), max_size=40)


@given(st.lists(confirms | returns | others, max_size=12), cuts, st.binary(max_size=50), st.integers(1, 20))
def test_any_split_of_any_stream_gives_the_same(
    parts: list[Confirm | Return | bytes], cuts: list[int], body: bytes, piece: int
) -> None:
    stream, passed, made = b"", b"", tap()
    for part in parts:
        if isinstance(part, Confirm):
            stream += confirm(part)
        elif isinstance(part, Return):
            stream += b"".join(returned(part, body, piece))
        else:
            stream += part
    for chunk in split(stream, cuts):
        passed += made.feed(chunk)
    assert made.confirms == [part for part in parts if isinstance(part, Confirm)]
    assert made.returns == [part for part in parts if isinstance(part, Return)]
    assert passed == b"".join(part for part in parts if isinstance(part, bytes))


@given(returns, st.binary(max_size=20), st.lists(others, max_size=4), st.integers(0, 20))
def test_frames_of_other_channels_may_come_between_those_of_a_return(
    said: Return, body: bytes, between: list[bytes], place: int
) -> None:
    foreign = [part for part in between if part[1:3] != struct.pack(">H", CHANNEL)]
    frames = returned(said, body, 7)
    at = place % (len(frames) + 1)
    made = tap()
    passed = made.feed(b"".join([*frames[:at], *foreign, *frames[at:]]))
    assert (made.returns, passed) == ([said], b"".join(foreign))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_pass_or_are_a_bad_frame(chunks: list[bytes]) -> None:
    made = tap()
    for chunk in chunks:
        try:
            made.feed(chunk)
        except BadFrame:
            return


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 8]), st.sampled_from([0, CHANNEL, 6]), st.binary(max_size=30))), cuts
)
def test_frames_of_anything_pass_or_are_a_bad_frame(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    made = tap()
    for chunk in split(b"".join(framed(*each) for each in frames), cuts):
        try:
            made.feed(chunk)
        except BadFrame:
            return


METHODS = [b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78", b"\x00\x3c\x00\x32", b"\x00\x14\x00\x28"]


@given(st.lists(st.tuples(st.sampled_from(METHODS), st.binary(max_size=30))), cuts)
def test_methods_with_any_arguments_pass_or_are_a_bad_frame(said: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    made = tap()
    for chunk in split(b"".join(framed(1, CHANNEL, method + arguments) for method, arguments in said), cuts):
        try:
            made.feed(chunk)
        except BadFrame:
            return


@given(st.lists(confirms | returns, min_size=1, max_size=4), st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_shows_alike_whole_and_byte_by_byte(parts: list[Confirm | Return], at: int, value: int) -> None:
    stream = bytearray(
        b"".join(confirm(part) if isinstance(part, Confirm) else b"".join(returned(part, b"body", 3)) for part in parts)
    )
    stream[at % len(stream)] = value
    whole = bytes(stream)
    assert outcome([whole]) == outcome([whole[place : place + 1] for place in range(len(whole))])


def outcome(chunks: Sequence[bytes]) -> tuple[list[Confirm], list[Return], bytes, bool]:
    """What came of it: the answers, what passed, and whether it ended as a bad frame."""
    made, passed = tap(), b""
    try:
        for chunk in chunks:
            passed += made.feed(chunk)
    except BadFrame:
        return made.confirms, made.returns, b"", True
    return made.confirms, made.returns, passed, False


def test_before_diverting_everything_is_the_librarys() -> None:
    made = ConfirmTap()
    stream = confirm(Confirm(1, True, False)) + b"".join(returned(Return(312, "NO_ROUTE", b"\x00\x00"), b"body", 9))
    assert made.feed(stream) == stream
    assert (made.confirms, made.returns) == ([], [])


def test_another_protocol_version_is_left_to_the_library_to_say() -> None:
    made = ConfirmTap()
    assert made.feed(b"AMQP\x00\x00\x09\x01") == b"AMQP\x00\x00\x09\x01"
    assert made.feed(b"rest") == b"rest"


def test_a_close_of_the_channel_is_told_and_passed_on_and_ends_diverting() -> None:
    """The number may be another channel's after that, whose frames are the library's."""
    made = tap()
    closing = frame.marshal(commands.Channel.Close(404, "NOT_FOUND - no exchange 'x'", 60, 40), CHANNEL)
    ack = confirm(Confirm(1, False, False))
    assert made.feed(ack + closing + ack) == closing + ack
    assert made.closed == (404, "NOT_FOUND - no exchange 'x'")
    assert made.confirms == [Confirm(1, False, False)]
    made.divert(CHANNEL, FRAME_MAX)
    assert made.closed is None
    assert made.feed(ack) == b""


def test_a_text_that_the_broker_has_cut_in_a_character_is_passed_on_as_the_library_can_read_it() -> None:
    made = tap()
    closing = frame.marshal(commands.Channel.Close(404, "no exchange 'gr_...", 60, 40), CHANNEL)
    passed = made.feed(closing.replace(b"_", b"\xc3"))
    found = frame.unmarshal(passed)[2]
    assert isinstance(found, commands.Channel.Close)
    assert found.reply_text == "no exchange 'gr..."
    assert made.closed == (404, "no exchange 'gr\ufffd...")


def test_a_block_is_told_with_its_reason_until_it_ends_and_passed_on() -> None:
    made = tap()
    blocked = frame.marshal(commands.Connection.Blocked("low on memory"), 0)
    unblocked = frame.marshal(commands.Connection.Unblocked(), 0)
    assert made.feed(blocked) == blocked
    assert made.blocked == "low on memory"
    assert made.feed(unblocked) == unblocked
    assert made.blocked is None


def test_what_the_broker_said_when_it_closed_is_kept_and_passed_on() -> None:
    made = tap()
    closing = frame.marshal(commands.Connection.Close(320, "CONNECTION_FORCED - bye", 0, 0), 0)
    assert made.feed(closing) == closing
    assert made.farewell == (320, "CONNECTION_FORCED - bye")


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "type 72"),
        (confirm(Confirm(1, False, False))[:-1] + b"\xcd", "not 0xce"),
        (framed(1, CHANNEL, b"\x00\x3c\x00\x50" + bytes(8)), "a confirm of 8 bytes"),
        (framed(1, CHANNEL, b"\x00\x3c\x00\x32\x01\x38\xff"), "do not fit"),
        (framed(1, CHANNEL, b"\x00\x3c\x00\x32" + bytes(6)), "do not fit"),
        (framed(1, CHANNEL, b"\x00\x14\x00\x28\x01"), "cut short"),
        (returned(Return(312, "", b"\x00\x00"), b"", 1)[0] + framed(2, CHANNEL, b"\x00\x3c"), "a content header of 2"),
        (returned(Return(312, "", b"\x00\x00"), b"", 1)[0] + confirm(Confirm(1, False, False)), "middle of a return"),
        (
            b"".join(returned(Return(312, "", b"\x00\x00"), b"abc", 9)[:2]) + framed(3, CHANNEL, b"four"),
            "longer",
        ),
    ],
)
def test_bad_frames_are_named(stream: bytes, words: str) -> None:
    with pytest.raises(BadFrame, match=words):
        tap().feed(stream)
