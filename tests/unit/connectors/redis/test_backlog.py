"""What was read ahead, and how much more may be."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Delivery, Message
from connectors.redis.backlog import Backlog
from connectors.redis.ledger import Window


def deliveries(*sizes: int) -> list[Delivery]:
    return [Delivery(Message(b"", f"u-{number}"), number, size) for number, size in enumerate(sizes)]


def test_it_gives_what_came_first_and_no_more_than_is_asked_for() -> None:
    backlog = Backlog(Window(), 100, 1000)
    assert not backlog
    one, two = deliveries(1, 2, 3), deliveries(4, 5)
    backlog.add(one)
    backlog.add(two)
    assert backlog.take(2) == one[:2]
    assert backlog.take(2) == [one[2], two[0]]
    assert backlog.take(100) == [two[1]]
    assert not backlog
    backlog.add(one)
    backlog.clear()
    assert not backlog


def test_the_first_read_is_small_while_nobody_knows_how_large_entries_are() -> None:
    assert Backlog(Window(), 4000, 1 << 20).room == 64
    assert Backlog(Window(), 10, 1 << 20).room == 10


def test_the_room_is_what_the_window_leaves() -> None:
    window = Window()
    backlog = Backlog(window, 100, 10_000)
    backlog.add(deliveries(10, 10))
    assert backlog.room == 100
    window.messages = 99
    assert backlog.room == 1
    window.messages = 100
    assert backlog.room == 0


def test_large_entries_are_believed_at_once_and_small_ones_by_and_by() -> None:
    window = Window()
    backlog = Backlog(window, 4000, 100_000)
    backlog.add(deliveries(10, 10))
    assert backlog.room == 1000, "no more than is decoded in one go"
    backlog.add(deliveries(1000))
    assert backlog.room == 100
    backlog.add(deliveries(100))
    assert backlog.room == 100_000 // 550
    window.size = 99_999
    assert backlog.room == 1, "one more, however large"
    window.size = 100_000
    assert backlog.room == 0


@given(
    st.integers(1, 50),
    st.integers(1, 5000),
    st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=9), max_size=9),
)
def test_never_more_messages_than_the_window(messages: int, size: int, reads: list[list[int]]) -> None:
    window = Window()
    backlog = Backlog(window, messages, size)
    for sizes in reads:
        if window.size >= size or window.messages >= messages:
            assert backlog.room == 0
            return
        assert 1 <= backlog.room <= messages - window.messages
        read = deliveries(*sizes[: backlog.room])
        window.messages += len(read)
        window.size += sum(delivery.size for delivery in read)
        backlog.add(read)
