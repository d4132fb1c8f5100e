"""Messages that came by Redis: what nobody has touched is written as it was read."""

from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Message, Properties
from bridge.paths import Trail
from connectors.redis.decoder import Decoder
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


STAMP = b"amqp-timestamp", b"1700000000000"
"""What says the time of an entry that no bridge wrote: the next one has an id, and so a time, of its own."""


def named(uid: str) -> tuple[bytes, bytes]:
    return b"fedbridge-uid", uid.encode()


def test_what_nobody_touched_is_written_as_it_was_read() -> None:
    message = decoded(PLAIN)
    assert encoded(message) == [*PLAIN, named(UID), STAMP]
    assert encoded(message) == [*PLAIN, named(UID), STAMP], "it is not written to"


def test_the_time_that_it_brought_is_all_the_time_there_is() -> None:
    pairs = [(b"amqp-timestamp", b"17"), (b"body", b"x")]
    assert encoded(decoded(pairs)) == [*pairs, named(UID)]


@pytest.mark.parametrize("no_body", ["json", "empty"])
@pytest.mark.parametrize("pairs", [[(b"body", b"x")], [(b"t", b"20")], [(b"t", b"20"), (b"amqp-timestamp", b"17")]])
def test_the_time_and_the_body_of_what_no_bridge_wrote_stay_from_stream_to_stream(
    no_body: str, pairs: list[tuple[bytes, bytes]]
) -> None:
    first = decoded(pairs, no_body=no_body)
    second = decoded(encoded(first), no_body=no_body)
    third = decoded(encoded(second), no_body=no_body)
    assert first == second._replace(uid=first.uid) == third._replace(uid=first.uid)
    assert second.properties["timestamp"] in {1700000000000, 17}


@pytest.mark.parametrize("prefix", [b"", b"h:"])
@pytest.mark.parametrize("name", [b"fedbridge-uid", b"fedbridge-null", b"fedbridge-timestamp-ms", b"fedbridge-x"])
def test_nothing_by_a_name_of_ours_comes_from_who_is_not_trusted(prefix: bytes, name: bytes) -> None:
    decoder = Decoder("host:6379/0", "body", "json", Trail("redis", trusted=False))
    message = decoded([(b"body", b"x"), (prefix + name, b"17"), (b"h:a", b"1")], decoder=decoder)
    assert list(message.headers) == [("a", "string", "1")]
    assert [value for own, value in encoded(message) if own.endswith(name)] in ([], [UID.encode()])


@pytest.mark.parametrize("name", [b"fedbridge-uid", b"fedbridge-path", b"fedbridge-types"])
def test_a_header_by_a_name_of_ours_is_not_passed_on_as_elsewhere(name: bytes) -> None:
    message = decoded([(b"body", b"x"), (b"h:" + name, b"{}")])
    assert b"h:" + name not in dict(encoded(message))
    assert encoded(message) == encoded(message._replace(headers=tuple(message.headers)))


def test_a_uid_that_it_brought_is_all_the_uid_there_is() -> None:
    assert encoded(decoded([named("u-1"), *PLAIN])) == [named("u-1"), *PLAIN]


@pytest.mark.parametrize("no_body", ["json", "empty"])
def test_an_entry_without_a_body_stays_one(no_body: str) -> None:
    pairs = [(b"t", b"20"), (b"key", b"k")]
    assert encoded(decoded(pairs, no_body=no_body)) == [*pairs, named(UID), STAMP]


def test_a_body_of_another_name_keeps_it() -> None:
    assert encoded(decoded([(b"data", b"x")], body="data")) == [(b"data", b"x"), named(UID), STAMP]


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
