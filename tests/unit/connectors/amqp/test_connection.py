"""Opening connections: what a peer that is no RabbitMQ makes of it, and the contract with the libraries."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aiormq.connection import TransportFactory
from yarl import URL

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from connectors.amqp.connection import connected

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()


def broker(url: str, **settings: Any) -> BrokerSettings:
    return BrokerSettings.model_validate(
        {"url": url, "connect_timeout": "200ms", "broker_timeout": "200ms", **settings}
    )


async def open_and_fail(settings: BrokerSettings) -> Disconnected:
    with pytest.raises(Disconnected) as caught:
        async with connected(settings, "test"):
            pass
    return caught.value


async def test_a_peer_that_never_answers_is_a_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as url:
        error = await open_and_fail(broker(url))
    assert error.reason == "timeout"
    assert url in str(error)


async def test_a_peer_that_speaks_something_else_is_disconnected() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with listening(web) as url:
        assert "not AMQP: a frame of type 72" in str(await open_and_fail(broker(url)))


@pytest.mark.parametrize("said", [b"", b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce"])
async def test_a_peer_that_hangs_up_is_disconnected(said: bytes) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(said)
        writer.close()

    async with listening(rude) as url:
        await open_and_fail(broker(url))


async def test_a_password_file_that_cannot_be_read_is_a_fault() -> None:
    with pytest.raises(RouteFault) as caught:
        async with connected(broker("amqp://127.0.0.1:1/", password_file="/no/such/file"), "test"):
            pass
    assert caught.value.reason == "authentication"
    assert "/no/such/file" in str(caught.value)


async def test_aio_pika_still_hands_the_transport_factory_to_aiormq() -> None:
    """The hook of this package: a private attribute of aio-pika, a public argument of aiormq."""

    class Seen(TransportFactory):
        url: URL | None = None

        async def create(self, url: URL, **_kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            self.url = url
            raise OSError("as far as this goes")

    seen = Seen()
    connection = aio_pika.Connection(URL("amqp://127.0.0.1:1/"))
    connection.kwargs["transport_factory"] = seen
    with pytest.raises(OSError, match="as far as this goes"):
        await connection.connect()
    await connection.close()
    assert seen.url is not None
    assert seen.url.port == 1
