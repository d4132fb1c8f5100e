"""What was handed out of a partition, and how far it may be committed."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.partitions import RECEIPT_BITS, Mark, Partition


def test_what_is_settled_in_order_moves_the_offset_behind_it() -> None:
    partition = Partition(3, 100)
    first = partition.next_receipt
    assert first == 3 << RECEIPT_BITS
    partition.hand_out(range(100, 104), 104, 40)
    partition.hand_out((110, 113), 120, 20)
    assert (partition.settled, partition.open) == (Mark(100, 0, 0), 6)
    partition.settle([first, first + 1])
    assert (partition.settled, partition.open) == (Mark(102, 2, 0), 4)
    partition.settle([first + 3, first + 5])
    assert partition.settled == Mark(102, 2, 0), "there is a gap"
    partition.settle([first + 2])
    assert partition.settled == Mark(104, 4, 40), "a run is settled whole"
    partition.settle([first + 4])
    assert (partition.settled, partition.open) == (Mark(120, 6, 60), 0), "where reading went on"


def test_what_is_no_delivery_is_passed_over_once_all_before_is_settled() -> None:
    partition = Partition(0, 0)
    partition.hand_out((), 5, 0)
    assert partition.settled == Mark(5, 0, 0)
    partition.hand_out((5,), 6, 1)
    partition.hand_out((), 9, 0)
    assert partition.settled.offset == 5
    partition.settle([0])
    assert partition.settled == Mark(9, 1, 1)


def test_settling_again_is_harmless_and_nothing_is_committed_by_it() -> None:
    partition = Partition(1, 7)
    receipt = partition.next_receipt
    partition.hand_out((7, 9), 12, 5)
    for _ in range(2):
        partition.settle([receipt])
        assert (partition.settled, partition.open) == (Mark(8, 1, 0), 1)
    partition.settle([])
    assert partition.committed is None


class Run(NamedTuple):
    offsets: list[int]
    end: int
    size: int


def expected(position: int, runs: list[Run], settled: set[int]) -> Mark:
    """How far a partition is settled, worked out from the start."""
    offset, count, size = position, 0, 0
    for run in runs:
        for last in run.offsets:
            if count not in settled:
                return Mark(offset, count, size)
            count += 1
            offset = last + 1
        offset = run.end
        size += run.size
    return Mark(offset, count, size)


@given(st.integers(0, 2**62), st.integers(0, 9), st.data())
def test_the_offset_is_behind_the_contiguous_prefix_whatever_the_order(
    slot: int, position: int, data: st.DataObject
) -> None:
    partition, runs, given_out, settled = Partition(slot, position), list[Run](), 0, set[int]()
    first, end = partition.next_receipt, position
    for _ in range(data.draw(st.integers(0, 15))):
        before = partition.settled
        if data.draw(st.booleans()):
            gaps = data.draw(st.lists(st.integers(0, 3), max_size=4))
            offsets = list[int]()
            for gap in gaps:
                offsets.append(end + gap)
                end += gap + 1
            end += data.draw(st.integers(0, 3))
            runs.append(Run(offsets, end, data.draw(st.integers(0, 9))))
            assert partition.next_receipt == first + given_out
            partition.hand_out(*runs[-1])
            given_out += len(offsets)
        elif given_out:
            some = data.draw(st.lists(st.integers(0, given_out - 1), max_size=5))
            partition.settle([first + number for number in some])
            settled.update(some)
        assert partition.settled == expected(position, runs, settled)
        assert partition.settled >= before, "nothing moves back"
        assert partition.open == given_out - partition.settled.messages
    partition.settle(range(first, first + given_out))
    assert (partition.settled, partition.open) == (Mark(end, given_out, sum(run.size for run in runs)), 0)
