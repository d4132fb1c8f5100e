"""What a message brought, read when somebody looks."""

from typing import Any

import pytest

from bridge.message import Header
from bridge.raw import Pairs, RawHeaders, RawProperties


class Read:
    """A reader that says what it was asked for."""

    def __init__(self, **properties: Any) -> None:
        self.asked: list[str] = []
        self._properties = properties

    def properties(self, given: Any) -> dict[str, Any]:
        """Give them."""
        self.asked.append(f"properties of {given}")
        return dict(self._properties)

    def headers(self, given: Any) -> list[Header]:
        """Give two headers."""
        self.asked.append(f"headers of {given}")
        return [("a", "string", "1"), ("b", "i8", 2)]

    def pairs(self, given: Any, timestamp: int | None) -> Pairs | None:
        """Give one pair."""
        return [(str(given), b"%d" % (timestamp or 0))]


def test_nothing_is_read_before_somebody_looks_and_then_once() -> None:
    read = Read(type="t")
    properties = RawProperties(read, "it", None)
    headers = RawHeaders(read, "it", properties, None)
    assert read.asked == []
    assert (properties["type"], dict(properties), list(headers), headers[0]) == (
        "t",
        {"type": "t"},
        [("a", "string", "1"), ("b", "i8", 2)],
        ("a", "string", "1"),
    )
    assert read.asked == ["properties of it", "headers of it"]


def test_properties_are_a_mapping_like_any_other() -> None:
    properties = RawProperties(Read(type="t", priority=1), "it", None)
    assert properties == {"type": "t", "priority": 1}
    assert properties == {"type": "t", "priority": 1}
    assert properties != {"type": "t"}
    assert (list(properties), len(properties), "type" in properties) == (["type", "priority"], 2, True)
    assert (list(properties.keys()), list(properties.values())) == (["type", "priority"], ["t", 1])
    assert list(properties.items()) == [("type", "t"), ("priority", 1)]
    assert (properties.get("app_id"), properties.get("app_id", "x")) == (None, "x")
    assert {**properties, "type": "other"} == {"type": "other", "priority": 1}
    assert repr(properties) == "{'type': 't', 'priority': 1}"
    with pytest.raises(KeyError):
        properties["app_id"]


def test_a_time_that_is_known_is_the_timestamp_unless_another_was_given() -> None:
    assert RawProperties(Read(type="t"), "it", 5) == {"type": "t", "timestamp": 5}
    assert RawProperties(Read(timestamp=7), "it", 5) == {"timestamp": 7}


def test_headers_are_a_sequence_like_any_other() -> None:
    headers = RawHeaders(Read(), "it", None, None)
    assert headers == [("a", "string", "1"), ("b", "i8", 2)]
    assert headers == RawHeaders(Read(), "other", None, "u")
    assert headers != [("a", "string", "1")]
    assert headers != 7
    assert (len(headers), headers[1], headers[:1]) == (2, ("b", "i8", 2), [("a", "string", "1")])
    assert ("b", "i8", 2) in headers
    assert repr(headers) == "[('a', 'string', '1'), ('b', 'i8', 2)]"
    with pytest.raises(TypeError, match="not hashable"):
        hash(headers)


@pytest.mark.parametrize("timestamp", [None, 5])
def test_the_pairs_are_what_the_reader_makes_of_it(timestamp: int | None) -> None:
    read = Read()
    assert RawHeaders(read, "it", RawProperties(read, "it", timestamp), None).pairs == [
        ("it", b"%d" % (timestamp or 0))
    ]
