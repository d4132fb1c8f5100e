"""The prefetch that fits the sizes seen."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.ports import Place
from connectors.amqp.prefetch import ENOUGH, LARGE, Prefetch


def place(messages: int, size: int) -> Place:
    return Place("bridge", "node", "route", messages, size)


def test_it_begins_as_if_messages_were_large() -> None:
    assert Prefetch(place(4000, 32 << 20), None).current == 32
    assert Prefetch(place(10, 32 << 20), None).current == 10
    assert Prefetch(place(4000, LARGE // 2), None).current == 1


def test_small_messages_raise_it_at_once_to_the_window_when_enough_of_them_were_seen() -> None:
    prefetch = Prefetch(place(4000, 32 << 20), None)
    prefetch.saw(ENOUGH - 1, 256 * (ENOUGH - 1))
    assert not prefetch.due
    prefetch.saw(1, 256)
    assert prefetch.due
    assert prefetch.next == 4000 - 32
    prefetch.current = prefetch.next
    assert not prefetch.due


def test_a_stated_one_and_a_lasting_one_stay() -> None:
    for prefetch in (Prefetch(place(4000, 32 << 20), 5), Prefetch(place(4000, 32 << 20), None, lasting=True)):
        before = prefetch.current
        prefetch.saw(10_000, 10_000)
        assert (prefetch.current, prefetch.due) == (before, False)


def test_large_messages_leave_it() -> None:
    prefetch = Prefetch(place(4000, 32 << 20), None)
    prefetch.saw(100, 100 * LARGE)
    assert (prefetch.current, prefetch.due) == (32, False)


def test_messages_that_become_smaller_raise_it_within_some_thousand() -> None:
    prefetch = Prefetch(place(4000, 32 << 20), None)
    prefetch.saw(100_000, 100_000 * LARGE)
    assert not prefetch.due
    for _ in range(120):
        prefetch.saw(100, 25_600)
    assert prefetch.due


def test_a_whole_prefetch_of_messages_is_enough() -> None:
    """Else nothing more would come until some are settled."""
    prefetch = Prefetch(place(1000, 8 * LARGE), None)
    prefetch.saw(8, 8)
    assert prefetch.due
    assert prefetch.next == 992


def test_less_than_the_double_is_not_worth_it() -> None:
    prefetch = Prefetch(place(95, 32 * LARGE), None)
    prefetch.saw(1000, 1000)
    assert (prefetch.current, prefetch.next, prefetch.due) == (32, 63, False)
    prefetch = Prefetch(place(4000, 32 * LARGE), None)
    prefetch.saw(1000, 1000 * LARGE // 2)
    assert (prefetch.current, prefetch.next, prefetch.due) == (32, 32, False)


def test_a_stated_one_is_used_as_it_is() -> None:
    prefetch = Prefetch(place(9000, 32 << 20), 5000)
    prefetch.saw(1000, 1000)
    assert (prefetch.current, prefetch.due) == (5000, False)


@given(
    st.integers(1, 65535),
    st.integers(1, 1 << 40),
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 1 << 40)), max_size=30),
)
def test_it_stays_within_the_window_and_only_rises(messages: int, size: int, chunks: list[tuple[int, int]]) -> None:
    prefetch = Prefetch(place(messages, size), None)
    for count, total in chunks:
        prefetch.saw(count, total)
        if prefetch.due:
            before, prefetch.current = prefetch.current, prefetch.next
            assert 2 * before <= prefetch.current <= messages - before
    assert 1 <= prefetch.current <= messages
