"""Record sets as a broker keeps them, made by aiokafka's builders and, where those cannot, by hand."""

import struct
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import strategies as st

from bridge.raw import Pairs
from connectors.kafka.tap import BatchReader, Record, split

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
LENGTH, CRC, ATTRIBUTES, DELTA, MAX_TIMESTAMP, COUNT, BODY = 8, 17, 21, 23, 35, 57, 61  # where they are in a batch
CONTROL, APPEND_TIME = 0x20, 0x08
CREATED = 1_700_000_000_123

Row: TypeAlias = tuple[bytes | None, bytes | None, Pairs]
"""Key, value and headers."""

codecs = st.sampled_from(sorted(CODECS.values()))
_bytes_or_null = st.none() | st.binary(max_size=20)
rows: st.SearchStrategy[list[Row]] = st.lists(
    st.tuples(_bytes_or_null, _bytes_or_null, st.lists(st.tuples(st.text(max_size=5), _bytes_or_null), max_size=3)),
    min_size=1,
    max_size=5,
)


def batch(base: int, rows: Sequence[Row], codec: int = 0, producer: int = -1, transactional: bool = False) -> bytearray:
    """A batch of format 2 whose first offset is `base`; each record is a millisecond older than the one before."""
    epoch = 0 if producer >= 0 else -1
    builder = DefaultRecordBatchBuilder(2, codec, int(transactional), producer, epoch, 0, 1 << 20)
    for number, (key, value, headers) in enumerate(rows):
        builder.append(number, CREATED - number, key, value, list(headers))
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base)
    return data


def valued(base: int, *values: bytes | None, codec: int = 0) -> bytearray:
    """A batch of records that have a value, and a key."""
    return batch(base, [(b"k", value, []) for value in values], codec)


def control(base: int, producer: int, commits: bool) -> bytearray:
    """The marker that ends a transaction: its key is a version and a type, 0 to abort and 1 to commit."""
    key, value = struct.pack(">hh", 0, int(commits)), struct.pack(">hi", 0, 0)
    data = batch(base, [(key, value, [])], producer=producer, transactional=True)
    return flagged(data, CONTROL)


def flagged(data: bytearray, flag: int) -> bytearray:
    """A batch with one more bit in its attributes."""
    struct.pack_into(">h", data, ATTRIBUTES, struct.unpack_from(">h", data, ATTRIBUTES)[0] | flag)
    return signed(data)


def compacted(data: bytearray, gone: int) -> bytearray:
    """A batch that lost so many records at its end: it still has their offsets."""
    struct.pack_into(">i", data, DELTA, struct.unpack_from(">i", data, DELTA)[0] + gone)
    return signed(data)


def with_body(data: bytearray, body: bytes) -> bytearray:
    """A batch whose records, as they are written, are these bytes."""
    changed = data[:BODY] + body
    struct.pack_into(">i", changed, LENGTH, len(changed) - 12)
    return signed(changed)


def signed(data: bytearray) -> bytearray:
    """The batch with the checksum that fits."""
    struct.pack_into(">I", data, CRC, calc_crc32c(bytes(data[ATTRIBUTES:])))
    return data


def legacy(base: int, magic: int, values: Sequence[bytes | None], codec: int = 0) -> bytes:
    """Messages of the formats 0 or 1: one by one, or compressed together, with the last one's offset around them."""
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=1 << 20)
    first = 0 if codec and magic else base  # inside, format 1 counts from 0
    for number, value in enumerate(values):
        builder.append(first + number, timestamp=CREATED, key=b"k", value=value)
    data = bytearray(builder.build())
    if codec:
        struct.pack_into(">q", data, 0, base + len(values) - 1)
    return bytes(data)


def read(
    data: bytes | bytearray, position: int = 0, limit: int = 1000, aborted: Sequence[tuple[int, int]] = ()
) -> list[Record]:
    """All records of a record set from an offset on, taken so many at a time."""
    records: list[Record] = []
    for one in split(bytes(data), position, aborted).batches:
        reader = BatchReader(one)
        while found := reader.take(limit):
            assert len(found) <= limit
            records += found
    return records


def plain(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """What records hold, to be compared."""
    return [(one.offset, one.timestamp, one.timestamp_type, one.key, one.value, list(one.headers)) for one in records]


def places(records: Sequence[Record]) -> list[tuple[int, bytes | None]]:
    """The offsets and values of records."""
    return [(record.offset, record.value) for record in records]


class Log(NamedTuple):
    """A partition: its batches with their ends, the records to be seen, its end, and aborted transactions' ends."""

    batches: list[tuple[bytes, int]]
    seen: list[tuple[int, bytes | None]]
    end: int
    aborted: list[tuple[int, int, int]]

    def from_(self, at: int) -> bytes:
        """What a fetch from an offset begins with: the batch that holds it."""
        return b"".join(data for data, end in self.batches if end > at)

    def aborted_from(self, at: int) -> list[tuple[int, int]]:
        return [(producer, first) for producer, first, marker in self.aborted if marker >= at]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Batches of ordinary producers and of transactions, with gaps as compaction leaves them, and all in some order."""
    batches, seen, aborted = list[tuple[bytes, int]](), list[tuple[int, bytes | None]](), list[tuple[int, int, int]]()
    going: dict[int, list[tuple[int, bytes | None]]] = {}
    offset = draw(st.integers(0, 3))
    for what in draw(st.lists(st.sampled_from(["plain", "transaction", "commit", "abort"]), max_size=8)):
        producer = draw(st.integers(7, 8))
        if what in {"commit", "abort"}:
            data, following = control(offset, producer, what == "commit"), offset + 1
            records = going.pop(producer, [])
            if what == "commit":
                seen += records
            elif records:
                aborted.append((producer, records[0][0], offset))
        else:
            values = draw(st.lists(st.binary(max_size=3), min_size=1, max_size=4))
            gone = draw(st.integers(0, 2))
            codec = draw(codecs)
            made = batch(offset, [(None, value, []) for value in values], codec, producer, what == "transaction")
            data, following = compacted(made, gone), offset + len(values) + gone
            own = list(enumerate(values, offset))
            if what == "transaction":
                going.setdefault(producer, []).extend(own)
            else:
                seen += own
        batches.append((bytes(data), following))
        offset = following + draw(st.integers(0, 2))
    for records in going.values():
        seen += records  # the broker does not give these to a reader of what is committed
    return Log(batches, sorted(seen), batches[-1][1] if batches else 0, aborted)
