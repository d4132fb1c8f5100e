"""An AMQP connection: aio-pika owns connecting, login, heartbeats, topology and closing; the tap owns the deliveries.

Everything that this package takes of the libraries beyond their documented use, each with a contract test in
tests/unit/connectors/amqp/test_connection.py:

- `aio_pika.Connection.kwargs["transport_factory"]` reaches aiormq's public argument of that name;
- asyncio's StreamReaderProtocol hands every byte to `StreamReader.feed_data`, and tells `set_transport` and `feed_eof`;
- aiormq writes whole frames, so that a frame written to the transport beside it never splits one of its own;
- aiormq counts the frames its reader sees as its sign of life, heartbeats included;
- `closing` of aiormq's connection and channels, and `on_consumer_cancel_callbacks` of a channel.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aio_pika
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from aiormq.exceptions import ConnectionClosed, ConnectionNotAllowed
from yarl import URL

from bridge.errors import Disconnected, RouteFault
from config.errors import ConfigError
from config.settings import BrokerSettings
from config.urls import BrokerUrl
from connectors.amqp.errors import explained, translated
from connectors.amqp.reader import TapReader


class Link(NamedTuple):
    """One open connection: the library's, and the reader under it. `broker` is its URL as a person may see it."""

    broker: str
    connection: aio_pika.Connection
    reader: TapReader
    timeout: float

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


class _Transports(TransportFactory):
    """Makes the TCP connection for aiormq, with a TapReader."""

    def __init__(self, window: int, dead_after: float) -> None:
        self._window = window
        self._dead_after = dead_after
        self.reader: TapReader | None = None

    async def create(self, url: URL, **_kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = TapReader(loop, self._window)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, str(url.host), int(url.port or 0))
        with contextlib.suppress(OSError, AttributeError):  # Linux has it; elsewhere TCP's own patience applies
            sock: socket.socket = transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._dead_after * 1000))
        self.reader = reader
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


@asynccontextmanager
async def connected(broker: BrokerSettings, name: str, window: int) -> AsyncIterator[Link]:
    """Connect to the first of the broker's URLs that answers; `name` is shown in RabbitMQ's management.

    `window` is in bytes (see TapReader). Each attempt may take `connect_timeout`. Raises RouteFault for a refused login
    or virtual host, else Disconnected of the last URL. Leaving closes the connection within `broker_timeout` and never
    raises for a broker that is gone.
    """
    link = await _first(broker, name, window)
    try:
        yield link
    finally:
        link.reader.discard()
        await _close(link.connection, link.reader, link.timeout)


async def _first(broker: BrokerSettings, name: str, window: int) -> Link:
    try:
        username, password = broker.login()
    except ConfigError as error:
        raise RouteFault(str(error), "authentication") from error
    for left, url in reversed(list(enumerate(reversed(broker.urls)))):
        try:
            return await _connect(
                broker, _library_url(url, username, password, broker.heartbeat), url.shown, name, window
            )
        except Disconnected:
            if not left:
                raise
    raise Disconnected(f"{broker.shown}: no URL to connect to", "error")


async def _connect(broker: BrokerSettings, url: URL, shown: str, name: str, window: int) -> Link:
    transports = _Transports(window, 3 * broker.heartbeat)
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
        if transports.reader is not None and transports.reader.farewell is not None:
            code, text = transports.reader.farewell
            closed = ConnectionNotAllowed(text) if code == 530 else ConnectionClosed(text)
            raise explained(closed, shown, "connecting") from None
        raise
    finally:
        if not opened:
            await _close(connection, transports.reader, broker.broker_timeout)
    if transports.reader is None:
        raise Disconnected(f"{shown}: no transport", "error")
    return Link(shown, connection, transports.reader, broker.broker_timeout)


async def _close(connection: aio_pika.Connection, reader: TapReader | None, timeout: float) -> None:
    """Close within `timeout`, and cut the transport if that hangs or is cancelled."""
    try:
        with contextlib.suppress(Disconnected, RouteFault), translated("", "closing"):
            async with asyncio.timeout(timeout):
                await connection.close()
    finally:
        if reader is not None:
            with contextlib.suppress(Disconnected):
                reader.transport.abort()
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
