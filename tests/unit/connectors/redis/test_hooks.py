"""What the connector uses of redis-py beyond its documented interface is where it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import redis.exceptions
from redis.asyncio.connection import Connection

from connectors.redis import hooks
from connectors.redis.errors import Refused
from tests.unit.connectors.redis.entries import commands


@asynccontextmanager
async def server(*replies: bytes) -> AsyncIterator[tuple[int, list[list[bytes]]]]:
    """A server that answers each command with the next reply, or closes; gives its port and what it was asked."""
    asked: list[list[bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                for command in commands(data):
                    asked.append(command)
                    if len(asked) > len(replies):
                        return
                    writer.write(replies[len(asked) - 1])
        finally:
            writer.close()
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked


def connection(port: int, database: int = 0, password: str | None = None) -> Connection:
    return hooks.new_connection(("127.0.0.1", port), database, None if password is None else "user", password)


async def test_a_connection_says_nothing_that_it_need_not() -> None:
    async with server() as (port, asked):
        made = connection(port)
        await hooks.connect(made)
        await hooks.drop(made, 1.0)
    assert asked == []


async def test_it_logs_in_and_chooses_its_database_and_leaves_the_streams_to_us() -> None:
    async with server(b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n") as (port, asked):
        made = connection(port, 3, "secret")
        await hooks.connect(made)
        try:
            reader, writer = hooks.streams(made)
            assert isinstance(reader, asyncio.StreamReader)
            assert isinstance(writer, asyncio.StreamWriter)
            assert not cast("Any", made)._parser._reader.has_data(), "nothing is left in its own parser"
            writer.write(b"*1\r\n$4\r\nPING\r\n")
            assert await reader.read(100) == b"+PONG\r\n"
        finally:
            await hooks.drop(made, 1.0)
    assert asked == [[b"AUTH", b"user", b"secret"], [b"SELECT", b"3"], [b"PING"]]
    assert writer.transport.is_closing()
    with pytest.raises(ConnectionError, match="no streams"):
        hooks.streams(made)


async def test_it_tries_once() -> None:
    async with server() as (port, asked):
        made = connection(port, 3)
        with pytest.raises(redis.exceptions.ConnectionError):
            await hooks.connect(made)
        await hooks.drop(made, 1.0)
    assert asked == [[b"SELECT", b"3"]]
    assert made.retry.get_retries() == 0


async def test_dropping_does_not_wait_for_who_does_not_read() -> None:
    reading = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reading.wait()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        made = connection(listening.sockets[0].getsockname()[1])
        await hooks.connect(made)
        _, writer = hooks.streams(made)
        writer.write(b"x" * (32 << 20))
        async with asyncio.timeout(10):
            await hooks.drop(made, 0.1)
        await hooks.drop(made, 0.1)  # twice is harmless
        assert writer.transport.is_closing()
        reading.set()


def test_a_parser_gives_errors_as_values_and_nothing_as_nothing() -> None:
    parser = hooks.new_parser()
    parser.feed(b"$-1\r\n-OOM no memory\r\n*2\r\n$1\r\na\r\n-ERR \xff\r\n:7\r\n$3\r\nab")
    replies = list(iter(parser.gets, hooks.NOTHING))
    assert replies[0] is None
    assert isinstance(replies[1], Refused)
    assert replies[1].text == "OOM no memory"
    assert replies[2][0] == b"a"
    assert isinstance(replies[2][1], Refused)
    assert replies[3] == 7
    assert len(replies) == 4
    parser.feed(b"c\r\n")
    assert list(iter(parser.gets, hooks.NOTHING)) == [b"abc"]
