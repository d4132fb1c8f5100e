"""The tap: any split of any stream."""

import itertools
import time
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.mqtt.packets import BadPacket, Publish
from connectors.mqtt.tap import PacketTap
from tests.unit.connectors.mqtt.raw import CONNACK, DISCONNECT, PONG, SUBACK, framed, puback, publish


class Ack(NamedTuple):
    """A PUBACK."""

    mid: int
    code: int | None
    block: bytes | None

    @property
    def packet(self) -> bytes:
        return puback(*self)


def split(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def packet_of(part: "bytes | Publish | Ack") -> bytes:
    match part:
        case Publish(flags, topic, ack, content):
            return publish(flags & 0x0F, topic, int.from_bytes(ack[2:], "big"), content)
        case Ack():
            return part.packet
        case _:
            return bytes(part)


mids = st.integers(1, 65_535)
publishes = st.one_of(
    st.builds(Publish, st.sampled_from([0x30, 0x31]), st.binary(max_size=20), st.just(b""), st.binary(max_size=300)),
    st.builds(
        Publish,
        st.sampled_from([0x32, 0x3A, 0x33]),
        st.binary(max_size=20),
        mids.map(lambda mid: b"\x40\x02" + mid.to_bytes(2, "big")),
        st.binary(max_size=300),
    ),
    st.builds(
        Publish,
        st.just(0x34),
        st.binary(max_size=20),
        mids.map(lambda mid: b"\x50\x02" + mid.to_bytes(2, "big")),
        st.binary(max_size=20),
    ),
)
acks = st.one_of(
    st.builds(Ack, mids, st.none(), st.none()),
    st.builds(Ack, mids, st.sampled_from([0, 0x10, 0x80, 0x87, 0x97]), st.none() | st.just(b"\0")),
    st.builds(Ack, mids, st.sampled_from([0, 0x87]), st.binary(min_size=3, max_size=200)),
)
others = st.sampled_from([CONNACK, SUBACK, PONG, DISCONNECT, framed(0x62, b"\0\1"), framed(0x20, b"x" * 200)])


@given(st.lists(publishes | acks | others, max_size=12), st.lists(st.integers(0, 10_000), max_size=40))
def test_any_split_of_any_stream_gives_the_same(parts: list[Publish | Ack | bytes], cuts: list[int]) -> None:
    tap = PacketTap()
    stream = b"".join(map(packet_of, parts))
    passed = b"".join(tap.feed(chunk) for chunk in split(stream, cuts))
    told = [part for part in parts if isinstance(part, Ack)]
    assert tap.publishes == [part for part in parts if isinstance(part, Publish)]
    assert tap.acked == [ack.mid for ack in told if (ack.code or 0) < 0x80]
    assert tap.refused == [(ack.mid, ack.code, ack.block or b"") for ack in told if (ack.code or 0) >= 0x80]
    assert tap.pongs == parts.count(PONG)
    assert passed == b"".join(part for part in parts if not isinstance(part, Publish | Ack))


@given(
    st.lists(st.tuples(st.sampled_from([None, 0, 0x10, 0x97]), st.integers(1, 30)), max_size=5),
    st.sampled_from([b"", PONG]),
    st.lists(st.integers(0, 10_000), max_size=5),
)
def test_runs_of_acknowledgements_are_what_each_of_them_is(
    runs: list[tuple[int | None, int]], between: bytes, cuts: list[int]
) -> None:
    numbered = itertools.count(1)
    told = [(next(numbered), code) for code, count in runs for _ in range(count)]
    tap = PacketTap()
    for chunk in split(b"".join(puback(mid, code) + between for mid, code in told), cuts):
        tap.feed(chunk)
    assert tap.acked == [mid for mid, code in told if code != 0x97]
    assert tap.refused == [(mid, 0x97, b"") for mid, code in told if code == 0x97]


def test_a_long_run_of_acknowledgements_is_taken_to_its_end() -> None:
    tap = PacketTap()
    tap.feed(b"".join(puback(mid) for mid in range(1, 65_536)) + puback(7, 0x87, b"\0") + puback(8))
    assert tap.acked == [*range(1, 65_536), 8]
    assert tap.refused == [(7, 0x87, b"\0")]


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_random_bytes_pass_or_are_a_bad_packet(chunks: list[bytes]) -> None:
    tap = PacketTap()
    for chunk in chunks:
        try:
            tap.feed(chunk)
        except BadPacket:
            return


def outcome(chunks: Sequence[bytes]) -> tuple[object, ...]:
    """What came of it: what was taken, what passed, and whether it ended as a bad packet."""
    tap, passed = PacketTap(), b""
    try:
        for chunk in chunks:
            passed += tap.feed(chunk)
    except BadPacket:
        return tap.publishes, tap.acked, tap.refused, tap.pongs, b"", True
    return tap.publishes, tap.acked, tap.refused, tap.pongs, passed, False


@given(st.lists(publishes | acks | others, min_size=1, max_size=6), st.integers(0, 10_000), st.integers(0, 255))
@example([Ack(1, None, None), Ack(2, None, None), Ack(3, None, None)], 5, 0x03)
def test_a_wrong_byte_shows_alike_in_one_piece_and_byte_by_byte(
    parts: list[Publish | Ack | bytes], at: int, value: int
) -> None:
    stream = bytearray(b"".join(map(packet_of, parts)))
    stream[at % len(stream)] = value
    whole = bytes(stream)
    assert outcome([whole]) == outcome([whole[place : place + 1] for place in range(len(whole))])


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"\x30\x01\x00", "a PUBLISH of 1 bytes"),
        (b"\x30\x00", "a PUBLISH of 0 bytes"),
        (b"\x30\x04\x00\x05ab", "does not fit"),
        (b"\x32\x05\x00\x02ab\x00", "does not fit"),
        (b"\x36\x06\x00\x02ab\x00\x01", "QoS 3"),
        (b"\x40\x01\x00", "a PUBACK of 1 bytes"),
        (b"\x40\x00", "a PUBACK of 0 bytes"),
        (b"\x42\x02\x00\x01", "0x42"),
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x10\x00", "begins with 0x10"),
        (b"\x00\x00", "begins with 0x00"),
        (b"\xc0\x00", "begins with 0xc0"),
    ],
)
def test_bad_packets_are_named(stream: bytes, words: str) -> None:
    with pytest.raises(BadPacket, match=words):
        PacketTap().feed(stream)


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"-ERR\r\n", b"AMQP\0\0\x09\x01"]
)
def test_what_is_no_broker_is_told_from_one_by_its_first_byte(greeting: bytes) -> None:
    with pytest.raises(BadPacket, match="begins with"):
        PacketTap().feed(greeting[:1])


def test_a_large_message_in_small_pieces_is_linear() -> None:
    """16 MiB in one packet, read by the KiB: quadratic joining would copy 128 GiB."""
    body = bytes(16 << 20)
    stream = publish(0, b"t", 0, body)
    tap = PacketTap()
    started = time.process_time()
    for at in range(0, len(stream), 1024):
        assert tap.feed(stream[at : at + 1024]) == b""
    assert tap.publishes == [Publish(0x30, b"t", b"", body)]
    assert time.process_time() - started < 2
