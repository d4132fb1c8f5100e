"""What the routes of a configuration need at a RabbitMQ, looked up without changing anything there."""

import shlex
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from bridge.findings import End, Finding, Tell
from config.amqp import AmqpSinkSettings, AmqpSourceSettings, ExchangeType
from config.brokers import BrokerSettings
from connectors.amqp import probes
from connectors.amqp.connection import Link, connected
from connectors.amqp.exchanges import other_type
from connectors.amqp.probes import LOCKED, NOT_FOUND, Answer
from connectors.amqp.rights import granting, needed, queue_name

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def survey(broker: BrokerSettings, ends: Sequence[End], tell: Tell) -> None:
    """Connect, and tell of every end what it finds: in the order given, each finding as soon as it is known.

    Takes at most `connect_timeout` and then `broker_timeout` for each question. Raises RouteFault (authentication,
    forbidden or missing: the login or the virtual host) and Disconnected, also when some findings have been told.
    """
    vhost, user = broker.urls[0].path, broker.login()[0] or "guest"
    async with connected(broker, "fedbridge check") as link:
        look = _Look(link, broker, granting(needed(ends), vhost, user), user)
        for end in ends:
            async for finding in look.at(end):
                tell(end, finding)


def administering(broker: BrokerSettings, *words: str) -> str:
    """The command of rabbitmqadmin for a broker: its port is that of the management plugin, which nobody knows here."""
    url = broker.urls[0]
    host = url.addresses[0][0]
    where = [] if host in _HERE else [f"--host={host}"]
    return "$ " + shlex.join(["rabbitmqadmin", *where, f"--vhost={url.path}", *words])


class _Look:
    """One look at a virtual host; `grant` is the command for all rights of the configuration there."""

    def __init__(self, link: Link, broker: BrokerSettings, grant: str, user: str) -> None:
        self._link = link
        self._vhost = broker.urls[0].path
        self._admin = partial(administering, broker)
        self._grant = grant
        self._user = user

    async def at(self, end: End) -> AsyncIterator[Finding]:
        """Everything about one source or target."""
        if isinstance(end.settings, AmqpSourceSettings):
            async for finding in self._source(end, end.settings):
                yield finding
        elif isinstance(end.settings, AmqpSinkSettings):
            async for finding in self._sink(end, end.settings):
                yield finding

    async def _source(self, end: End, settings: AmqpSourceSettings) -> AsyncIterator[Finding]:
        if settings.exchange is not None and settings.exchange_type is not None:
            async for finding in self._exchange(
                end, settings.exchange, settings.exchange_type, settings.exchange_durable
            ):
                yield finding
        name = queue_name(end)
        yield await self._queue(end, name, settings)
        answer = await probes.reading(self._link, name)
        if await probes.is_stream(self._link, name, answer):
            text = f"{name} is a stream, which has no acknowledgements"
            yield Finding("conflict", text, (f"name a classic or a quorum queue: {end.key}.queue = …",))
        elif not answer.permitted:
            yield self._forbidden(answer, f"read queue {name}")
        if settings.exchange is not None:
            for key in settings.keys or [""]:
                answer = await probes.binding(self._link, name, settings.exchange, key)
                if not answer.permitted:
                    yield self._forbidden(answer, f"bind queue {name} to exchange {settings.exchange}")
                    break

    async def _queue(self, end: End, name: str, settings: AmqpSourceSettings) -> Finding:
        there = await probes.queue(self._link, name)
        if there.code == LOCKED or (settings.exclusive and there.code != NOT_FOUND):
            how = "is there and not exclusive" if there.code != LOCKED else "belongs to another connection alone"
            return Finding("conflict", f"queue {name} {how}", (f"name another one: {end.key}.queue = …",))
        if there.code != NOT_FOUND:
            return Finding("ok", f"queue {name} is there")
        if not settings.declares:
            make = self._admin("declare", "queue", f"name={name}", "durable=true")
            return Finding(
                "missing",
                f"there is no queue {name}",
                (make, f"or let the route make it: {end.key}.declare = true"),
                _queue(name),
            )
        may = await probes.declaring_queue(self._link, name, settings.arguments)
        if not may.permitted:
            return self._forbidden(may, f"create queue {name}")
        if settings.exclusive:
            return Finding("created", "a temporary queue will be created")
        return Finding("created", f"queue {name} is not there yet and will be created", thing=_queue(name))

    async def _sink(self, end: End, settings: AmqpSinkSettings) -> AsyncIterator[Finding]:
        name = settings.exchange.fixed
        key = None if settings.routing_key is None else settings.routing_key.fixed
        if name is None:
            yield Finding("unknown", f"exchange {settings.exchange}: which one depends on the message")
            return
        if name:
            async for finding in self._exchange(end, name, settings.exchange_type, settings.exchange_durable):
                yield finding
        elif key is not None:
            yield await self._addressed(key)
        answer = await probes.publishing(self._link, name, key or "")
        if "internal exchange" in answer.text:
            text = f"exchange {name} is internal: nobody may publish to it"
            yield Finding("conflict", text, (f"name another one: {end.key}.exchange = …",))
        elif not answer.permitted:
            yield self._forbidden(answer, f"publish to {f'exchange {name}' if name else 'the default exchange'}")

    async def _addressed(self, queue: str) -> Finding:
        """The queue that a routing key of the default exchange names."""
        if (await probes.queue(self._link, queue)).code != NOT_FOUND:
            return Finding("ok", f"queue {queue} is there")
        text = f"there is no queue {queue}, and so no message to the default exchange can be routed"
        make = self._admin("declare", "queue", f"name={queue}", "durable=true")
        return Finding("missing", text, (make,), _queue(queue))

    async def _exchange(
        self, end: End, name: str, type_: ExchangeType | None, durable: bool | None
    ) -> AsyncIterator[Finding]:
        there = (await probes.exchange(self._link, name)).code != NOT_FOUND
        may = None if type_ is None else await probes.declaring_exchange(self._link, name, type_, bool(durable))
        if there:
            if may is not None and (have := other_type(may.text)) is not None:
                what, remedy = (f"a {have} exchange", f'"{have}"') if have else ("an exchange of another type", "…")
                text = f"{name} is {what}, and the route says {type_}"
                yield Finding("conflict", text, (f"write {end.key}.exchange_type = {remedy}",))
            else:
                yield Finding("ok", f"exchange {name} is there")
        elif durable is None or may is None:
            yield Finding(
                "missing",
                f"there is no exchange {name}: the route will wait for whoever declares it",
                (
                    self._admin("declare", "exchange", f"name={name}", f"type={type_ or 'topic'}", "durable=true"),
                    f"or let the route make it: {end.key}.exchange_durable = true"
                    + ("" if type_ else f", {end.key}.exchange_type = …"),
                ),
                _exchange(name),
            )
        elif not may.permitted:
            yield self._forbidden(may, f"create exchange {name}")
        else:
            lasting = "durable" if durable else "non-durable"
            text = f"exchange {name} is not there yet and will be created ({type_}, {lasting})"
            yield Finding("created", text, thing=_exchange(name))

    def _forbidden(self, answer: Answer, doing: str) -> Finding:
        """The finding about a right that is missing, with the command that grants it."""
        text = f"user {self._user} may not {doing}: {answer.text}"
        if "access to topic" in answer.text:
            exchange = answer.text.partition("in exchange '")[2].partition("'")[0]
            topics = ["rabbitmqctl", "set_topic_permissions", "-p", self._vhost, self._user, exchange, ".*", ".*"]
            return Finding("forbidden", text, ("$ " + shlex.join(topics),))
        note = f"these are all rights that the enabled routes need in {self._vhost}; others that the user has are taken"
        return Finding("forbidden", text, (self._grant, note))


def _queue(name: str) -> str:
    return f"queue {name}"


def _exchange(name: str) -> str:
    return f"exchange {name}"
