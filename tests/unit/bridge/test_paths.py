"""The loop guard: paths that messages bring, and where they may not go."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Outcome, Verdict
from bridge.paths import UNTRACED, Guard, Trail, places_of

TRAIL = Trail("kafka:c")


def test_a_path_begins_where_a_message_was_read_first() -> None:
    assert TRAIL("orders") == '["kafka:c/orders"]'
    assert TRAIL("orders") is TRAIL("orders"), "known by identity, since messages of one place are many"


def test_a_path_goes_on_where_it_came_from() -> None:
    there = Trail("amqp:rabbit@a//")("ex/key", TRAIL("orders"))
    assert places_of(there) == ["kafka:c/orders", "amqp:rabbit@a///ex/key"]


@pytest.mark.parametrize("brought", [None, "", "x", "{}", "[1]", '["a"', "[" * 100_000, '"a"'])
def test_what_is_no_path_has_no_places(brought: str | None) -> None:
    assert places_of(brought) == []
    assert TRAIL("orders", brought) == TRAIL("orders")


@given(st.text(), st.lists(st.text(), max_size=3))
def test_a_path_is_json_of_ascii_whatever_the_names_are(address: str, places: list[str]) -> None:
    path = TRAIL(address, json.dumps(places))
    assert path.isascii()
    assert json.loads(path) == places_of(path) == [*places, f"kafka:c/{address}"]


def test_nobody_traces_what_has_no_identity() -> None:
    assert UNTRACED("orders", '["a"]') == ""


def test_a_message_goes_everywhere_but_where_it_was() -> None:
    guard = Guard("kafka:c", 8)
    path = Trail("redis:r")("s", TRAIL("orders"))
    assert guard.judge(path, "payments") is None
    assert guard.judge("", "orders") is None
    for _ in range(2):
        outcome = guard.judge(path, "orders")
        assert outcome == Outcome(
            Verdict.FILTERED, "loop", "it was read from kafka:c/orders before: kafka:c/orders, redis:r/s"
        )
    assert Guard("kafka:d", 8).judge(path, "orders") is None, "another broker"


def test_an_address_may_be_known_by_what_it_is_a_part_of() -> None:
    path = Trail("amqp:r")("fanout")
    guard = Guard("amqp:r", 8)
    assert guard.judge(path, "fanout/key") is None
    assert Guard("amqp:r", 8).judge(path, "fanout/key", "fanout") is not None


def test_hops_are_counted() -> None:
    guard = Guard("kafka:c", 2)
    path = Trail("redis:r")("s", Trail("mqtt:m")("t"))
    assert guard.judge(path, "orders") is None
    outcome = guard.judge(Trail("redis:r")("u", path), "orders")
    assert outcome is not None
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, "too_many_hops")


def test_what_is_remembered_is_bounded() -> None:
    trail, guard = Trail("k"), Guard("g", 8)
    for number in range(10_000):
        path = trail(str(number))
        assert guard.judge(path, "a") is None
    long = trail("x" * 5000)
    assert guard.judge(long, "a") is None
    assert len(trail._known) <= 4096
    assert len(guard._known) <= 4096
    assert max(map(len, trail._known.values())) <= 1024


def test_what_messages_bring_is_remembered_only_while_it_is_short() -> None:
    trail = Trail("k")
    for number in range(3):
        assert places_of(trail("a", f"{number}" + "x" * 5000)) == ["k/a"], "what is no path makes a short one"
    assert not trail._known
