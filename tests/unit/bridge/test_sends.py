"""What a sink has been given and has no outcome yet."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Disconnected
from bridge.message import DELIVERED, Message, Outcome, Verdict
from bridge.sends import Pace, Sends, Submission

REFUSED = Outcome(Verdict.REJECTED, "too_large")
GONE = Disconnected("the broker is gone", "timeout")
UNKNOWN = Outcome(Verdict.UNKNOWN, "timeout", "the broker is gone")


def messages(count: int) -> Sequence[Message]:
    return [Message(b"", f"{number}") for number in range(count)]


def submission(count: int) -> Submission:
    loop = asyncio.new_event_loop()
    try:
        return Submission(messages(count), loop.create_future())
    finally:
        loop.close()


@given(st.lists(st.tuples(st.sets(st.integers(0, 9), min_size=1), st.booleans()), max_size=6))
def test_whatever_is_settled_counts_once_and_keeps_its_first_outcome(steps: list[tuple[set[int], bool]]) -> None:
    """Each step settles positions: together as what they are, or one by one as refused."""
    made, known = submission(10), dict[int, Outcome]()
    for chosen, together in steps:
        positions = sorted(chosen)
        if together:
            made.settle_range(positions)
        else:
            for position in positions:
                made.settle(position, REFUSED)
        for position in positions:
            known.setdefault(position, DELIVERED if together else REFUSED)
        assert made.open == 10 - len(known)
        assert made.unsettled(range(10)) == [position for position in range(10) if position not in known]
    made.end(UNKNOWN)
    assert made.open == 0
    assert made.outcomes == [known.get(position, UNKNOWN) for position in range(10)]


async def test_outcomes_are_given_once_all_of_a_send_is_settled() -> None:
    sends = Sends(10, Pace(2, 7))
    first, second = sends.begin(messages(2)), sends.begin(messages(1))
    second.settle(0, REFUSED)
    first.settle(0)
    sends.finish()
    assert not first.future.done()
    assert second.future.result() == [REFUSED]
    first.settle(1)
    sends.finish()
    assert first.future.result() == [DELIVERED, DELIVERED]


async def test_there_is_room_within_the_limit_and_the_pace() -> None:
    sends = Sends(10, Pace(2, 7))
    assert sends.idle
    assert sends.room == 7, "no more in one send"
    first = sends.begin(messages(4))
    assert sends.room == 6
    sends.begin(messages(1))
    assert sends.room == 0, "two sends are enough"
    first.end(DELIVERED)
    sends.finish()
    assert sends.room == 0, "who is told of the outcome knows before there is room"
    async with asyncio.timeout(1):
        await sends.news()
    assert sends.room == 7
    assert not sends.idle, "one is unconfirmed yet"
    sends.begin(messages(7))
    assert sends.room == 0


async def test_small_sends_wait_for_one_another_and_large_ones_do_not() -> None:
    sends = Sends(100, Pace(4, 10))
    sends.begin(messages(2))
    small = sends.begin(messages(2))
    assert sends.room == 0, "two are under way, and what comes meanwhile makes a larger one"
    small.end(DELIVERED)
    sends.finish()
    async with asyncio.timeout(1):
        await sends.news()
    sends.begin(messages(10))
    assert sends.room == 10
    sends.begin(messages(10))
    assert sends.room == 10
    sends.begin(messages(10))
    assert sends.room == 0, "four are enough, however large"


async def test_a_loss_makes_unknown_what_has_no_outcome_and_is_told_to_all_who_wait() -> None:
    sends = Sends(10, Pace(2, 7))
    send = sends.begin(messages(3))
    send.settle(0)
    send.settle(1, REFUSED)
    async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(_told(sends)) for _ in range(2)]
        await asyncio.sleep(0)
        sends.lose(GONE)
        sends.lose(Disconnected("the sink was closed", "cancelled"))
    assert [task.result() for task in waiting] == [GONE, GONE]
    assert send.future.result() == [DELIVERED, REFUSED, UNKNOWN]
    assert sends.loss is GONE, "the first counts"
    assert await _told(sends) is GONE, "who comes later is told, too"


async def _told(sends: Sends) -> Disconnected:
    with pytest.raises(Disconnected) as told:
        await sends.news()
    return told.value
