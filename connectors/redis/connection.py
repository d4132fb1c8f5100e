"""A Redis connection: redis-py owns connecting, login, the choice of the database and closing; we own the bytes.

Commands may be sent while others have no reply yet: a server replies in their order.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Never, TypeAlias

import hiredis
from redis.exceptions import RedisError

from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.tasks import ungrouped
from config.brokers import BrokerSettings
from config.errors import ConfigError
from config.urls import BrokerUrl
from connectors.redis import hooks
from connectors.redis.commands import pack
from connectors.redis.errors import Refused, explained, fault_of, meaning_of
from connectors.redis.hooks import Reply

Take: TypeAlias = Callable[[Sequence[Reply]], None]
"""Takes replies, one or more, as they come."""

_CHUNK: Final = 1 << 18  # bytes
_TICK: Final = 1.0  # seconds between two looks at whether the server is there, or a quarter of its patience
_GRACE: Final = 1.0  # seconds for what was written last to go out before a connection is cut
_UNWELCOME: Final = frozenset({"authentication", "too_many_clients"})
_UNNAMEABLE: Final = re.compile(r"[^!-~]")  # in the name of a connection


def place_of(broker: BrokerSettings) -> str:
    """Where the broker's streams are, as HOST:PORT/DATABASE: by its first URL, so that names last."""
    url = broker.urls[0]
    host, port = url.addresses[0]
    return f"{f'[{host}]' if ':' in host else host}:{port}/{url.path or 0}"


class Wire:
    """One open connection. `read` and `watch` are to be run as tasks."""

    def __init__(self, broker: str, timeout: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin; `broker` is its URL as a person may see it, `timeout` its patience in seconds."""
        self.broker = broker
        self.loss: FedbridgeError | None = None
        """Why it is lost, once it is."""
        self._timeout = timeout
        self._reader = reader
        self._writer = writer
        self._due: deque[tuple[int, Take]] = deque()
        self._heard_at = asyncio.get_running_loop().time()
        self._told: list[Callable[[FedbridgeError], None]] = []
        self._asking: set[asyncio.Event] = set()

    def on_loss(self, told: Callable[[FedbridgeError], None]) -> None:
        """Have `told` called once with the loss of the connection; at once if it is lost."""
        if self.loss is not None:
            told(self.loss)
        self._told.append(told)

    def post(self, block: bytes, count: int, take: Take) -> None:
        """Send commands, and have `take` called with their `count` replies, in their order, as they come.

        On a connection that is lost nothing comes. Never waits: who sends more than the server takes fills memory.
        """
        if self.loss is not None:
            return
        if not self._due:
            self._heard_at = asyncio.get_running_loop().time()
        self._due.append((count, take))
        self._writer.write(block)

    async def ask(self, *commands: bytes) -> list[Reply]:
        """Send commands and wait for all replies; raises the loss of the connection, at the latest by `watch`.

        A cancelled call leaves its commands on their way.
        """
        if self.loss is not None:
            raise self.loss
        done = asyncio.Event()
        found: list[Reply] = []

        def take(replies: Sequence[Reply]) -> None:
            found.extend(replies)
            if len(found) == len(commands):
                done.set()

        self._asking.add(done)
        try:
            self.post(b"".join(commands), len(commands), take)
            await done.wait()
        finally:
            self._asking.discard(done)
        if len(found) < len(commands):
            raise self.loss or Disconnected(f"{self.broker}: the connection was lost")
        return found

    async def read(self) -> Never:
        """Read replies as long as it runs; raises the loss of the connection."""
        parser = hooks.new_parser()
        try:
            while self.loss is None:
                data = await self._reader.read(_CHUNK)
                self._heard_at = asyncio.get_running_loop().time()
                if not data:
                    self.lose(Disconnected(f"{self.broker} closed the connection"))
                    break
                parser.feed(data)
                self._take(list(iter(parser.gets, hooks.NOTHING)))
        except OSError as error:
            self.lose(explained(error, self.broker, "reading replies"))
        except hiredis.HiredisError as error:
            self.lose(Disconnected(f"{self.broker} says what is no reply of a Redis: {error}", "error"))
        raise self.loss or Disconnected(f"{self.broker}: the connection was lost")

    async def watch(self) -> Never:
        """Lose the connection if nothing comes for `timeout` while a reply is due, and ask for one now and then."""
        loop, writer = asyncio.get_running_loop(), self._writer
        unsent = 0
        while self.loss is None:
            await asyncio.sleep(min(_TICK, self._timeout / 4))
            left = writer.transport.get_write_buffer_size()
            if left < unsent:  # a server that takes what we say is there
                self._heard_at = loop.time()
            unsent = left
            silence = loop.time() - self._heard_at
            if silence > self._timeout and self._due:
                self.lose(Disconnected(f"{self.broker}: no reply for {self._timeout:g} s", "timeout"))
            elif silence > self._timeout / 2 and not self._due:
                self.post(pack("PING"), 1, _ignore)
        raise self.loss

    def lose(self, error: FedbridgeError) -> None:
        """Note the loss, once, and tell whoever waits."""
        if self.loss is None:
            self.loss = error
            self._due.clear()
            for told in self._told:
                told(error)
            for done in self._asking:
                done.set()

    def _take(self, replies: list[Reply]) -> None:
        """Give replies to those that they are due to."""
        at = 0
        while at < len(replies):
            if not self._due:
                self.lose(Disconnected(f"{self.broker} says what nobody asked for: {replies[at]!r:.80}", "error"))
                return
            count, take = self._due[0]
            taken = replies[at : at + count] if at or len(replies) > count else replies
            at += len(taken)
            if len(taken) == count:
                self._due.popleft()
            else:
                self._due[0] = count - len(taken), take
            take(taken)


@asynccontextmanager
async def connected(broker: BrokerSettings, name: str) -> AsyncIterator[Wire]:
    """Connect to the first of the broker's URLs that answers; `name` is shown in the server's CLIENT LIST.

    Each attempt may take `connect_timeout`. Raises RouteFault for a refused login, else Disconnected of the last URL;
    the loss of the connection also later, out of a body that is cancelled for it. Leaving closes the connection within
    a second and never raises for a server that is gone.
    """
    wire, connection = await _first(broker)
    try:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(wire.read(), name=f"{name}: redis replies"),
                    tasks.create_task(wire.watch(), name=f"{name}: redis watch"),
                ]
                try:
                    await _introduce(wire, name)
                    yield wire
                finally:
                    for task in running:
                        task.cancel()
    finally:
        wire.lose(Disconnected(f"{wire.broker}: the connection was closed", "cancelled"))
        await hooks.drop(connection, _GRACE)


async def _first(broker: BrokerSettings) -> tuple[Wire, hooks.Connection]:
    try:
        login = broker.login()
    except ConfigError as error:
        raise RouteFault(str(error), "authentication") from error
    for left, url in reversed(list(enumerate(reversed(broker.urls)))):
        try:
            return await _connect(broker, url, *login)
        except Disconnected:
            if not left:
                raise
    raise Disconnected(f"{broker.shown}: no URL to connect to", "error")


async def _connect(
    broker: BrokerSettings, url: BrokerUrl, username: str | None, password: str | None
) -> tuple[Wire, hooks.Connection]:
    connection = hooks.new_connection(url.addresses[0], int(url.path or "0"), username, password)
    try:
        async with asyncio.timeout(broker.connect_timeout):
            await hooks.connect(connection)
        return Wire(url.shown, broker.broker_timeout, *hooks.streams(connection)), connection
    except (RedisError, OSError) as error:
        await hooks.drop(connection, _GRACE)
        raise explained(error, url.shown, "connecting") from error
    except BaseException:
        await hooks.drop(connection, 0)
        raise


async def _introduce(wire: Wire, name: str) -> None:
    """Name the connection, if the user may: the first reply shows whether a login was needed, or a client too many."""
    (reply,) = await wire.ask(pack("CLIENT", "SETNAME", _UNNAMEABLE.sub("-", name)))
    if isinstance(reply, Refused) and (reply.code == "DENIED" or meaning_of(reply).reason in _UNWELCOME):
        raise fault_of(reply, wire.broker, "connecting")


def _ignore(_replies: Sequence[Reply]) -> None:
    """Take what needs no answer."""
