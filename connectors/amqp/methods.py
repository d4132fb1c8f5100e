"""Queue.Declare and Queue.Bind with arguments as the route states them.

The library's own tables hold a float in 32 bits, which no header equals that a publisher sent in 64, and it raises a
bare TypeError for an integer that does not fit. Everything else of the methods is the library's.
"""

from collections.abc import Mapping
from typing import Final, cast

from aiormq.abc import AbstractChannel
from aiormq.channel import Channel
from pamqp import commands

from bridge.errors import RouteFault, Unmappable
from bridge.message import Type
from config.amqp import Scalar
from connectors.amqp.tables import encode_table

_TYPES: Final[Mapping[type, Type]] = {bool: "bool", int: "i64", float: "f64", str: "string"}
_NO_ARGUMENTS: Final = b"\0\0\0\0"


class Declare(commands.Queue.Declare):
    """Queue.Declare whose arguments are `table`."""

    table = _NO_ARGUMENTS

    def marshal(self) -> bytes:
        """Encode the method; the table is its last field."""
        return super().marshal().removesuffix(_NO_ARGUMENTS) + self.table


class Bind(commands.Queue.Bind):
    """Queue.Bind whose arguments are `table`."""

    table = _NO_ARGUMENTS

    def marshal(self) -> bytes:
        """Encode the method; the table is its last field."""
        return super().marshal().removesuffix(_NO_ARGUMENTS) + self.table


async def declare(
    channel: AbstractChannel,
    queue: str,
    *,
    durable: bool = False,
    exclusive: bool = False,
    auto_delete: bool = False,
    arguments: Mapping[str, Scalar],
) -> None:
    """Create a queue, or compare one; raises RouteFault (conflict) as `table` does, and what the library raises."""
    method = Declare(queue=queue, durable=durable, exclusive=exclusive, auto_delete=auto_delete)
    method.table = table(arguments)
    await cast("Channel", channel).rpc(method)


async def bind(channel: AbstractChannel, queue: str, exchange: str, key: str, arguments: Mapping[str, Scalar]) -> None:
    """Bind a queue to an exchange; raises RouteFault (conflict) as `table` does, and what the library raises."""
    method = Bind(queue=queue, exchange=exchange, routing_key=key)
    method.table = table(arguments)
    await cast("Channel", channel).rpc(method)


def table(arguments: Mapping[str, Scalar]) -> bytes:
    """Encode arguments: integers and floats in 64 bits; raises RouteFault (conflict) for what does not fit."""
    try:
        return encode_table([(name, _TYPES[type(value)], value) for name, value in arguments.items()])
    except Unmappable as error:
        raise RouteFault(f"AMQP cannot carry these arguments: {error}: change them", "conflict") from error
