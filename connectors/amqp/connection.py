"""An AMQP connection: aio-pika owns connecting, login, heartbeats, topology and closing; taps own the hot bytes.

Everything that this package takes of the libraries beyond their documented use, each with a contract test in
tests/unit/connectors/amqp/test_connection.py:

- `aio_pika.Connection.kwargs["transport_factory"]` reaches aiormq's public argument of that name;
- asyncio's StreamReaderProtocol hands every byte to `StreamReader.feed_data`, and tells `set_transport` and `feed_eof`
  (stream.py);
- aiormq writes whole frames, so that a frame written to the transport beside it never splits one of its own;
- aiormq counts the frames its reader sees as its sign of life, heartbeats included;
- `closing` of aiormq's connection and channels, and `on_consumer_cancel_callbacks` of a channel;
- aiormq answers a Channel.Close before it opens another channel, and counts no publishes of a channel without confirms.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from aiormq.exceptions import ConnectionClosed, ConnectionNotAllowed
from yarl import URL

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from config.errors import ConfigError
from config.urls import BrokerUrl
from connectors.amqp.errors import explained, translated
from connectors.amqp.stream import FrameStream
from connectors.amqp.tap import FrameTap


class Reader(Protocol):
    """What is under a connection: its stream, and whoever takes what the stream's tap diverts."""

    stream: FrameStream

    def discard(self) -> None:
        """Take nothing more, but let everything pass: the connection is about to be closed."""


class Untapped:
    """The reader of a connection that is the library's alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stream = FrameStream(loop, FrameTap(), self.discard)

    def discard(self) -> None:
        """Do nothing: nothing is diverted."""


R = TypeVar("R", bound=Reader)
Make: TypeAlias = Callable[[asyncio.AbstractEventLoop], R]
"""Makes the reader of one attempt to connect."""


class Link(NamedTuple):
    """One open connection: the library's, and the stream and the writer under it, to go around the library with.

    `broker` is its URL as a person may see it; `timeout` is its `broker_timeout` in seconds.
    """

    broker: str
    connection: aio_pika.Connection
    stream: FrameStream
    writer: asyncio.StreamWriter
    timeout: float
    vhost: str

    @property
    def identity(self) -> str:
        """What the loop guard calls the broker, if nobody says otherwise: its cluster's name and the virtual host."""
        transport = self.connection.transport
        named: Any = {} if transport is None else transport.connection.server_properties
        name = named.get("cluster_name", self.broker)
        return f"amqp:{name.decode(errors='replace') if isinstance(name, bytes) else name}/{self.vhost}"

    async def channel(self) -> AbstractChannel:
        """Open a channel without confirms; may raise what the library raises."""
        channel = await self.connection.channel(publisher_confirms=False)
        return await channel.get_underlay_channel()

    @asynccontextmanager
    async def throwaway(self, doing: str) -> AsyncIterator[AbstractChannel]:
        """Open a channel for one question that may close it; `doing` says in errors what was asked.

        Bounded by `broker_timeout` as a whole. Raises RouteFault or Disconnected.
        """
        with translated(self.broker, doing):
            async with asyncio.timeout(self.timeout):
                async with self.connection.channel(publisher_confirms=False) as channel:
                    yield await channel.get_underlay_channel()


class _Transports(TransportFactory, Generic[R]):
    """Makes the TCP connection for aiormq, with a reader of ours."""

    def __init__(self, make: Make[R], dead_after: float) -> None:
        self._make = make
        self._dead_after = dead_after
        self.made: tuple[R, asyncio.StreamWriter] | None = None

    @property
    def stream(self) -> FrameStream | None:
        """The stream of the transport, if one was made."""
        return None if self.made is None else self.made[0].stream

    async def create(self, url: URL, **_kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = self._make(loop)
        protocol = asyncio.StreamReaderProtocol(reader.stream, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, str(url.host), int(url.port or 0))
        give_up_after(transport, self._dead_after)
        self.made = reader, asyncio.StreamWriter(transport, protocol, reader.stream, loop)
        return reader.stream, self.made[1]


def give_up_after(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Have the system drop a connection whose peer takes nothing for so long; 0 is TCP's own patience."""
    with contextlib.suppress(OSError, AttributeError):  # Linux has it
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def dead_after(broker: BrokerSettings) -> float:
    """Seconds without a sign of life after which a peer is dead: three heartbeats."""
    return 3 * broker.heartbeat


@asynccontextmanager
async def connected(broker: BrokerSettings, name: str) -> AsyncIterator[Link]:
    """Open a connection whose every frame is the library's; as `tapped` does."""
    async with tapped(broker, name, Untapped) as (link, _):
        yield link


@asynccontextmanager
async def tapped(broker: BrokerSettings, name: str, make: Make[R]) -> AsyncIterator[tuple[Link, R]]:
    """Connect to the first of the broker's URLs that answers; `name` is shown in RabbitMQ's management.

    `make` makes the reader of each attempt, which may take `connect_timeout`. Raises RouteFault for a refused login or
    virtual host, else Disconnected of the last URL. Leaving closes the connection within `broker_timeout` and never
    raises for a broker that is gone.
    """
    link, reader = await _first(broker, name, make)
    try:
        yield link, reader
    finally:
        reader.discard()
        await _close(link.connection, link.stream, link.timeout)


async def _first(broker: BrokerSettings, name: str, make: Make[R]) -> tuple[Link, R]:
    try:
        username, password = broker.login()
    except ConfigError as error:
        raise RouteFault(str(error), "authentication") from error
    for left, url in reversed(list(enumerate(reversed(broker.urls)))):
        try:
            transports = _Transports(make, dead_after(broker))
            return await _connect(
                broker, _library_url(url, username, password, broker.heartbeat), url.shown, name, transports
            )
        except Disconnected:
            if not left:
                raise
    raise Disconnected(f"{broker.shown}: no URL to connect to", "error")


async def _connect(
    broker: BrokerSettings, url: URL, shown: str, name: str, transports: _Transports[R]
) -> tuple[Link, R]:
    connection = aio_pika.Connection(url, client_properties={"connection_name": name, "product": "fedbridge"})
    connection.kwargs["transport_factory"] = transports
    opened = False
    try:
        with translated(shown, "connecting"):
            async with asyncio.timeout(broker.connect_timeout):
                await connection.connect()
        opened = True
    except Disconnected:
        # While a connection is being opened, aiormq drops what the broker said when it closed it
        if transports.stream is not None and transports.stream.farewell is not None:
            code, text = transports.stream.farewell
            closed = ConnectionNotAllowed(text) if code == 530 else ConnectionClosed(text)
            raise explained(closed, shown, "connecting") from None
        raise
    finally:
        if not opened:
            await _close(connection, transports.stream, broker.broker_timeout)
    if transports.made is None:
        raise Disconnected(f"{shown}: no transport", "error")
    reader, writer = transports.made
    vhost = url.path.removeprefix("/") or "/"
    return Link(shown, connection, reader.stream, writer, broker.broker_timeout, vhost), reader


async def _close(connection: aio_pika.Connection, stream: FrameStream | None, timeout: float) -> None:
    """Close within `timeout`, and cut the transport if that hangs or is cancelled."""
    try:
        with contextlib.suppress(Disconnected, RouteFault), translated("", "closing"):
            async with asyncio.timeout(timeout):
                await connection.close()
    finally:
        if stream is not None:
            with contextlib.suppress(Disconnected):
                stream.transport.abort()
        # A close that failed leaves the connection "open", and its finaliser would try again outside of any loop. The
        # second call has nothing to wait for.
        await connection.close()


def _library_url(url: BrokerUrl, username: str | None, password: str | None, heartbeat: float) -> URL:
    """Build the URL for the library, of our values alone: nothing of an operator's URL becomes its query (A15)."""
    host, port = url.addresses[0]
    return URL.build(
        scheme="amqp",
        host=host,
        port=port,
        user="guest" if username is None else username,
        password="guest" if password is None else password,
        path="/" if url.path in ("", "/") else "/" + url.path,
        query={"heartbeat": max(1, round(heartbeat))},
    )
