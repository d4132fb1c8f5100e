"""What is in flight, against a model that keeps every message by itself."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import DELIVERED, Message, Outcome, Verdict
from bridge.sends import Submission
from connectors.amqp.flights import Flights

HELD = Outcome(Verdict.HOLD, "nack")
RETURNED = Outcome(Verdict.REJECTED, "unroutable")


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def submission(loop: asyncio.AbstractEventLoop, *uids: str) -> Submission:
    return Submission([Message(b"", uid) for uid in uids], loop.create_future())


class Model:
    """What ought to be known of every message: its tag while it is in flight, and what was said of it."""

    def __init__(self, sends: list[list[bool]]) -> None:
        places = [(number, position) for number, sent in enumerate(sends) for position, was in enumerate(sent) if was]
        self.flying = dict(enumerate(places, 1))
        self.said = {
            (number, position): DELIVERED if was else RETURNED
            for number, sent in enumerate(sends)
            for position, was in enumerate(sent)
        }

    def say(self, place: tuple[int, int], outcome: Outcome) -> None:
        if self.said[place] is DELIVERED:
            self.said[place] = outcome

    def settle(self, tag: int, multiple: bool, outcome: Outcome) -> None:
        for each in [each for each in self.flying if (each <= tag if multiple else each == tag)]:
            self.say(self.flying.pop(each), outcome)


def answer(flights: Flights, model: Model, tag: int, multiple: bool, word: str) -> None:
    """Have both take one answer of the broker."""
    if word == "ack":
        flights.acked(tag, multiple)
        model.settle(tag, multiple, DELIVERED)
    elif word == "nack":
        for refused, position in list(flights.nacked(tag, multiple)):
            refused.settle(position, HELD)
        model.settle(tag, multiple, HELD)
    elif tag in model.flying:
        number, position = model.flying[tag]
        found = flights.find(f"{number}-{position}")
        assert found is not None
        found[0].say(found[1], RETURNED)
        model.say((number, position), RETURNED)
    flights.sweep()


sends = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=1, max_size=4)
answers = st.lists(
    st.tuples(st.integers(0, 40), st.booleans(), st.sampled_from(["ack", "nack", "return"])), max_size=30
)


@given(sends, answers)
def test_any_answers_settle_what_they_name(
    loop: asyncio.AbstractEventLoop, sends: list[list[bool]], answers: list[tuple[int, bool, str]]
) -> None:
    """False in a send is a message that was refused before it was published: it has no tag."""
    flights, model = Flights(), Model(sends)
    submissions = [
        submission(loop, *(f"{number}-{position}" for position in range(len(sent))))
        for number, sent in enumerate(sends)
    ]
    for made, sent in zip(submissions, sends, strict=True):
        positions = [position for position, was in enumerate(sent) if was]
        flights.add(made, range(len(sent)) if all(sent) else positions)
        for position in set(range(len(sent))) - set(positions):
            made.settle(position, RETURNED)
    for tag, multiple, word in answers:
        answer(flights, model, tag, multiple, word)
        flying = [(submissions.index(made), position) for made, position in flights.unsettled()]
        assert flying == list(model.flying.values())
        assert bool(flights) == bool(flying)
        assert [made.open for made in submissions] == [
            sum(number == which for which, _ in flying) for number in range(len(sends))
        ]
    model.settle(99, multiple=True, outcome=HELD)
    for made in submissions:
        made.end(HELD)
        assert made.open == 0
    assert [outcome for made in submissions for outcome in made.outcomes] == list(model.said.values())


@given(st.lists(st.sampled_from("abcdef"), max_size=8), st.lists(st.sampled_from("abcdef"), max_size=8, unique=True))
def test_messages_are_clear_up_to_the_first_uid_that_is_there_twice(
    loop: asyncio.AbstractEventLoop, coming: list[str], flying: list[str]
) -> None:
    flights = Flights()
    flights.add(submission(loop, *flying), range(len(flying)))
    messages = [Message(b"", uid) for uid in coming]
    for start in range(len(coming)):
        stop = start
        while stop < len(coming) and coming[stop] not in (*flying, *coming[start:stop]):
            stop += 1
        assert flights.clear_until(messages, start) == stop


def test_what_was_said_on_a_channel_that_is_gone_is_taken_back(loop: asyncio.AbstractEventLoop) -> None:
    made = submission(loop, "a", "b", "c")
    for position in range(3):
        made.say(position, RETURNED)
    made.settle(0)
    made.unsay(0)
    made.unsay(1)
    made.settle_range(range(3))
    assert made.outcomes == [RETURNED, DELIVERED, RETURNED]


def test_a_uid_is_free_again_when_all_that_was_published_with_it_is_confirmed(
    loop: asyncio.AbstractEventLoop,
) -> None:
    flights, made = Flights(), submission(loop, "a", "b")
    flights.add(made, range(2))
    flights.acked(2, multiple=True)
    flights.sweep()
    assert flights.clear_until(made.messages, 0) == 2
    assert flights.find("a") is None
