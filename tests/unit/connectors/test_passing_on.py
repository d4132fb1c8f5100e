"""From Kafka to Redis and back: what nobody has touched goes unread, and reads as what was typed and written anew."""

from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import Unmappable
from bridge.message import Message, Properties
from bridge.raw import Pairs
from connectors.kafka.codec import Encoder
from tests.unit.connectors.kafka import messages as kafka
from tests.unit.connectors.redis import entries as redis

_NAMES = ["a", "h:a", "content-type", "fedbridge-types", "fedbridge-uid", "fedbridge-null", "key", "body", "größe"]
_NUMBERS = ["amqp-priority", "amqp-timestamp", "amqp-delivery-mode"]
_CLAIMING = [b'{"content-type":["string"]}', b'{"amqp-priority":["i8"],"a":["i8","i8"]}']
_MARKS = [*_CLAIMING, b'{"a":"i8"}', b'{"a":["bool","i8"]}', b'{"a":"void"}', b'{"a":{"array":"i8"}}']
_VALUES = st.binary(max_size=6) | st.sampled_from([*_MARKS, b"1", b"-7", b"007", b"true", b"[1]"])
_pairs = st.lists(st.tuples(st.sampled_from([*_NAMES, *_NUMBERS]), st.none() | _VALUES), max_size=6)
_fields = st.lists(
    st.tuples(st.sampled_from([*_NAMES, *_NUMBERS, "h:content-type", "h:fedbridge-uid", "h:"]), _VALUES), max_size=6
)


def touched(message: Message) -> Message:
    """The same message, in other objects: nothing of it can go unread."""
    return message._replace(properties=cast("Properties", dict(message.properties)), headers=tuple(message.headers))


@given(_pairs, st.none() | st.binary(max_size=3), st.none() | st.binary(max_size=3), st.sampled_from([-1, 0, 5]))
@example([("amqp-priority", b"x"), ("amqp-priority", b"5")], b"", None, 5)
@example([("a", b"1"), ("fedbridge-types", b'{"a":"i8"}'), ("fedbridge-uid", b"u")], None, b"k", -1)
@example([("a", None), ("fedbridge-types", b'{"a":"i8"}')], None, b"k", -1)
@example([("amqp-timestamp", b"x")], b"", None, 5)
@example([("amqp-priority", b"5"), ("fedbridge-types", None)], b"", None, 5)
@example([("fedbridge-uid", b"")], b"", None, 5)
@example([("content-type", b"a"), ("fedbridge-types", b'{"content-type":["string"]}')], b"", None, 5)
@example(
    [("content-type", b"a"), ("content-type", b"1"), ("fedbridge-types", b'{"content-type":["i8"]}')], b"", None, 5
)
def test_a_record_as_an_entry(pairs: Pairs, key: bytes | None, value: bytes | None, timestamp: int) -> None:
    message = kafka.decoded(pairs, key=key, value=value, timestamp=timestamp)
    try:
        typed = redis.encoded(touched(message))
    except Unmappable:
        return
    passed = redis.encoded(message)
    assert repr(redis.decoded(passed)) == repr(redis.decoded(typed))


@given(_fields)
@example([("body", b"x"), ("amqp-timestamp", b"5"), ("h:a", b"1"), ("fedbridge-types", b'{"a":"i8"}')])
@example([("body", b"x"), ("h:content-type", b"a"), ("content-type", b"b")])
@example([("body", b"x"), ("content-type", b"a"), ("content-type", b"b")])
@example([("amqp-priority", b"x")])
@example([("fedbridge-null", b"true"), ("key", b"k")])
def test_an_entry_as_a_record(pairs: list[tuple[str, bytes]]) -> None:
    message = redis.decoded([(name.encode(), value) for name, value in pairs])
    typed = Encoder().record(touched(message), message.key)
    passed = Encoder().record(message, message.key)
    assert (passed.key, passed.value, passed.timestamp) == (typed.key, typed.value, typed.timestamp)
    again = [
        kafka.decoded(record.headers, key=record.key, value=record.value, timestamp=record.timestamp or -1)
        for record in (passed, typed)
    ]
    assert repr(again[0]) == repr(again[1])


@pytest.mark.parametrize("uid", ["u", None])
def test_they_are_passed_on_unread(uid: str | None) -> None:
    own = [] if uid is None else [("fedbridge-uid", uid.encode())]
    message = kafka.decoded([("content-type", b"text/plain"), ("a", b"1"), ("fedbridge-types", b'{"b":"i8"}'), *own])
    assert (b"fedbridge-types", b'{"b":"i8"}') in redis.encoded(message), "typed, there would be no mark"
    message = redis.decoded([(b"body", b""), (b"h:a", b"1"), (b"fedbridge-types", b'{"b":"i8"}')])
    assert ("fedbridge-types", b'{"b":"i8"}') in Encoder().record(message, None).headers
