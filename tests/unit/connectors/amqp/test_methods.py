"""Queue.Declare and Queue.Bind with arguments of our own encoding, and the library's hooks for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame

from bridge.errors import RouteFault
from config.amqp import Scalar
from connectors.amqp.methods import Bind, Declare, table
from connectors.amqp.tables import decode_table

VALUES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
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
def test_the_methods_are_the_library_s_but_for_the_table(arguments: dict[str, Scalar]) -> None:
    """The contract with pamqp: `frame.marshal` calls `marshal`, and the table is the last field."""
    declare = Declare(queue="q", durable=True, auto_delete=True)
    bind = Bind(queue="q", exchange="e", routing_key="k")
    declare.table = bind.table = table(arguments)
    found = sent(declare)
    assert (found.queue, found.arguments) == ("q", arguments)
    assert (found.durable, found.auto_delete, found.exclusive, found.passive) == (True, True, False, False)
    found = sent(bind)
    assert (found.queue, found.exchange, found.routing_key, found.arguments) == ("q", "e", "k", arguments)


def sent(method: Declare | Bind) -> Any:
    """What the library makes of the frame that it would send."""
    return frame.unmarshal(frame.marshal(method, 7))[2]
