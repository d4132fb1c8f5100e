"""The queue that a source consumes from: looked up first, created only where it is missing, never changed."""

import secrets
from collections.abc import Mapping

import structlog
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from bridge.errors import Disconnected, RouteFault
from bridge.ports import Place
from config.amqp import AmqpSourceSettings, Scalar
from connectors.amqp.errors import missing
from connectors.amqp.methods import bind, consume, declare_queue
from connectors.amqp.patience import Ask
from connectors.amqp.traits import (
    OF_STREAM,
    ROUNDS,
    SINGLE,
    STREAM,
    UNREADABLE,
    UNSTREAMED,
    Difference,
    Traits,
    cut,
    difference,
    differing,
    learned,
)

_log = structlog.get_logger(__name__)


class Queue:
    """One queue at one broker. `prepare` comes first; only then is `redelivers` known."""

    def __init__(self, broker: str, ask: Ask, settings: AmqpSourceSettings, place: Place) -> None:
        """`broker` is its URL as a person may see it; of an exclusive queue, `ask` goes over its own connection."""
        self.name = settings.queue or _own_name(settings, place)
        self.redelivers = not (settings.exclusive or settings.auto_delete)
        """Whether it outlives its consumer, so that what is not acked comes again."""
        self.single = bool(settings.arguments.get(SINGLE))
        """Whether a second consumer waits until the first is gone (x-single-active-consumer)."""
        self._broker = broker
        self._ask = ask
        self._settings = settings
        self._log = _log.bind(route=place.route, broker=broker, queue=self.name)

    async def prepare(self) -> None:
        """Find the queue and what it is like, or create it as the route says.

        Raises RouteFault: missing for a queue that is not to be created, conflict for a stream or for properties that
        the broker refuses, locked for one that another connection has for itself, forbidden. Raises Disconnected.
        """
        if self._settings.arguments.get("x-queue-type") == "stream":
            raise self._stream()
        if self._settings.exclusive:
            await self._declare()
        elif await self._present():
            await self._inspect()
        elif self._settings.declares:
            await self._declare()
        else:
            raise RouteFault(
                f"{self._broker}: there is no queue {self.name}: create it, or set declare = true", "missing"
            )

    async def bind(self, exchange: str) -> bool:
        """Bind it to an exchange in every way the route says, which changes nothing if it is; False without exchange.

        Raises as `prepare` does, and Disconnected if the queue is gone: the next open sees what to do.
        """
        bindings: list[tuple[str, Mapping[str, Scalar]]] = [(key, {}) for key in self._settings.keys]
        bindings += [("", arguments) for arguments in self._settings.bindings]
        async with self._ask(f"binding queue {self.name} to exchange {exchange}") as channel:
            try:
                for key, arguments in bindings:
                    await bind(channel, self.name, exchange, key, arguments)
            except ChannelNotFoundEntity as error:
                if "no exchange" not in str(error):
                    raise Disconnected(f"{self._broker}: queue {self.name} is gone", "cancelled") from error
                return False
        return True

    async def ready(self) -> int:
        """Ask how many messages wait in it that nobody has been given; raises as `prepare` does."""
        async with self._ask(f"counting the messages of queue {self.name}") as channel:
            return await declare_queue(channel, self.name, passive=True)

    async def _present(self) -> bool:
        async with self._ask(f"looking up queue {self.name}") as channel:
            try:
                await declare_queue(channel, self.name, passive=True)
            except ChannelLockedResource as error:
                raise self._locked("belongs to another connection alone") from error
            except ChannelNotFoundEntity as error:
                if not missing(error):
                    raise
                return False
        return True

    async def _declare(self) -> None:
        exclusive = self._settings.exclusive
        async with self._ask(f"declaring queue {self.name}") as channel:
            try:
                await declare_queue(
                    channel,
                    self.name,
                    durable=self._settings.durable and not exclusive,
                    exclusive=exclusive,
                    auto_delete=self._settings.auto_delete,
                    arguments=self._settings.arguments,
                )
            except ChannelLockedResource as error:
                raise self._locked("belongs to another connection alone, or is there and not exclusive") from error

    async def _inspect(self) -> None:
        """Learn what the existing queue is like, and tell in what it is not what the route would have created."""
        if await self._is_stream():
            raise self._stream()
        traits = await self._traits()
        self.redelivers, self.single = not traits.auto_delete, traits.single
        if not self._settings.declares:
            return
        differences = differing(self._settings, traits)
        if self._settings.arguments and (other := await self._compare(traits, self._settings.arguments)):
            differences += [found] if (found := difference(other)) else []
        if differences:
            self._warn(differences)

    async def _is_stream(self) -> bool:
        """Ask by a consumer that no queue takes, which needs no more rights than consuming; the refusal says."""
        said = await self._refusal(UNREADABLE)
        if cut(said):
            return OF_STREAM in await self._refusal(UNSTREAMED)
        return STREAM in said

    async def _refusal(self, arguments: Mapping[str, Scalar]) -> str:
        """Ask to consume with arguments that the queue does not take, and give what the broker says against it."""
        async with self._ask(f"asking for the type of queue {self.name}") as channel:
            try:
                await consume(channel, self.name, arguments)
            except ChannelPreconditionFailed as error:
                return str(error)
        return ""

    async def _traits(self) -> Traits:
        traits = Traits()
        for _ in range(ROUNDS):
            before, traits = traits, learned(traits, await self._compare(traits, traits.probe))
            if traits == before:
                break
        return traits

    async def _compare(self, traits: Traits, arguments: Mapping[str, Scalar]) -> str:
        """Declare the existing queue again, and give what the broker says against it; "" if nothing, or forbidden."""
        async with self._ask(f"comparing queue {self.name}") as channel:
            try:
                await declare_queue(
                    channel, self.name, durable=traits.durable, auto_delete=traits.auto_delete, arguments=arguments
                )
            except ChannelAccessRefused:
                self._log.info("no right to declare the queue: taken for one that lasts, with the route's parameters")
            except ChannelPreconditionFailed as error:
                return str(error)
        return ""

    def _warn(self, differences: list[Difference]) -> None:
        self._log.warning(
            "the queue is there with other parameters than the route states; it is consumed as it is",
            difference="; ".join(map(str, differences)),
        )

    def _locked(self, how: str) -> RouteFault:
        return RouteFault(f"{self._broker}: queue {self.name} {how} (exclusive): name another queue", "locked")

    def _stream(self) -> RouteFault:
        return RouteFault(
            f"{self._broker}: {self.name} is a stream, which keeps what it gave and has no acknowledgements: "
            "name a classic or a quorum queue",
            "conflict",
        )


def _own_name(settings: AmqpSourceSettings, place: Place) -> str:
    name = place.names.group
    return f"{name}.{place.instance}-{secrets.token_hex(4)}" if settings.exclusive else name
