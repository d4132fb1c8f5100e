"""Which topics a source reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.wanted import Wanted


def test_names_are_taken_literally_and_the_missing_are_named() -> None:
    wanted = Wanted(["a.b", "c"], None)
    assert [name for name in ("a.b", "axb", "c", "cc", "xc") if wanted.expression.match(name)] == ["a.b", "c"]
    assert wanted.missing({"c", "d"}) == ["a.b"]
    assert wanted.waiting({"d"}) == "topic a.b, c"
    assert wanted.waiting({"a.b", "c"}) is None


_names = st.text("a.-_*|^", min_size=1, max_size=4)


@given(st.lists(_names, min_size=1, max_size=4), st.lists(_names), st.lists(_names))
def test_just_the_named_topics_are_read(topics: list[str], others: list[str], known: list[str]) -> None:
    wanted = Wanted(topics, None)
    assert {name for name in [*topics, *others] if wanted.expression.match(name)} == set(topics)
    assert not wanted.expression.match(topics[0] + "\n")
    assert set(wanted.missing(known)) == set(topics) - set(known)


@pytest.mark.parametrize(("name", "matches"), [("orders-1", True), ("orders-12", False), ("x-orders-1", False)])
def test_a_pattern_matches_whole_names(name: str, matches: bool) -> None:
    assert bool(Wanted(None, r"orders-\d|other").expression.match(name)) is matches


def test_internal_topics_match_no_pattern_and_a_pattern_may_wait() -> None:
    wanted = Wanted(None, ".*")
    assert not wanted.expression.match("__consumer_offsets")
    assert wanted.expression.match("_one")
    assert wanted.missing(set()) == []
    assert wanted.waiting({"__consumer_offsets"}) == "a topic that matches .*"
    assert wanted.waiting({"any"}) is None
