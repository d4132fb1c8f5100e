"""What a fetch brought, batch by batch, so that one that cannot be read costs no other: pure, bytes in, values out.

aiokafka's consumer loses what it had drained of other partitions when one batch raises (K1, K12 of
research/reliability.md), and makes an object for each record that costs more than reading it. Here a fetched record set
is walked by its batch headers (the layout is "Record Batch" of the Kafka protocol guide), and aiokafka's C parser reads
the records of one batch at a time.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile, islice
from typing import Final, NamedTuple, TypeAlias

from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatch

from connectors.kafka.records import HEADER, PlainRecord, is_message_intact, parse, parse_message

_OFFSET_AND_LENGTH: Final = struct.Struct(">qi").unpack_from
_MAGIC_AT: Final = 16
_LOG_OVERHEAD: Final = 12  # bytes of a batch that its length does not count
_NEWEST: Final = 2  # format
_TIMESTAMP: Final = 8  # bytes that format 1 has and 0 has not
_LEGACY_HEADER: Final = 22  # bytes of a message of format 0: offset, length, crc, magic, attributes, and an empty key
_BAD_CRC: Final = "its checksum does not fit its bytes"
_TRANSACTIONAL, _CONTROL = 0x10, 0x20  # bits of a batch's attributes


Record: TypeAlias = DefaultRecord | PlainRecord
"""One record: offset, timestamp, timestamp_type, key, value and headers."""


class Corrupt(Exception):
    """A batch that cannot be read; `reason` is from a closed set (bad_crc, bad_batch), the text says what is wrong."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RecordBatch(NamedTuple):
    """One batch with records for a reader: its bytes, and the offsets to read, `begin` to `next` - 1.

    It may have records below `begin`, if it is `partial`.
    """

    data: memoryview
    begin: int
    next: int
    partial: bool


class BatchReader:
    """Reads the records of one batch from its `begin` on, some at a time; their offsets ascend, with gaps."""

    def __init__(self, batch: RecordBatch) -> None:
        self.batch = batch
        self.next = batch.begin
        """The offset behind the last record that was given."""
        self._records: Iterator[Record] | None = None
        self._failure: tuple[str, str] | None = None  # an exception would hold frames, and they this
        self._lenient = False

    @property
    def failed(self) -> bool:
        """Whether what follows cannot be read."""
        return self._failure is not None

    def take(self, limit: int) -> list[Record]:
        """Give the next records, `limit` of them; fewer at the end, or where what follows cannot be read.

        Raises Corrupt, whatever the bytes are, when there is something left and nothing of it can be read.
        """
        found: list[Record] = []
        while self._failure is None:
            try:
                if self._records is None:
                    self._records = self._open()
                # what comes before an error is in the list
                found.extend(islice(self._records, limit - len(found)))
                break
            except Corrupt as error:
                self._failure = (error.reason, str(error))
            except Exception as error:  # noqa: BLE001 - decompressors raise what they like
                if found:
                    self.next = found[-1].offset + 1
                if self._lenient or not isinstance(error, ValueError) or self.batch.data[_MAGIC_AT] < 2:
                    self._failure = ("bad_batch", _said(error))
                else:
                    self._records, self._lenient = self._from(parse(self.batch.data)), True
        if self._failure is not None and not found:
            raise Corrupt(*self._failure)
        if found:
            self.next = found[-1].offset + 1
        return found

    def _open(self) -> Iterator[Record]:
        records = _read(self.batch.data)
        return self._from(records) if self.batch.partial else records

    def _from(self, records: Iterator[Record]) -> Iterator[Record]:
        first = self.next
        return dropwhile(lambda record: record.offset < first, records)


class Fetched(NamedTuple):
    """What a fetch brought of one partition: batches to read, and the offset to go on at."""

    batches: list[RecordBatch]
    position: int


def split(data: bytes, position: int, aborted: Sequence[tuple[int, int]]) -> Fetched:
    """Cut a record set into batches from the offset `position` on, without those of aborted transactions (KIP-98).

    `aborted` has the producer id and the first offset of each transaction that was aborted, as the fetch response names
    them. A batch that the broker cut at the end is left for the next fetch. Never raises: what is no batch becomes one
    that cannot be read.
    """
    batches: list[RecordBatch] = []
    transactions = _Transactions(aborted)
    view = memoryview(data)
    at, size = 0, len(data)
    while size - at > _LOG_OVERHEAD + 5:
        base, length = _OFFSET_AND_LENGTH(data, at)
        end = at + _LOG_OVERHEAD + length
        if length < _LEGACY_HEADER - _LOG_OVERHEAD:
            batches.append(RecordBatch(view[at:], position, position + 1, partial=True))
            return Fetched(batches, position + 1)
        if end > size:
            break
        batch = view[at:end]
        at = end
        begin, following, partial = position, base + 1, True  # a compressed message of old formats has its last offset
        if batch[_MAGIC_AT] >= 2 and len(batch) >= HEADER.size:
            begin, partial = max(base, position), base < position
            _, _, _, _, _, attributes, delta, _, _, producer, _, _, count = HEADER.unpack_from(batch)
            following = base + _width(batch, delta + 1, count)
            if transactions.hide(batch, base, attributes, producer):
                position = max(position, following)
                continue
        if following > position:
            batches.append(RecordBatch(batch, begin, following, partial))
            position = following
    return Fetched(batches, position)


def _read(data: memoryview) -> Iterator[Record]:
    _, length = _OFFSET_AND_LENGTH(data)
    if length + _LOG_OVERHEAD != len(data):
        raise Corrupt("bad_batch", f"it says that it has {length} bytes, and has {len(data) - _LOG_OVERHEAD}")
    if data[_MAGIC_AT] < 2:
        if not is_message_intact(data):
            raise Corrupt("bad_crc", _BAD_CRC)
        return parse_message(data)
    if len(data) < HEADER.size:
        raise Corrupt("bad_batch", f"a batch of {len(data)} bytes: its header has {HEADER.size}")
    batch = DefaultRecordBatch(data)
    if not batch.validate_crc():
        raise Corrupt("bad_crc", _BAD_CRC)
    return chain(batch)  # the batch itself lets nobody iterate it twice, as slices of it would


def _is_intact(batch: memoryview) -> bool:
    return bool(DefaultRecordBatch(batch).validate_crc())


def _width(batch: memoryview, offsets: int, count: int) -> int:
    """How many offsets a batch has; compaction leaves it less records, and a broken header must not lead astray."""
    if offsets != count and not _is_intact(batch):
        offsets = min(offsets, count)
    return max(1, offsets)


class _Transactions:
    """What is to be passed over: batches of aborted transactions, and the markers that end transactions."""

    def __init__(self, aborted: Sequence[tuple[int, int]]) -> None:
        self._coming = sorted(aborted, key=lambda one: one[1], reverse=True)
        self._aborting: set[int] = set()

    def hide(self, batch: memoryview, base: int, attributes: int, producer: int) -> bool:
        """Whether to pass over a batch; to be asked for all of them, in their order."""
        while self._coming and self._coming[-1][1] <= base:
            self._aborting.add(self._coming.pop()[0])
        if attributes & _CONTROL:
            self._aborting.discard(producer)  # whatever it says: the broker aborts up to the producer's next marker
            return _is_intact(batch)  # else it may be no marker
        return bool(attributes & _TRANSACTIONAL) and producer in self._aborting


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
