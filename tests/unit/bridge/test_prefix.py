"""The contiguous prefix of what was settled."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.prefix import Prefix


def test_a_contiguous_run_moves_the_prefix_to_its_end() -> None:
    prefix = Prefix(1)
    assert prefix.add([1, 2, 3]) == 3
    assert prefix.add([4]) == 4
    assert prefix.stragglers() == []


def test_a_gap_holds_the_prefix_until_it_is_filled() -> None:
    prefix = Prefix(10)
    assert prefix.add([12, 11]) is None
    assert prefix.stragglers() == [11, 12]
    assert prefix.add([10]) == 12
    assert prefix.stragglers() == []


def test_nothing_and_old_numbers_move_nothing() -> None:
    prefix = Prefix(1)
    assert prefix.add([]) is None
    assert prefix.add([1, 2]) == 2
    assert prefix.add([2, 1, 0]) is None
    assert prefix.stragglers() == []


def test_a_run_over_a_straggler_leaves_none_behind() -> None:
    prefix = Prefix(1)
    assert prefix.add([3, 5]) is None
    assert prefix.add([1, 2, 3]) == 3
    assert prefix.stragglers() == [5]


@given(st.lists(st.lists(st.integers(min_value=7, max_value=40), max_size=8), max_size=30))
def test_it_agrees_with_a_set(batches: list[list[int]]) -> None:
    prefix, settled, end = Prefix(7), set[int](), 6
    for batch in batches:
        moved = prefix.add(batch)
        settled.update(batch)
        before = end
        while end + 1 in settled:
            end += 1
        assert moved == (end if end != before else None)
        assert prefix.stragglers() == sorted(value for value in settled if value > end)
