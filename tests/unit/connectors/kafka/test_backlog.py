"""What was fetched and not handed out yet."""

from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.backlog import Backlog, Portion
from connectors.kafka.tap import split
from tests.unit.connectors.kafka.records import compacted, control, places, signed, valued

ONE, TWO = TopicPartition("one", 0), TopicPartition("two", 1)


def values(portion: Portion | None) -> list[bytes | None]:
    assert portion is not None
    return [record.value for record in portion.records]


def broken(base: int, *contents: bytes) -> bytearray:
    data = valued(base, *contents)
    data[-3] ^= 1
    return data


def test_partitions_take_turns_and_keep_their_order() -> None:
    backlog = Backlog()
    backlog.add(ONE, split(bytes(valued(0, b"0", b"1", b"2")), 0, []))
    backlog.add(ONE, split(bytes(valued(3, b"3")), 3, []))
    backlog.add(TWO, split(bytes(valued(10, b"10", b"11", b"12")), 10, []))
    assert backlog.size > 0
    found = [backlog.take(2) for _ in range(4)]
    assert [values(portion) for portion in found] == [[b"0", b"1"], [b"10", b"11"], [b"2", b"3"], [b"12"]]
    assert [portion.end for portion in found if portion] == [2, 12, 4, 13]
    assert values(backlog.take(2)) == [], "that was the last of it"
    assert backlog.take(2) is None
    assert backlog.size == 0


def test_a_portion_goes_over_many_small_batches() -> None:
    backlog = Backlog()
    for offset in range(5):
        backlog.add(ONE, split(bytes(valued(offset, b"%d" % offset)), offset, []))
    assert values(backlog.take(4)) == [b"0", b"1", b"2", b"3"]
    assert values(backlog.take(4)) == [b"4"]


def test_a_wreck_comes_in_its_place_and_alone() -> None:
    backlog, bad = Backlog(), broken(1, b"bad", b"bad")
    backlog.add(ONE, split(bytes(valued(0, b"0") + bad + valued(3, b"3")), 0, []))
    backlog.add(TWO, split(bytes(valued(0, b"t")), 0, []))
    first, other, wreck, last = (backlog.take(10) for _ in range(4))
    assert (values(first), values(other), values(last)) == ([b"0"], [b"t"], [b"3"])
    assert first is not None
    assert first.end == 1
    assert wreck is not None
    assert wreck.wreck is not None
    assert wreck.wreck[:4] == (bytes(bad), 1, 3, "bad_crc")
    assert (wreck.place, wreck.records, wreck.end) == (ONE, [], 3)
    assert backlog.size == 0


def test_what_is_left_of_a_batch_is_a_wreck() -> None:
    backlog, bad = Backlog(), valued(0, b"0", b"1", b"2")
    bad[-3] = 0x7F  # the value's length of the last record
    backlog.add(ONE, split(bytes(signed(bad) + valued(3, b"3")), 0, []))
    good, wreck, last = (backlog.take(10) for _ in range(3))
    assert (values(good), values(wreck), values(last)) == ([b"0", b"1"], [], [b"3"])
    assert wreck is not None
    assert wreck.wreck is not None
    assert (*wreck.wreck[:4], wreck.end) == (bytes(bad), 2, 3, "bad_batch", 3)
    assert backlog.size == 0


def test_markers_move_the_end() -> None:
    backlog = Backlog()
    marked = control(1, 7, commits=True) + valued(2, b"2") + control(3, 7, commits=True)
    backlog.add(ONE, split(bytes(valued(0, b"0") + marked), 0, []))
    found = [backlog.take(1) for _ in range(3)]
    assert [(values(portion), portion.end) for portion in found if portion] == [([b"0"], 1), ([b"2"], 3), ([], 4)]


def test_nothing_but_markers_moves_the_end() -> None:
    backlog = Backlog()
    backlog.add(ONE, split(b"", 4, []))
    portion = backlog.take(10)
    assert portion is not None
    assert (portion.records, portion.wreck, portion.end) == ([], None, 4)


def test_what_is_forgotten_is_gone() -> None:
    backlog = Backlog()
    backlog.add(ONE, split(bytes(valued(4, b"4", b"5")), 4, []))
    backlog.take(1)
    backlog.clear()
    assert backlog.take(10) is None
    assert backlog.size == 0
    backlog.add(ONE, split(bytes(valued(0, b"0")), 0, []))
    assert values(backlog.take(10)) == [b"0"]


PLACES = [TopicPartition("t", number) for number in range(3)]
_pieces = st.lists(
    st.tuples(st.sampled_from(["good", "good", "bad", "marker"]), st.integers(1, 4), st.integers(0, 2)), max_size=4
)


def made(base: int, pieces: list[tuple[str, int, int]]) -> tuple[bytes, list[object], int]:
    """A record set: its bytes, what is to come of it, and the offset behind it."""
    data, coming = bytearray(), list[object]()
    for what, count, gone in pieces:
        contents = [b"%d" % (base + number) for number in range(count)]
        if what == "marker":
            data += control(base, 7, commits=True)
            base += 1
        elif what == "bad":
            data += broken(base, *contents)
            coming.append((base, base + count, "bad_crc"))
            base += count
        else:
            data += compacted(valued(base, *contents), gone)
            coming += list(enumerate(contents, base))
            base += count + gone
    return bytes(data), coming, base


@given(st.lists(st.tuples(st.sampled_from(PLACES), _pieces) | st.integers(1, 6), max_size=12))
def test_all_of_it_comes_once_in_order_by_turns_and_within_the_limit(
    steps: list[tuple[TopicPartition, list[tuple[str, int, int]]] | int],
) -> None:
    backlog = Backlog()
    coming: dict[TopicPartition, list[object]] = {place: [] for place in PLACES}
    since, taken, ends, following = (dict.fromkeys(PLACES, 0) for _ in range(4))
    for turn, step in enumerate([*steps, *[5] * 100], 1):
        if not isinstance(step, int):
            place, pieces = step
            data, more, end = made(following[place], pieces)
            backlog.add(place, split(data, following[place], []))
            since[place] = since[place] if coming[place] else turn
            coming[place] += more
            following[place] = end
        elif (portion := backlog.take(step)) is not None:
            place, wreck = portion.place, portion.wreck
            found = [(wreck.begin, wreck.end, wreck.reason)] if wreck else places(portion.records)
            assert len(portion.records) <= (0 if wreck else step)
            assert found == coming[place][: len(found)]
            assert all(taken[place] <= since[other] for other in PLACES if coming[other]), "its turn has not come"
            del coming[place][: len(found)]
            assert portion.end >= ends[place]
            since[place], taken[place], ends[place] = turn, turn, portion.end
    assert backlog.take(1) is None
    assert not any(coming.values())
    assert ends == following
    assert backlog.size == 0
