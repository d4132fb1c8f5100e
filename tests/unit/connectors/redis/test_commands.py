"""Commands as a server reads them."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.redis.commands import (
    LENGTHS,
    MOST_IDS,
    Member,
    pack,
    xack,
    xadd_head,
    xautoclaim,
    xclaim,
    xgroup_create,
    xreadgroup,
)
from tests.unit.connectors.redis.entries import commands

MEMBER = Member(b"group", b"consumer")
IDS = [b"1-%d" % number for number in range(2 * MOST_IDS + 1)]


@given(st.lists(st.binary() | st.text(st.characters(codec="utf-8")) | st.integers(), min_size=1))
def test_arguments_are_bytes_of_any_kind(arguments: list[bytes | str | int]) -> None:
    raw = [each if isinstance(each, bytes) else str(each).encode() for each in arguments]
    assert commands(pack(*arguments)) == [raw]


def test_lengths_are_lengths() -> None:
    assert [int(text) for text in LENGTHS] == list(range(len(LENGTHS)))


def test_an_append_begins_with_as_many_arguments_as_it_will_have() -> None:
    fields = b"\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert commands(xadd_head(b"s", 1, None) + fields) == [[b"XADD", b"s", b"*", b"a", b"b"]]
    trimmed = [b"XADD", b"s", b"MAXLEN", b"~", b"10", b"*", b"a", b"b"]
    assert commands(xadd_head(b"s", 1, 10) + fields) == [trimmed]


def test_many_ids_are_several_commands() -> None:
    parts = [IDS[:MOST_IDS], IDS[MOST_IDS:-1], IDS[-1:]]
    assert commands(b"".join(xack(b"s", MEMBER, IDS))) == [[b"XACK", b"s", b"group", *ids] for ids in parts]
    assert commands(b"".join(xclaim(b"s", MEMBER, 50, IDS))) == [
        [b"XCLAIM", b"s", b"group", b"consumer", b"50", *ids, b"JUSTID"] for ids in parts
    ]
    assert xack(b"s", MEMBER, []) == xclaim(b"s", MEMBER, 50, []) == []


def test_the_others_are_as_redis_documents_them() -> None:
    assert commands(xautoclaim(b"s", MEMBER, 50, b"0-0", 7)) == [
        [b"XAUTOCLAIM", b"s", b"group", b"consumer", b"50", b"0-0", b"COUNT", b"7", b"JUSTID"]
    ]
    assert commands(xgroup_create(b"s", b"g", b"$")) == [[b"XGROUP", b"CREATE", b"s", b"g", b"$", b"MKSTREAM"]]
    head = [b"XREADGROUP", b"GROUP", b"group", b"consumer", b"COUNT", b"7"]
    places = [(b"s", b">"), (b"t", b"0")]
    tail = [b"STREAMS", b"s", b"t", b">", b"0"]
    assert commands(xreadgroup(MEMBER, 7, None, places)) == [[*head, *tail]]
    assert commands(xreadgroup(MEMBER, 7, 2000, places)) == [[*head, b"BLOCK", b"2000", *tail]]
