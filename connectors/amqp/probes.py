"""Questions to RabbitMQ that change nothing: what is there, and what the user may do with it.

Each goes over a throw-away channel, since the broker closes the channel of a question whose answer is no. A right is
asked for by a request that the broker must refuse for another reason, which it looks at after the right: what comes
back is 403 where the right is missing, and else that other refusal. All seen on RabbitMQ 3.10.8.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from pamqp.commands import Basic

from config.amqp import ExchangeType, Scalar
from connectors.amqp import methods
from connectors.amqp.connection import Link
from connectors.amqp.traits import OF_STREAM, STREAM, UNREADABLE, UNSTREAMED, cut

OK, REFUSED, NOT_FOUND, LOCKED, PRECONDITION = 0, 403, 404, 405, 406
"""Reply codes of AMQP 0-9-1 (section 1.4 of its reference), and one for an answer that is none of them."""

_CODES: Final = {
    ChannelAccessRefused: REFUSED,
    ChannelNotFoundEntity: NOT_FOUND,
    ChannelLockedResource: LOCKED,
    ChannelPreconditionFailed: PRECONDITION,
}
_NOBODY: Final = "fedbridge-check"
_UNUSED: Final[Mapping[str, Scalar]] = {"fedbridge-check": "no binding has this argument"}
_NO_NUMBER: Final = "not a number"


class Answer(NamedTuple):
    """A reply code, and what the broker said with it."""

    code: int
    text: str

    @property
    def permitted(self) -> bool:
        """Whether the question about a right was answered with yes."""
        return self.code != REFUSED


async def queue(link: Link, name: str) -> Answer:
    """Ask whether a queue is there: OK, NOT_FOUND, or LOCKED by another connection. Raises as `throwaway` does."""
    return await _asked(
        link, f"looking up queue {name}", lambda channel: methods.declare_queue(channel, name, passive=True)
    )


async def exchange(link: Link, name: str) -> Answer:
    """Ask whether an exchange is there: OK or NOT_FOUND. Raises as `throwaway` does."""
    doing = f"looking up exchange {name}"
    return await _asked(link, doing, lambda channel: methods.declare_exchange(channel, name, passive=True))


async def declaring_queue(link: Link, name: str, arguments: Mapping[str, Scalar]) -> Answer:
    """Ask for the right to make a queue with these arguments: `x-expires` is refused unless it is a number."""
    return await _asked(
        link,
        f"asking for the right to declare queue {name}",
        lambda channel: methods.declare_queue(
            channel, name, durable=True, arguments={**arguments, "x-expires": _NO_NUMBER}
        ),
    )


async def declaring_exchange(link: Link, name: str, type_: ExchangeType, durable: bool) -> Answer:
    """Ask for the right to make an exchange: an `alternate-exchange` that is no text is refused.

    Of an exchange that is there the answer is PRECONDITION with the first difference: of the type, if that differs.
    """
    return await _asked(
        link,
        f"asking for the right to declare exchange {name}",
        lambda channel: methods.declare_exchange(
            channel, name, type_=type_, durable=durable, arguments={"alternate-exchange": 1}
        ),
    )


async def reading(link: Link, name: str) -> Answer:
    """Ask for the right to read a queue: a consumer is refused whose `x-priority` is no number."""
    doing = f"asking for the right to consume from queue {name}"
    return await _asked(link, doing, lambda channel: methods.consume(channel, name, UNREADABLE))


async def is_stream(link: Link, name: str, answer: Answer) -> bool:
    """Whether a queue is a stream, by the answer to `reading`, or to another question if that was cut."""
    if not cut(answer.text):
        return STREAM in answer.text
    doing = f"asking for the type of queue {name}"
    other = await _asked(link, doing, lambda channel: methods.consume(channel, name, UNSTREAMED))
    return OF_STREAM in other.text


async def binding(link: Link, name: str, source: str, key: str) -> Answer:
    """Ask for the right to bind a queue to an exchange: the removal of a binding that is not there needs the same.

    It is answered OK, or NOT_FOUND where queue or exchange are not there.
    """
    doing = f"asking for the right to bind queue {name} to exchange {source}"
    return await _asked(link, doing, lambda channel: methods.unbind(channel, name, source, key, _UNUSED))


async def publishing(link: Link, name: str, key: str) -> Answer:
    """Ask for the right to publish: a message in the name of another user is refused.

    A user with the tag `impersonator` may send it: it is in a transaction that is rolled back, and goes nowhere.
    """

    async def publish(channel: AbstractChannel) -> None:
        await channel.tx_select()
        link.writer.write(methods.publish(channel, name, key, Basic.Properties(user_id=_NOBODY)))
        await channel.tx_rollback()

    return await _asked(link, f"asking for the right to publish to exchange {name}", publish)


async def _asked(link: Link, doing: str, question: Callable[[AbstractChannel], Awaitable[object]]) -> Answer:
    async with link.throwaway(doing) as channel:
        try:
            await question(channel)
        except tuple(_CODES) as error:
            return Answer(_CODES[type(error)], str(error.args[-1]) if error.args else "")
    return Answer(OK, "")
