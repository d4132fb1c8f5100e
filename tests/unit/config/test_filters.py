"""Which topics two MQTT filters have in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.filters import overlap


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a", False),
        ("a/b", "a/c", False),
        ("A", "a", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("a/#", "+/b", True),
        ("#", "a", True),
        ("#", "/", True),
        ("+/+", "/", True),
        ("+", "/", False),
        ("a/+/c", "a/b/+", True),
        ("a/+/c", "+/b/d", False),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("$SYS/#", "$SYS/+", True),
        ("$SYS/#", "#", False),
        ("a/$x", "a/+", True),
    ],
)
def test_what_they_have_in_common(one: str, other: str, common: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is common


LEVELS = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=4)


def _filter_of(levels: list[str], data: st.DataObject) -> str:
    """A filter that matches a topic."""
    kept = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    cut = data.draw(st.none() | st.integers(0, len(levels)))
    return "/".join(kept if cut is None else [*kept[:cut], "#"])


@given(levels=LEVELS, data=st.data())
def test_two_filters_of_one_topic_overlap(levels: list[str], data: st.DataObject) -> None:
    one, other = _filter_of(levels, data), _filter_of(levels, data)
    assert overlap(one, "/".join(levels))
    assert overlap(one, other)
    assert not overlap("/".join([*levels, "z"]), "/".join(levels))
