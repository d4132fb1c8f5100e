"""Methods with names that the library refuses and arguments of our own encoding, and the library's hooks for them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.base import Frame

from bridge.errors import RouteFault
from config.amqp import Scalar
from connectors.amqp.methods import Bind, Consume, DeclareExchange, DeclareQueue, Publish, Unbind, table
from connectors.amqp.tables import decode_table

VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TYPES = {bool: "bool", int: "i64", float: "f64", str: "string"}


@given(st.dictionaries(st.text(max_size=60), VALUES))
def test_arguments_keep_their_types(arguments: dict[str, Scalar]) -> None:
    raw = table(arguments)
    headers, end = decode_table(raw, 0)
    assert end == len(raw)
    assert headers == tuple((name, TYPES[type(value)], value) for name, value in arguments.items())


@pytest.mark.parametrize("arguments", [{"n": 2**63}, {"é" * 128: 1}])
def test_what_cannot_be_encoded_is_a_fault(arguments: dict[str, Scalar]) -> None:
    with pytest.raises(RouteFault, match="cannot carry") as caught:
        table(arguments)
    assert caught.value.reason == "conflict"


@pytest.mark.parametrize("arguments", [{}, {"a": 1, "b": "x", "c": True}])
@pytest.mark.parametrize(
    ("method", "like"),
    [
        (DeclareExchange, {"exchange": "e", "exchange_type": "topic", "passive": True, "durable": True}),
        (DeclareQueue, {"queue": "q", "durable": True, "auto_delete": True}),
        (Bind, {"queue": "q", "exchange": "e", "routing_key": "k"}),
        (Unbind, {"queue": "q", "exchange": "e", "routing_key": "k"}),
        (Consume, {"queue": "q", "consumer_tag": "t"}),
    ],
)
def test_the_methods_are_the_library_s_but_for_the_table(
    method: Callable[..., Any], like: dict[str, Any], arguments: dict[str, Scalar]
) -> None:
    """The contract with pamqp: `frame.marshal` calls `marshal`, and the table is the last field."""
    made = method(**like)
    made.table = table(arguments)
    assert dict(sent(made)) == {**dict(made), "arguments": arguments}


@pytest.mark.parametrize("name", ["größe", "a&b", "x" * 255, "ö" * 127, ""])
def test_names_are_what_the_broker_allows(name: str) -> None:
    """The contract with pamqp: a name is checked by `validate` alone, and by its length in bytes."""
    assert sent(DeclareExchange(exchange=name)).exchange == name
    assert sent(DeclareQueue(queue=name)).queue == name
    assert sent(Consume(queue=name)).queue == name
    for binding in (Bind(queue=name, exchange=name, routing_key=name), Unbind(queue=name, exchange=name)):
        assert (sent(binding).queue, sent(binding).exchange) == (name, name)
    assert sent(Publish(exchange=name, routing_key=name)).exchange == name


def sent(method: Frame) -> Any:
    """What the library makes of the frame that it would send."""
    return frame.unmarshal(frame.marshal(method, 7))[2]
