"""The partitions of one member between two rebalances: what was fetched, handed out and settled of them. No I/O."""

import itertools
import secrets
from collections.abc import Sequence

from aiokafka.structs import TopicPartition

from bridge.message import Delivery, Receipt, Undecodable
from connectors.kafka.backlog import Backlog, Portion
from connectors.kafka.commits import Commits
from connectors.kafka.decoder import Decoder
from connectors.kafka.partitions import RECEIPT_BITS, Partition
from connectors.kafka.tap import Fetched

_SLOT_BITS = 62


class Assignment:
    """What is known of the assigned partitions; `clear` ends it, and its receipts with it.

    A receipt is an int, see `connectors.kafka.partitions`: its slot is one partition's in one assignment of one source.
    """

    def __init__(self, commits: Commits) -> None:
        self.backlog = Backlog()
        self.decoder = Decoder("")
        """To be replaced when the cluster's id is known."""
        self._commits = commits
        self._slots = itertools.count(secrets.randbits(_SLOT_BITS))
        self._partitions: dict[int, Partition] = {}  # by slot

    def begin(self, place: TopicPartition, offset: int) -> None:
        """Note a partition that is read from this offset on, unless it is known; the offset is to be committed."""
        if place not in self._commits.partitions:
            slot = next(self._slots)
            self._partitions[slot] = self._commits.partitions[place] = Partition(slot, offset)

    def add(self, place: TopicPartition, offset: int, fetched: Fetched) -> None:
        """Add what was fetched from this offset on."""
        self.begin(place, offset)
        self.backlog.add(place, fetched)

    def hand_out(self, limit: int) -> list[Delivery]:
        """Give up to `limit` deliveries of the partition whose turn it is; none if nothing is at hand."""
        while (portion := self.backlog.take(limit)) is not None:
            partition = self._commits.partitions[portion.place]
            deliveries = self._deliveries(portion, partition.next_receipt)
            size = sum([delivery.size for delivery in deliveries])
            partition.hand_out(_offsets(portion), portion.end, size)
            self._commits.held += len(deliveries)
            self._commits.size += size
            if deliveries:
                return deliveries
            self._commits.moved.set()
        return []

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Settle receipts in any order; those of another assignment or source are dropped."""
        mine = [receipt for receipt in receipts if isinstance(receipt, int)]
        for slot, group in itertools.groupby(mine, lambda receipt: receipt >> RECEIPT_BITS):
            partition = self._partitions.get(slot)
            if partition is not None:
                partition.settle(list(group))
        self._commits.moved.set()

    def settled_to(self, place: TopicPartition) -> int | None:
        """The offset below which a partition is settled; None if it was not begun."""
        partition = self._commits.partitions.get(place)
        return None if partition is None else partition.settled.offset

    def clear(self) -> bool:
        """Forget everything; whether there was anything."""
        begun = bool(self._partitions)
        self.backlog.clear()
        self._commits.clear()
        self._partitions.clear()
        return begun

    def _deliveries(self, portion: Portion, receipt: int) -> list[Delivery]:
        topic, partition = portion.place
        if portion.wreck is None:
            return self.decoder.deliveries(portion.records, topic, partition, receipt)
        data, begin, end, reason, detail = portion.wreck
        text = f"topic {topic}, partition {partition}, offsets {begin} to {end - 1}: {detail}"
        return [Delivery(Undecodable(b"", data, reason, text, topic), receipt, len(data))]


def _offsets(portion: Portion) -> Sequence[int]:
    """The last offset that each delivery of a portion covers."""
    if portion.wreck is not None:
        return (portion.wreck.end - 1,)
    records = portion.records
    if not records:
        return ()
    first, last = records[0].offset, records[-1].offset
    return range(first, last + 1) if last - first == len(records) - 1 else [record.offset for record in records]
