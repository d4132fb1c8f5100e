"""The methods that take names and arguments, encoded as RabbitMQ takes them.

The library refuses names that RabbitMQ allows, which is any UTF-8 of up to 255 bytes. Its tables hold a float in 32
bits, which no header equals that a publisher sent in 64, and it raises a bare TypeError for an integer that does not
fit. Everything else of the methods is the library's.
"""

import secrets
from collections.abc import Mapping
from typing import Final, TypeAlias, cast

from aiormq.abc import AbstractChannel
from aiormq.channel import Channel
from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.header import ContentHeader

from bridge.errors import RouteFault, Unmappable
from bridge.message import Type
from config.amqp import Scalar
from connectors.amqp.tables import encode_table

_TYPES: Final[Mapping[type, Type]] = {bool: "bool", int: "i64", float: "f64", str: "string"}
_NO_ARGUMENTS: Final = b"\0\0\0\0"
_NONE: Final[Mapping[str, Scalar]] = {}


def _any(_method: Frame) -> None:
    """Check nothing: the broker says which names it does not like."""


def _marshal(method: "_Method") -> bytes:
    """Encode a method; the table is its last field."""
    return Frame.marshal(method).removesuffix(_NO_ARGUMENTS) + method.table


class DeclareExchange(commands.Exchange.Declare):
    """Exchange.Declare of any name, whose arguments are `table`."""

    table = _NO_ARGUMENTS
    validate, marshal = _any, _marshal


class DeclareQueue(commands.Queue.Declare):
    """Queue.Declare of any name, whose arguments are `table`."""

    table = _NO_ARGUMENTS
    validate, marshal = _any, _marshal


class Bind(commands.Queue.Bind):
    """Queue.Bind of any names, whose arguments are `table`."""

    table = _NO_ARGUMENTS
    validate, marshal = _any, _marshal


class Unbind(commands.Queue.Unbind):
    """Queue.Unbind of any names, whose arguments are `table`."""

    table = _NO_ARGUMENTS
    validate, marshal = _any, _marshal


class Consume(commands.Basic.Consume):
    """Basic.Consume of a queue of any name, whose arguments are `table`."""

    table = _NO_ARGUMENTS
    validate, marshal = _any, _marshal


class Publish(commands.Basic.Publish):
    """Basic.Publish to an exchange of any name."""

    validate = _any


_Method: TypeAlias = DeclareExchange | DeclareQueue | Bind | Unbind | Consume


async def declare_exchange(
    channel: AbstractChannel,
    name: str,
    *,
    type_: str = "direct",
    passive: bool = False,
    durable: bool = False,
    arguments: Mapping[str, Scalar] = _NONE,
) -> None:
    """Create an exchange, compare one, or with `passive` look it up; raises as `_ask` does."""
    await _ask(
        channel, DeclareExchange(exchange=name, exchange_type=type_, passive=passive, durable=durable), arguments
    )


async def declare_queue(
    channel: AbstractChannel,
    name: str,
    *,
    passive: bool = False,
    durable: bool = False,
    exclusive: bool = False,
    auto_delete: bool = False,
    arguments: Mapping[str, Scalar] = _NONE,
) -> int:
    """Create a queue, compare one, or with `passive` look it up; gives how many messages wait in it.

    Raises as `_ask` does.
    """
    method = DeclareQueue(queue=name, passive=passive, durable=durable, exclusive=exclusive, auto_delete=auto_delete)
    answer = cast("commands.Queue.DeclareOk", await _ask(channel, method, arguments))
    return answer.message_count or 0


async def bind(channel: AbstractChannel, queue: str, exchange: str, key: str, arguments: Mapping[str, Scalar]) -> None:
    """Bind a queue to an exchange; raises as `_ask` does."""
    await _ask(channel, Bind(queue=queue, exchange=exchange, routing_key=key), arguments)


async def unbind(
    channel: AbstractChannel, queue: str, exchange: str, key: str, arguments: Mapping[str, Scalar]
) -> None:
    """Remove the binding of a queue to an exchange; raises as `_ask` does."""
    await _ask(channel, Unbind(queue=queue, exchange=exchange, routing_key=key), arguments)


async def consume(channel: AbstractChannel, queue: str, arguments: Mapping[str, Scalar] = _NONE) -> str:
    """Begin to consume from a queue, and give the consumer's tag; raises as `_ask` does.

    The library knows no such consumer, and drops what comes for it: deliveries are the tap's.
    """
    tag = f"fedbridge-{secrets.token_hex(8)}"
    await _ask(channel, Consume(queue=queue, consumer_tag=tag), arguments)
    return tag


def publish(channel: AbstractChannel, exchange: str, key: str, properties: commands.Basic.Properties) -> bytes:
    """Encode the frames of a message without a body, to be written around the library; not mandatory."""
    number = cast("Channel", channel).number
    header = ContentHeader(body_size=0, properties=properties)
    return frame.marshal(Publish(exchange=exchange, routing_key=key), number) + frame.marshal(header, number)


async def _ask(channel: AbstractChannel, method: _Method, arguments: Mapping[str, Scalar]) -> Frame | None:
    """Send a method, and give its answer.

    Raises Unmappable (unencodable) for a name that has no bytes or more than 255, RouteFault (conflict) as `table`
    does, and what the library raises.
    """
    method.table = table(arguments)
    try:
        method.marshal()
    except (TypeError, ValueError) as error:
        raise Unmappable(f"AMQP has no such name: {error}", "unencodable") from error
    return await cast("Channel", channel).rpc(method)


def table(arguments: Mapping[str, Scalar]) -> bytes:
    """Encode arguments: integers and floats in 64 bits; raises RouteFault (conflict) for what does not fit."""
    try:
        return encode_table([(name, _TYPES[type(value)], value) for name, value in arguments.items()])
    except Unmappable as error:
        raise RouteFault(f"AMQP cannot carry these arguments: {error}: change them", "conflict") from error
