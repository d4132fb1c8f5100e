"""Messages that came by Redis: what nobody has touched is written as it was read."""

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Message, Properties
from tests.unit.connectors.redis.entries import UID, decoded, encoded

PLAIN = [
    (b"b", b"\xff"),
    (b"content-type", b"text/plain"),
    (b"body", b"x"),
    (b"fedbridge-types", b"{}"),
    (b"h:a", b""),
    (b"key", b"k"),
    (b"b", b"2"),
]


def named(uid: str) -> tuple[bytes, bytes]:
    return b"fedbridge-uid", uid.encode()


def test_what_nobody_touched_is_written_as_it_was_read() -> None:
    message = decoded(PLAIN)
    assert encoded(message) == [*PLAIN, named(UID)]
    assert encoded(message) == [*PLAIN, named(UID)], "it is not written to"


def test_a_uid_that_it_brought_is_all_the_uid_there_is() -> None:
    assert encoded(decoded([named("u-1"), *PLAIN])) == [named("u-1"), *PLAIN]


@pytest.mark.parametrize("no_body", ["json", "empty"])
def test_an_entry_without_a_body_stays_one(no_body: str) -> None:
    pairs = [(b"t", b"20"), (b"key", b"k")]
    assert encoded(decoded(pairs, no_body=no_body)) == [*pairs, named(UID)]


def test_a_body_of_another_name_keeps_it() -> None:
    assert encoded(decoded([(b"data", b"x")], body="data")) == [(b"data", b"x"), named(UID)]


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message._replace(body=b"other"),
        lambda message: message._replace(key=b"other"),
        lambda message: message._replace(uid="other"),
        lambda message: message._replace(headers=(("n", "i8", 1),)),
        lambda message: message._replace(properties=cast("Properties", {**message.properties, "type": "other"})),
        lambda message: message._replace(properties=cast("Properties", {})),
    ],
)
def test_what_somebody_touched_is_written_as_it_is_now(change: Callable[[Message], Message]) -> None:
    message = change(decoded([(b"body", b"x"), (b"content-type", b"text/plain"), (b"a", b"1"), named("u-1")]))
    plain = message._replace(
        properties=cast("Properties", dict(message.properties)), headers=tuple(message.headers), body=message.body
    )
    assert encoded(message) == encoded(plain)
    assert (b"a", b"1") not in encoded(message), "headers have their prefix"


def test_a_name_that_is_not_ours_to_pass_on_is_not() -> None:
    message = decoded([(b"body", b"x"), (b"fedbridge-uid", b"\xff")])
    assert encoded(message) == encoded(message._replace(headers=tuple(message.headers)))
    assert [value for name, value in encoded(message) if name == b"fedbridge-uid"] == [UID.encode()]


_pairs = st.lists(
    st.tuples(
        st.sampled_from([b"body", b"a", b"h:a", b"content-type", b"fedbridge-uid", b"fedbridge-types", b"\xff"]),
        st.binary(max_size=6) | st.sampled_from([b'{"a":"i8"}', b"1"]),
    ),
    min_size=1,
    max_size=6,
)


@given(_pairs)
def test_what_is_passed_on_reads_as_what_was_read(pairs: list[tuple[bytes, bytes]]) -> None:
    message = decoded(pairs, no_body="empty")
    try:
        again = decoded(encoded(message), no_body="empty")
    except Unmappable:
        return
    assert again.uid == message.uid
    passed = [header for header in message.headers if header[0] not in {"fedbridge-uid", "fedbridge-types"}]
    assert (again.body, again.key, list(again.headers)) == (message.body, message.key, passed)
