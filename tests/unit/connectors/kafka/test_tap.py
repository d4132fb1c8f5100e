"""What a fetch brought, batch by batch."""

import struct
import weakref
from collections.abc import Sequence
from itertools import cycle
from zlib import crc32

import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.tap import BatchReader, Corrupt, Fetched, Record, split
from tests.unit.connectors.kafka.records import (
    BODY,
    CODECS,
    COUNT,
    CREATED,
    DELTA,
    LENGTH,
    Log,
    Row,
    batch,
    codecs,
    control,
    flagged,
    legacy,
    logs,
    places,
    plain,
    read,
    rows,
    signed,
    valued,
    with_body,
)

COMPRESS = {0: bytes, 1: gzip_encode, 2: snappy_encode, 3: lz4_encode, 4: zstd_encode}
NAME = b"header-name"


def readers(fetched: Fetched) -> list[BatchReader]:
    return [BatchReader(one) for one in fetched.batches]


@given(logs(), st.data())
def test_any_log_is_read_from_anywhere_in_fetches_of_any_size(log: Log, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, log.end))
    found = list[tuple[int, bytes | None]]()
    wanted = [one for one in log.seen if one[0] >= at]
    limits = cycle(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    while rest := log.from_(at):
        whole = next(len(one) for one, end in log.batches if end > at)
        fetched = split(rest[: data.draw(st.integers(whole, len(rest)))], at, log.aborted_from(at))
        for reader in readers(fetched):
            while some := reader.take(next(limits)):
                found += places(some)
                assert reader.next == some[-1].offset + 1
        assert fetched.position > at
        at = fetched.position
    assert found == wanted


@given(rows, codecs, st.lists(st.integers(1, 3), min_size=1))
def test_pieces_of_any_size_are_the_whole(some: list[Row], codec: int, limits: list[int]) -> None:
    data = bytes(batch(5, some, codec))
    (reader,) = readers(split(data, 5, []))
    pieces: list[Record] = []
    for limit in cycle(limits):
        found = reader.take(limit)
        pieces += found
        if not found:
            break
    assert plain(pieces) == plain(read(data, 5)) == plain(list(DefaultRecordBatch(data)))
    assert [(one.key, one.value, list(one.headers)) for one in pieces] == some
    assert reader.take(1) == []


@pytest.mark.parametrize("cut", [0, 1, 16, 17, 18, 60, -1])
def test_a_batch_that_was_cut_is_left_for_the_next_fetch(cut: int) -> None:
    first, second = valued(0, b"a", b"b", b"c"), valued(3, b"d", b"e")
    fetched = split(bytes(first + second[:cut]), 1, [])
    assert fetched.position == 3
    assert [(one.begin, one.next) for one in fetched.batches] == [(1, 3)]
    assert places(readers(fetched)[0].take(10)) == [(1, b"b"), (2, b"c")]


def test_markers_are_passed_over_and_aborted_transactions_are_not_seen() -> None:
    def transaction(base: int, value: bytes, producer: int) -> bytearray:
        return batch(base, [(None, value, [])], producer=producer, transactional=True)

    log = [
        transaction(0, b"aborted", 7),
        transaction(1, b"other", 8),
        control(2, 7, commits=False),
        transaction(3, b"later", 7),
        control(4, 7, commits=True),
    ]
    fetched = split(b"".join(log), 0, [(7, 0)])
    assert [places(reader.take(9)) for reader in readers(fetched)] == [[(1, b"other")], [(3, b"later")]]
    assert fetched.position == 5, "behind the last marker"


def test_a_marker_that_cannot_be_read_is_told_and_costs_no_later_transaction() -> None:
    marker = control(1, 7, commits=False)
    marker[-1] ^= 1
    log = [
        batch(0, [(None, b"aborted", [])], producer=7, transactional=True),
        marker,
        batch(2, [(None, b"later", [])], producer=7, transactional=True),
    ]
    bad, later = readers(split(b"".join(log), 0, [(7, 0)]))
    assert reason_of(bad) == "bad_crc"
    assert (bad.batch.begin, bad.batch.next) == (1, 2)
    assert places(later.take(10)) == [(2, b"later")]


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize("position", [0, 10, 11, 12])
@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)])
def test_the_old_formats_are_read_from_anywhere(magic: int, codec: int, position: int, limit: int) -> None:
    data = legacy(10, magic, [b"a", b"b", b"c"], codec) + legacy(13, magic, [b"d"])
    wanted = [(10, b"a"), (11, b"b"), (12, b"c"), (13, b"d")]
    found = read(data, position, limit)
    assert places(found) == [one for one in wanted if one[0] >= position]
    assert {(one.timestamp, one.timestamp_type) for one in found} == {(CREATED if magic else -1, 0)}
    assert split(data, position, []).position == 14


def test_a_bad_checksum_is_told_and_costs_the_neighbours_nothing() -> None:
    bad = valued(1, b"bad", b"bad")
    bad[-3] ^= 1
    first, second, third = readers(split(bytes(valued(0, b"a") + bad + valued(3, b"b")), 0, []))
    assert places(first.take(10) + third.take(10)) == [(0, b"a"), (3, b"b")]
    with pytest.raises(Corrupt, match="checksum") as corrupt:
        second.take(10)
    assert corrupt.value.reason == "bad_crc"
    assert (second.next, second.batch.next, bytes(second.batch.data)) == (1, 3, bytes(bad))


@pytest.mark.parametrize(("at", "value"), [(DELTA, -3), (DELTA, 2**31 - 1), (COUNT, 2**31 - 1), (COUNT, -1)])
def test_a_broken_header_leads_nowhere(at: int, value: int) -> None:
    bad = valued(4, b"bad", b"bad")
    struct.pack_into(">i", bad, at, value)
    fetched = split(bytes(bad + valued(6, b"next")), 4, [])
    first, second = readers(fetched)
    assert reason_of(first) == "bad_crc"
    assert places(second.take(10)) == [(6, b"next")]
    assert fetched.position == 7


@pytest.mark.parametrize("length", [-1, 0, 9])
def test_what_is_no_batch_is_told_one_offset_at_a_time(length: int) -> None:
    bad = valued(4, b"bad")
    struct.pack_into(">i", bad, LENGTH, length)
    fetched = split(bytes(valued(3, b"a") + bad), 3, [])
    first, second = readers(fetched)
    assert places(first.take(10)) == [(3, b"a")]
    assert reason_of(second) == "bad_batch"
    assert (second.batch.begin, second.batch.next, fetched.position) == (4, 5, 5)


@pytest.mark.parametrize("size", [22, 60])
def test_a_batch_that_is_no_header_is_told(size: int) -> None:
    bad = valued(4, b"bad")[:size]
    struct.pack_into(">i", bad, LENGTH, size - 12)
    with pytest.raises(Corrupt, match=f"{size} bytes"):
        read(bad, 4)


@pytest.mark.parametrize("codec", [codec for codec in CODECS.values() if codec])
def test_what_cannot_be_decompressed_is_told(codec: int) -> None:
    whole = valued(0, bytes(range(256)) * 4, codec=codec)
    for body in (whole[BODY : BODY + 3], b"?" * 50, whole[BODY:-9], b""):
        (reader,) = readers(split(bytes(with_body(whole, bytes(body))), 0, []))
        assert reason_of(reader) == "bad_batch", body
        assert reader.failed
    (unknown,) = readers(split(bytes(flagged(whole, 0x07)), 0, []))
    assert reason_of(unknown) == "bad_batch"


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_header_names_of_any_bytes_are_read_and_nothing_comes_twice(codec: int, limit: int, position: int) -> None:
    headers = [[(name, b"v"), (name, None)] for name in ("a", NAME.decode(), "c")]
    whole = batch(0, [(None, b"%d" % number, own) for number, own in enumerate(headers)])
    body = bytes(whole[BODY:]).replace(NAME, b"header-\xffame")
    found = read(with_body(flagged(whole, codec), COMPRESS[codec](body)), position, limit)
    strange = [(name.replace("header-n", "header-\udcff"), value) for name, value in headers[1]]
    wanted = [
        (0, CREATED, 0, None, b"0", headers[0]),
        (1, CREATED - 1, 0, None, b"1", strange),
        (2, CREATED - 2, 0, None, b"2", headers[2]),
    ]
    assert plain(found) == wanted[position:]


def test_records_before_a_broken_one_come_and_the_rest_is_told() -> None:
    data = valued(0, b"a", b"b", b"c")
    data[-3] = 0x7F  # the value's length of the last record
    (reader,) = readers(split(bytes(signed(data)), 0, []))
    assert places(reader.take(10)) == [(0, b"a"), (1, b"b")]
    assert reader.failed
    for _ in range(2):
        with pytest.raises(Corrupt):
            reader.take(10)
    assert reader.next == 2


@pytest.mark.parametrize("good", [valued(0, b"a"), legacy(0, 1, [b"a"])])
def test_what_cannot_be_read_is_freed_at_once(good: bytes | bytearray) -> None:
    (reader,) = readers(split(bytes(good[:-1] + b"?"), 0, []))
    assert reason_of(reader) == "bad_crc"
    alive = weakref.ref(reader)
    del reader
    assert alive() is None


def reason_of(reader: BatchReader) -> str:
    try:
        for _ in range(1000):
            if not reader.take(1):
                return ""
    except Corrupt as error:
        return error.reason if str(error) else "it does not say why"
    raise AssertionError("it does not end")


REASONS = {"", "bad_crc", "bad_batch"}


@given(st.binary(max_size=200), st.integers(0, 2**40), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_garbage_is_no_error_but_corrupt(data: bytes, position: int, aborted: Sequence[tuple[int, int]]) -> None:
    fetched = split(data, position, aborted)
    assert fetched.position >= position
    assert {reason_of(reader) for reader in readers(fetched)} <= REASONS
    for one in fetched.batches:
        assert position <= one.begin < one.next <= fetched.position


one_message = st.lists(st.binary(max_size=9), min_size=1, max_size=1)


@given(
    st.one_of(
        st.builds(batch, st.just(0), rows, codecs),
        st.builds(legacy, st.just(0), st.integers(0, 1), st.lists(st.binary(), min_size=1), st.integers(1, 2)),
        st.builds(legacy, st.just(0), st.integers(0, 1), one_message),
    ),
    st.lists(st.tuples(st.integers(12), st.integers(0, 255)), min_size=1, max_size=4),
    st.booleans(),
)
def test_broken_batches_are_no_error_but_corrupt(
    good: bytes | bytearray, changes: list[tuple[int, int]], sign: bool
) -> None:
    data = bytearray(good)
    for at, byte in changes:
        data[at % (len(data) - 12) + 12] = byte
    if sign and data[16] >= 2 and len(data) >= BODY:
        signed(data)
    elif sign:
        struct.pack_into(">I", data, 12, crc32(data[16:]))
    fetched = split(bytes(data + valued(2**33, b"next")), 0, [])
    assert {reason_of(reader) for reader in readers(fetched)} <= REASONS
    assert places(BatchReader(fetched.batches[-1]).take(10)) == [(2**33, b"next")]
