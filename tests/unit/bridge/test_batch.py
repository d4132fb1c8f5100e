import itertools

from hypothesis import given
from hypothesis import strategies as st

from bridge.batch import Batch, Epoch, Fate, Parcel
from bridge.message import Delivery, Message
from bridge.ports import Place
from connectors.memory import MemoryBroker, MemorySource

MESSAGE = Message(b"body", "uid")
NOT_DELIVERED = st.sampled_from([fate for fate in Fate if fate is not Fate.DELIVERED])


def epoch(*, redelivers: bool = True) -> Epoch:
    place = Place("bridge", "node", "route", 10, 1000)
    return Epoch(MemorySource(MemoryBroker(), "in", place, redelivers=redelivers))


def batch(count: int, sinks: int, concluded: list[Batch]) -> Batch:
    deliveries = [Delivery(MESSAGE, number, 4) for number in range(count)]
    return Batch(1, epoch(), deliveries, [MESSAGE] * count, 0.0, sinks, concluded.append)


def test_it_concludes_once_when_every_sink_has_every_message() -> None:
    concluded: list[Batch] = []
    book = batch(3, 2, concluded)
    book.delivered(3)
    book.delivered(2)
    assert not concluded, "one message is still open at one sink"
    book.delivered(1)
    assert concluded == [book]
    assert book.fates == {}
    assert book.size == 12


def test_a_message_that_reaches_no_sink_ends_at_all_of_them() -> None:
    concluded: list[Batch] = []
    book = batch(2, 3, concluded)
    book.ended(0, Fate.DROPPED, sinks=3)
    book.delivered(3)
    assert concluded == [book]
    assert book.fates == {0: Fate.DROPPED}


@given(st.lists(st.sampled_from(Fate), min_size=1, max_size=4), st.booleans())
def test_the_fates_of_several_sinks_merge_as_the_design_says(fates: list[Fate], confirmed_first: bool) -> None:
    concluded: list[Batch] = []
    book = batch(1, len(fates), concluded)
    for fate in sorted(fates, key=Fate.DELIVERED.__eq__, reverse=confirmed_first):
        if fate is Fate.DELIVERED:
            book.delivered(1)
        else:
            book.ended(0, fate)
    assert concluded == [book]
    merged = book.fates.get(0, Fate.DELIVERED)
    if Fate.RETURNED in fates:
        assert merged is Fate.RETURNED, "what one sink gives back is not settled for any"
    elif Fate.DEAD in fates:
        assert merged is Fate.DEAD
    elif Fate.DROPPED in fates:
        assert merged is Fate.DROPPED
    else:
        assert (merged is Fate.FILTERED) == (set(fates) == {Fate.FILTERED})


def test_a_message_that_no_sink_is_to_have_is_filtered_at_all_of_them() -> None:
    concluded: list[Batch] = []
    book = batch(2, 3, concluded)
    book.ended(1, Fate.FILTERED, sinks=3)
    book.delivered(3)
    assert concluded == [book]
    assert book.fates == {1: Fate.FILTERED}


def test_only_what_comes_again_is_recalled() -> None:
    for redelivers in (True, False):
        lost = epoch(redelivers=redelivers)
        assert not lost.recalled
        lost.lost = True
        assert lost.recalled is redelivers


def test_parcels_sort_by_the_sources_order() -> None:
    first, second = batch(3, 1, []), batch(3, 1, [])
    second.number = 2
    parcels = [Parcel(second, 0, 1), Parcel(first, 2, 3), Parcel(first, 0, 2)]
    assert sorted(parcel.place for parcel in parcels) == [(1, 0), (1, 2), (2, 0)]


@given(st.sets(st.integers(3, 9)))
def test_a_parcel_without_some_of_its_messages_is_the_runs_between_them(gone: set[int]) -> None:
    parcel = Parcel(batch(12, 1, []), 3, 10, True, 2)
    runs = parcel.without(gone)
    assert [position for run in runs for position in range(run.start, run.stop)] == sorted({*range(3, 10)} - gone)
    assert all(run.start < run.stop and run[3:] == (True, 2) for run in runs)
    assert all(one.stop < other.start for one, other in itertools.pairwise(runs)), "none could be one with the next"
