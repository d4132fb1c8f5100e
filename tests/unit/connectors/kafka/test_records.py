"""Records read in Python."""

import struct

import pytest
from aiokafka.codec import gzip_encode
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.records import PlainRecord, is_message_intact, parse, parse_message
from tests.unit.connectors.kafka.records import (
    APPEND_TIME,
    CREATED,
    MAX_TIMESTAMP,
    Row,
    batch,
    codecs,
    flagged,
    legacy,
    plain,
    rows,
    valued,
)


@given(rows, codecs, st.booleans())
def test_batches_are_read_as_aiokafka_reads_them(some: list[Row], codec: int, appended: bool) -> None:
    data = batch(3, some, codec)
    times = {(CREATED - number, 0) for number in range(5)}
    if appended:
        times = {(CREATED + 9, 1)}
        struct.pack_into(">q", data, MAX_TIMESTAMP, CREATED + 9)
        flagged(data, APPEND_TIME)
    theirs = plain(list(DefaultRecordBatch(bytes(data))))
    assert [tuple(record) for record in parse(bytes(data))] == theirs
    assert {(time, kind) for _, time, kind, *_ in theirs} <= times


@given(st.lists(st.none() | st.binary(max_size=20), min_size=1, max_size=5), st.sampled_from([0, 1]), st.data())
def test_old_messages_are_read_as_aiokafka_reads_them(
    values: list[bytes | None], magic: int, data: st.DataObject
) -> None:
    codec = data.draw(st.sampled_from([0, 1, 2, 3] if magic else [0, 1, 2]))
    if not codec:
        del values[1:]
    raw = legacy(7, magic, values, codec)
    theirs = [(one.offset, one.key, one.value) for one in LegacyRecordBatch(raw, magic)]
    ours = list(parse_message(raw))
    assert is_message_intact(raw)
    assert not is_message_intact(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert [(one.offset, one.key, one.value) for one in ours] == theirs
    assert theirs == [(offset, b"k", value) for offset, value in enumerate(values, 7)]
    assert {(one.timestamp, one.timestamp_type) for one in ours} == {(CREATED if magic else -1, 0)}


def test_the_time_of_the_log_is_that_of_all_messages_compressed_together() -> None:
    data = bytearray(legacy(0, 1, [b"a", b"b"], codec=1))
    data[17] |= APPEND_TIME
    struct.pack_into(">q", data, 18, CREATED + 9)
    assert list(parse_message(bytes(data))) == [
        PlainRecord(0, CREATED + 9, 1, b"k", b"a", []),
        PlainRecord(1, CREATED + 9, 1, b"k", b"b", []),
    ]


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_unknown_codec_is_named(codec: int) -> None:
    with pytest.raises(ValueError, match=f"unknown codec, {codec}"):
        next(parse(bytes(flagged(valued(0, b"a"), codec))))


def test_a_number_that_does_not_end_ends() -> None:
    with pytest.raises(ValueError, match="does not end"):
        next(parse(bytes(valued(0, b"a")[:61] + b"\xff" * 20)))


def test_compression_in_compression_is_refused() -> None:
    inner = legacy(0, 1, [b"a"], codec=1)
    with pytest.raises(ValueError, match="compressed in compressed"):
        list(parse_message(_wrapped(inner)))


@pytest.mark.parametrize("length", [-12, -1, 0, 2**31 - 1])
def test_lengths_lead_nowhere(length: int) -> None:
    inner = bytearray(legacy(0, 1, [b"a"]) + legacy(1, 1, [b"b"]))
    struct.pack_into(">i", inner, 8, length)
    with pytest.raises(ValueError, match="bytes that ends"):
        list(parse_message(_wrapped(bytes(inner))))


def _wrapped(inner: bytes) -> bytes:
    """A message of format 1 whose value is compressed by gzip, as it says."""
    data = bytearray(legacy(1, 1, [gzip_encode(inner)]))
    data[17] |= 1
    return bytes(data)
