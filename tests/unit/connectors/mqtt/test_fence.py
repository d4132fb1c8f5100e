"""How far a broker has surely read its acknowledgements."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.fence import Fence
from connectors.mqtt.tap import PacketTap


class Stub:
    """What a fence needs of a session, and a broker that answers when it is told to."""

    def __init__(self) -> None:
        self.tap = PacketTap()
        self.marks = 0

    def mark(self) -> int:
        self.marks += 1
        return self.marks


def test_one_fence_covers_all_that_was_acknowledged_before_it() -> None:
    stub = Stub()
    fence = Fence(stub, 3)
    assert not fence.see_to(2, urgent=False)
    assert stub.marks == 0, "too few for one"
    assert not fence.see_to(5, urgent=False)
    assert not fence.see_to(9, urgent=False)
    assert (stub.marks, fence.passed) == (1, 0), "one is on its way"
    stub.tap.pongs = 1
    assert fence.see_to(9, urgent=False)
    assert (stub.marks, fence.passed) == (2, 5), "four more were acknowledged meanwhile"
    stub.tap.pongs = 2
    assert fence.see_to(9, urgent=False)
    assert (stub.marks, fence.passed) == (2, 9)


def test_an_answer_to_another_ping_is_none_to_the_fence() -> None:
    stub = Stub()
    stub.mark()  # the keepalive's
    fence = Fence(stub, 1)
    fence.see_to(1, urgent=False)
    stub.tap.pongs = 1
    assert not fence.see_to(1, urgent=False)
    stub.tap.pongs = 2
    assert fence.see_to(1, urgent=False)


@given(st.integers(1, 10), st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_what_is_passed_was_acknowledged_before_a_ping_that_was_answered(
    every: int, steps: list[tuple[int, bool]]
) -> None:
    """Each step: so many more are acknowledged, and perhaps the oldest ping is answered."""
    stub = Stub()
    fence = Fence(stub, every)
    number = 0
    front: list[int] = []
    for count, answers in steps:
        if answers and stub.tap.pongs < stub.marks:
            stub.tap.pongs += 1
        number += count
        fence.see_to(number, urgent=False)
        front += [number] * (stub.marks - len(front))
        assert stub.marks - stub.tap.pongs <= 1
        assert fence.passed == (front[stub.tap.pongs - 1] if stub.tap.pongs else 0)
        assert number - fence.passed < every or stub.marks > stub.tap.pongs


def test_what_somebody_waits_for_is_fenced_at_once() -> None:
    session = Stub()
    fence = Fence(session, 10)
    assert not fence.see_to(0, urgent=True)
    assert session.marks == 0, "there is nothing to be fenced"
    fence.see_to(1, urgent=False)
    assert session.marks == 0
    fence.see_to(1, urgent=True)
    fence.see_to(2, urgent=True)
    assert session.marks == 1, "one at a time"
