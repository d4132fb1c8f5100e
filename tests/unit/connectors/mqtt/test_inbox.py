"""What a source has read and nobody has settled."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.inbox import Inbox
from connectors.mqtt.packets import Publish
from connectors.mqtt.tap import PacketTap


class Stub:
    """What an inbox needs of a session."""

    def __init__(self) -> None:
        self.tap = PacketTap()
        self.reading = True


def packets(first: int, count: int, size: int = 10) -> list[Publish]:
    """Numbered packets of so many bytes; every third is of QoS 0."""
    return [
        Publish(0x32, b"t", b"\x40\x02" + number.to_bytes(2, "big") if number % 3 else b"", bytes(size - 1))
        for number in range(first, first + count)
    ]


def acks(numbers: Sequence[int]) -> bytes:
    return b"".join(packet.ack for number in numbers for packet in packets(number, 1))


def inbox(messages: int = 100, size: int = 1000) -> tuple[Inbox, Stub]:
    stub = Stub()
    return Inbox(stub, messages, size), stub


def arrive(made: Inbox, stub: Stub, arrived: list[Publish]) -> None:
    stub.tap.publishes += arrived
    made.collect()


def test_packets_are_numbered_and_acknowledged_in_the_order_they_came() -> None:
    made, stub = inbox()
    arrive(made, stub, packets(1, 5))
    assert made.take(2) == (packets(1, 2), 1)
    arrive(made, stub, packets(6, 2))
    assert made.take(100) == (packets(3, 5), 3)
    assert made.empty
    assert made.take(100) == ([], 8)
    assert made.settle(4) == acks(range(1, 5))
    assert made.settle(7) == acks(range(5, 8))
    assert made.read_ahead == 0
    assert stub.tap.publishes == []


def test_reading_stops_at_the_window_of_bytes_and_goes_on_when_there_is_room() -> None:
    made, stub = inbox(size=100)
    arrive(made, stub, packets(1, 9))
    assert stub.reading
    arrive(made, stub, packets(10, 1))
    assert (stub.reading, made.full) == (False, True)
    made.take(100)
    assert not stub.reading, "what is handed out counts until it is settled"
    made.settle(8)
    assert not stub.reading, "counting is by chunk"
    made.settle(9)
    assert stub.reading
    assert made.read_ahead == 10


def test_a_message_larger_than_the_window_gets_through() -> None:
    made, stub = inbox(size=100)
    arrive(made, stub, packets(1, 1, size=5000))
    assert made.take(1) == (packets(1, 1, size=5000), 1)
    made.settle(1)
    assert stub.reading


def test_no_more_are_given_than_the_window_of_messages_and_no_more_read_than_it_and_a_chunk() -> None:
    made, stub = inbox(messages=4)
    arrive(made, stub, packets(1, 4))
    assert stub.reading, "the broker may send no more, and is to be heard"
    arrive(made, stub, packets(5, 3))
    assert not stub.reading, "at QoS 0 it may"
    assert [made.take(3)[0], made.take(3)[0], made.take(3)[0]] == [packets(1, 3), packets(4, 1), []]
    made.settle(2)
    assert made.take(3) == ([], 5), "the broker may give again what it has not surely heard of"
    made.forget(2)
    assert made.take(3) == (packets(5, 2), 5)
    made.settle(6)
    made.forget(6)
    assert stub.reading


def test_while_nothing_is_given_until_something_is_gone_reading_goes_on_within_the_window_of_bytes() -> None:
    made, stub = inbox(messages=4, size=2000)
    arrive(made, stub, packets(1, 6))
    made.take(4)
    assert stub.reading, "the word that they are gone may come behind more messages"
    made.settle(4)
    arrive(made, stub, packets(7, 4))
    assert (made.take(4)[0], stub.reading) == ([], True)
    made.forget(4)
    assert made.take(9)[0] == packets(5, 4)
    arrive(made, stub, packets(11, 4))
    assert stub.reading
    arrive(made, stub, packets(15, 4))
    assert not stub.reading, "short messages take more than their bytes"


def test_where_the_window_of_bytes_is_full_messages_are_given_though_none_is_gone() -> None:
    made, stub = inbox(messages=4, size=5000)
    arrive(made, stub, packets(1, 4, size=1000))
    made.take(4)
    made.settle(4)
    arrive(made, stub, packets(5, 4, size=1000))
    assert (made.take(9)[0], stub.reading) == ([], True)
    arrive(made, stub, packets(9, 1, size=1000))
    assert not stub.reading
    assert made.take(9)[0] == packets(5, 4, size=1000)
    made.settle(8)
    assert (made.take(9)[0], stub.reading) == ([], True)


def test_an_overrun_reads_on_and_drops_what_does_not_fit() -> None:
    made, stub = inbox(size=100)
    arrive(made, stub, packets(1, 10))
    with made.overrun():
        assert stub.reading
        assert not made.dropped
        arrive(made, stub, packets(11, 5))
        assert made.dropped
    assert not stub.reading
    made.take(100)
    made.settle(10)
    arrive(made, stub, packets(16, 1))
    assert made.take(100) == ([], 11), "what comes behind a gap would be taken for what is missing"


def test_an_overrun_that_fits_drops_nothing() -> None:
    made, stub = inbox(size=100)
    with made.overrun():
        arrive(made, stub, packets(1, 5))
    assert not made.dropped
    assert made.take(100)[0] == packets(1, 5)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8), st.integers(0, 100), st.booleans()), max_size=30))
def test_whatever_happens_order_and_counts_hold(steps: list[tuple[int, int, int, bool]]) -> None:
    """Each step: so many arrive if anybody reads, so many are asked for, a share of what is out is settled, and perhaps
    what was settled before is gone."""
    made, stub = inbox(messages=10, size=150)
    arrived = given_out = settled = gone = 0
    acknowledged = b""
    for count, limit, share, forgets in steps:
        if forgets:
            gone = settled
            made.forget(gone)
        if stub.reading:
            arrive(made, stub, packets(arrived + 1, count))
            arrived += count
        stuck = made.full
        batch, first = made.take(limit)
        assert (batch, first) == (packets(given_out + 1, len(batch)), given_out + 1)
        given_out += len(batch)
        assert given_out - settled <= 10
        assert given_out - gone <= 10 or stuck or not batch
        assert stuck or batch or given_out - gone >= 10 or given_out == arrived
        settled += (given_out - settled) * share // 100
        acknowledged += made.settle(settled)
    assert acknowledged == acks(range(1, settled + 1))
    assert made.read_ahead >= (arrived - settled) * 10
