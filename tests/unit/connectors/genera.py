"""Messages as RabbitMQ, and then as the others give them, with everything that there is in one: for hypothesis."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bridge.message import Message
from bridge.names import KEY, PROPERTY_NAMES
from tests.unit.connectors.carriers import LOGIN

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_fit = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=8)  # which MQTT has
escaped = st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
_short = text | escaped


def _whole(kind: str, low: int, high: int) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(st.just(kind), st.integers(low, high - 1) | st.sampled_from([low, high - 1]))


def _string(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


_strings = st.tuples(st.just("string"), text | st.binary(max_size=6).map(_string))
_scalars: st.SearchStrategy[tuple[Any, Any]] = st.one_of(
    _strings,
    _strings,
    st.tuples(st.just("bool"), st.booleans()),
    *(_whole(f"i{bits}", -1 << (bits - 1), 1 << (bits - 1)) for bits in (8, 16, 32, 64)),
    *(_whole(f"u{bits}", 0, 1 << bits) for bits in (8, 16, 32)),
    _whole("timestamp", 0, 1 << 64),
    _whole("timestamp", 0, 1 << 33),
    st.tuples(st.just("f32"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.just("f64"), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(
        st.just("decimal"),
        st.builds(
            lambda number, scale: Decimal(number).scaleb(-scale),
            st.integers(0, (1 << 32) - 1),
            st.integers(0, 255),
        ),
    ),
    st.tuples(st.just("bytes"), st.binary(max_size=6)),
    st.tuples(st.just("void"), st.none()),
)


def _nested(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    member = st.tuples(_fit, inner).map(lambda pair: (pair[0], *pair[1]))
    return st.tuples(st.just("array"), st.lists(inner, max_size=4).map(tuple)) | st.tuples(
        st.just("table"), st.lists(member, max_size=4).map(tuple)
    )


_values = st.recursive(_scalars, _nested, max_leaves=8)
_claimed = st.sampled_from(["content-type", "amqp-message-id", "amqp-priority", "amqp-timestamp"])
_names = st.sampled_from(["a", "b", "größe", "h:a", "body", "x-tenant", "traceparent"]) | _fit | _claimed
headers = st.lists(st.tuples(_names, _values).map(lambda pair: (pair[0], *pair[1])), max_size=6).map(tuple)
properties = st.fixed_dictionaries(
    {"delivery_mode": st.sampled_from([1, 2])},
    optional={
        **{
            name: _short
            for name in PROPERTY_NAMES
            if name not in {"delivery_mode", "expiration", "user_id", "reply_to"}
        },
        "priority": st.integers(0, 255),
        "timestamp": st.integers(0, (1 << 64) * 1000 - 1) | st.integers(0, 1 << 42),
        "expiration": st.integers(0, (1 << 32) - 1).map(str) | st.sampled_from(["007", "0", "4294967295"]),
        "reply_to": _short.filter(lambda text: not text.startswith("amq.")),
        "user_id": st.just(LOGIN),
    },
)
messages: st.SearchStrategy[Message] = st.builds(
    Message,
    body=st.binary(max_size=20),
    key=st.none(),
    path=st.just(""),
    uid=st.uuids().map(str),
    address=_fit,
    exchange=_fit,
    properties=properties,
    headers=headers.filter(lambda found: all(name != KEY for name, _, _ in found)),
)
"""What a source of AMQP gives: no key, always a body, repeats or none."""
