"""What a group has still to get, by what servers of different versions say."""

from typing import Any

import pytest

from connectors.redis.errors import Refused
from connectors.redis.lag import lag_of


def group(name: bytes, pending: int, delivered: bytes, *lag: Any) -> list[Any]:
    more = [b"entries-read", 7, b"lag", *lag] if lag else []  # since 7.0
    return [b"name", name, b"consumers", 1, b"pending", pending, b"last-delivered-id", delivered, *more]


def stream(length: int, last: bytes) -> list[Any]:
    return [b"length", length, b"radix-tree-keys", 1, b"last-generated-id", last, b"groups", 2]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([group(b"g", 3, b"5-0", 10)], 13),
        ([group(b"other", 9, b"5-0", 90), group(b"g", 3, b"5-0", 0)], 3),
        ([group(b"g", 3, b"5-0", None)], None),  # entries in the middle were deleted
        ([group(b"g", 3, b"9-0", None)], 3),
        ([group(b"g", 3, b"9-0")], 3),  # 6.2: all were given
        ([group(b"g", 0, b"0-0")], 20),  # and none was
        ([group(b"g", 3, b"5-0")], None),
        ([group(b"other", 3, b"5-0", 10)], None),
        ([], None),
        (Refused("ERR no such key"), None),
    ],
)
def test_the_lag_is_what_was_not_given_or_not_acknowledged(groups: Any, expected: int | None) -> None:
    assert lag_of(groups, stream(20, b"9-0"), b"g") == expected


def test_a_stream_that_nobody_may_look_at_has_none() -> None:
    assert lag_of([group(b"g", 3, b"5-0", 10)], Refused("NOPERM"), b"g") is None
