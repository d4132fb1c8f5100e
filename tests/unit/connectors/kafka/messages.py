"""Messages of any properties and headers, for hypothesis, and those that records become."""

from typing import Any, cast

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import strategies as st

from bridge.message import Delivery, Message, Type
from bridge.names import PROPERTY_NAMES
from bridge.raw import Pairs
from connectors.kafka.decoder import Decoder
from tests.unit.connectors.kafka.records import CREATED

UID = f"kafka:cluster/orders/3/0@{CREATED}"
"""The name of a message that brings none."""


def delivered(
    headers: Pairs, key: bytes | None = None, value: bytes | None = b"", timestamp: int = CREATED
) -> Delivery:
    """What becomes of one record that a builder wrote and aiokafka's parser read."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, timestamp, key, value, list(headers))
    (delivery,) = Decoder("cluster").deliveries(DefaultRecordBatch(bytes(builder.build())), "orders", 3, 40)
    return delivery


def decoded(headers: Pairs, **more: Any) -> Message:
    """The message of such a delivery."""
    message = delivered(headers, **more).message
    assert isinstance(message, Message)
    return message


_SIZES = (8, 16, 32, 64)
_INTEGERS: list[tuple[Type, st.SearchStrategy[int]]] = [
    *((cast("Type", f"i{size}"), st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)) for size in _SIZES),
    *((cast("Type", f"u{size}"), st.integers(0, 2**size - 1)) for size in _SIZES),
]
_text = st.text(st.characters(codec="utf-8")) | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
_leaves = st.one_of(
    st.tuples(st.just("bool"), st.booleans()),
    *(st.tuples(st.just(kind), numbers) for kind, numbers in _INTEGERS),
    st.tuples(st.just("timestamp"), st.integers(-(2**63), 2**64 - 1) | st.integers(-(2**36), 2**38)),
    st.tuples(st.just("f32"), st.floats(width=32)),
    st.tuples(st.just("f64"), st.floats()),
    st.tuples(st.just("decimal"), st.decimals()),
    st.tuples(st.just("string"), st.text() | _text | st.binary()),
    st.tuples(st.just("bytes"), st.binary()),
    st.tuples(st.just("void"), st.none()),
)
_values = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("array"), st.lists(inner, max_size=3).map(tuple)),
        st.tuples(
            st.just("table"),
            st.lists(st.tuples(st.text(max_size=3), inner).map(lambda item: (item[0], *item[1])), max_size=3).map(
                tuple
            ),
        ),
    ),
    max_leaves=8,
)
_names = st.sampled_from(["a", "b", "fedbridge-uid", "fedbridge-types", "größe"]) | st.text().filter(
    lambda name: name not in PROPERTY_NAMES.values()  # to others such a header is the property
)
_headers = st.lists(st.tuples(_names, _values).map(lambda item: (item[0], *item[1])), max_size=6)
_properties = st.fixed_dictionaries(
    {},
    optional={
        name: st.integers(0, 9) if name in {"delivery_mode", "priority"} else _text | st.text()
        for name in PROPERTY_NAMES
        if name != "timestamp"
    }
    | {"timestamp": st.integers(-(2**63), 2**64 * 1000)},
)
messages: st.SearchStrategy[Message] = st.builds(
    Message,
    body=st.none() | st.binary(),
    uid=_text,
    address=_text,
    exchange=st.none() | _text,
    properties=_properties,
    headers=_headers,
)

foreign = st.lists(
    st.tuples(
        st.sampled_from(["a", "content-type", "fedbridge-types", "fedbridge-uid", "amqp-priority", "amqp-timestamp"]),
        st.none()
        | st.binary(max_size=12)
        | st.sampled_from([b"1", b"true", b'{"a":"i8"}', b'{"a":["bool","i8"]}', b'{"a":"array"}', b"[1]"]),
    ),
    max_size=6,
)
"""Pairs of anybody's records, with names that mean something here."""
