"""What was fetched and not handed out yet, by partition, each in its turn: pure."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.structs import TopicPartition

from connectors.kafka.tap import BatchReader, Corrupt, Fetched, Record, RecordBatch


class Wreck(NamedTuple):
    """What is left of a batch that cannot be read: its bytes, the offsets `begin` to `end` - 1, and why."""

    data: bytes
    begin: int
    end: int
    reason: str
    detail: str


class Portion(NamedTuple):
    """Records of one partition in their order, or a wreck, or neither; reading goes on at the offset `end`."""

    place: TopicPartition
    records: Sequence[Record]
    wreck: Wreck | None
    end: int


class _Queue:
    """The batches of one partition: `reader` reads the first of them; with all read, fetching went on at `end`."""

    def __init__(self) -> None:
        self.batches: deque[RecordBatch] = deque()
        self.reader: BatchReader | None = None
        self.end = 0


class Backlog:
    """Fetched batches, by partition. `size` is in bytes as fetched: compressed ones grow when they are read."""

    def __init__(self) -> None:
        self.size = 0
        self._queues: dict[TopicPartition, _Queue] = {}

    def add(self, place: TopicPartition, fetched: Fetched) -> None:
        """Add what a fetch brought, behind what there is of that partition."""
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = _Queue()
        queue.batches.extend(fetched.batches)
        queue.end = fetched.position
        self.size += sum([len(batch.data) for batch in fetched.batches])

    def clear(self) -> None:
        """Forget everything."""
        self._queues.clear()
        self.size = 0

    def take(self, limit: int) -> Portion | None:
        """Take up to `limit` records of the partition whose turn it is, or a wreck; None when there is nothing."""
        place = next(iter(self._queues), None)
        if place is None:
            return None
        queue = self._queues.pop(place)
        records: list[Record] = []
        wreck = None
        while queue.batches and len(records) < limit:
            batch = queue.batches[0]
            if queue.reader is None:
                queue.reader = BatchReader(batch)
            wanted = limit - len(records)
            try:
                found = queue.reader.take(wanted)
            except Corrupt as error:
                if records:
                    break  # they go first, and the reader will say it again
                wreck = Wreck(bytes(batch.data), queue.reader.next, batch.next, error.reason, str(error))
                self._drop(queue)
                break
            records += found
            if len(found) < wanted and not queue.reader.failed:
                self._drop(queue)
        if not queue.batches:
            return Portion(place, records, wreck, queue.end)
        self._queues[place] = queue
        return Portion(place, records, wreck, queue.batches[0].begin if queue.reader is None else queue.reader.next)

    def _drop(self, queue: _Queue) -> None:
        self.size -= len(queue.batches.popleft().data)
        queue.reader = None
