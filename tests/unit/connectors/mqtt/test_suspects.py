"""Who is blamed for the end of a connection, and how soon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.suspects import PARTS, WORDLESS, Suspects


def connect(suspects: Suspects, queue: list[str], culprit: str, window: int, *, told: bool) -> tuple[bool, int]:
    """Send until the broker ends the connection for the culprit; whether that was blamed, and how many round trips."""
    answered, trips = False, 0
    while queue:
        trips += 1
        sent = queue[: suspects.room(window, idle=True)]
        if culprit in sent:  # what was sent before it in the same part was answered, or at least read
            before = sent.index(culprit)
            suspects.answered(before)
            del queue[:before]
            return suspects.ended(sent[before:], told=told, answered=answered or before > 0), trips
        suspects.answered(len(sent))
        del queue[: len(sent)]
        answered = True
    return False, trips


@given(st.integers(1, 5000), st.data(), st.booleans())
def test_the_culprit_is_found_on_few_connections_and_nobody_else_is_blamed(
    count: int, data: st.DataObject, told: bool
) -> None:
    queue = [str(number) for number in range(count)]
    culprit = str(data.draw(st.integers(0, count - 1)))
    suspects, ends, trips = Suspects(), 0, 0
    blamed = False
    while not blamed:
        blamed, more = connect(suspects, queue, culprit, 4000, told=told)
        ends, trips = ends + 1, trips + more
        assert queue, "it is still there"
        assert queue[0] == culprit
    assert ends <= 5 + WORDLESS
    assert trips <= 5 * (PARTS + 3) + WORDLESS


def test_of_4000_one_is_found_on_the_fourth_connection_even_where_nothing_is_answered_before_the_end() -> None:
    suspects = Suspects()
    rooms = []
    for count in (4000, 250, 15, 1):
        rooms.append(suspects.room(4000, idle=True))
        blamed = suspects.ended([str(number) for number in range(count)], told=True, answered=False)
    assert rooms == [4000, 250, 15, 1]
    assert blamed


def test_parts_are_sent_one_after_the_other_until_all_suspects_are_answered() -> None:
    suspects = Suspects()
    assert not suspects.ended([str(number) for number in range(100)], told=False, answered=False)
    assert (suspects.room(200, idle=True), suspects.room(199, idle=False), suspects.room(2, idle=True)) == (6, 0, 2)
    suspects.answered(99)
    assert suspects.room(200, idle=True) == 6
    suspects.answered(7)
    assert (suspects.room(200, idle=True), suspects.room(199, idle=False)) == (200, 199)


def test_a_connection_that_ends_without_a_word_after_answers_is_nobodys_fault() -> None:
    suspects = Suspects()
    for _ in range(10):
        assert not suspects.ended(["a"], told=False, answered=True)
        assert not suspects.ended([], told=True, answered=False)
    assert suspects.count == 0


@pytest.mark.parametrize("told", [True, False])
def test_one_that_is_alone_is_blamed_when_it_happens_again(told: bool) -> None:
    suspects = Suspects()
    ends = [suspects.ended(["a"], told=told, answered=False) for _ in range(5)]
    assert ends == ([False, True, False, True, False] if told else [False, False, True, True, True])


def test_without_a_word_only_the_same_message_is_blamed() -> None:
    suspects = Suspects()
    assert not any(suspects.ended([uid], told=False, answered=False) for uid in "ababaabb")
