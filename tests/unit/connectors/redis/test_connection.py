"""A connection against a server of a few lines: who gets which reply, and how a loss is noticed."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.errors import Disconnected
from config.brokers import BrokerSettings
from connectors.redis.commands import pack
from connectors.redis.connection import connected
from connectors.redis.errors import Refused

PATIENCE = 10.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def broker(serve: Serve, timeout: str = "5s") -> AsyncIterator[BrokerSettings]:
    """A server that takes the name of a connection and then does as `serve` says."""

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"SETNAME\r\n")
            writer.write(b"+OK\r\n")
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            await writer.wait_closed()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # else the system takes what nobody reads
    listening = await asyncio.start_server(begin, sock=listener)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield BrokerSettings.model_validate({"url": f"redis://127.0.0.1:{port}", "broker_timeout": timeout})


async def echo_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 2 x 5 commands only when all are there, byte by byte."""
    await reader.readuntil(b"9\r\n")
    for reply in b"".join(b"$1\r\n%d\r\n" % number if number != 6 else b"-ERR six\r\n" for number in range(10)):
        writer.write(bytes([reply]))
        await writer.drain()
        await asyncio.sleep(0)
    await reader.read()


async def test_replies_go_to_those_who_are_due_them() -> None:
    posted: list[Any] = []
    async with broker(echo_late) as settings, connected(settings, "a name with spaces") as wire:
        first = [pack("ECHO", number) for number in range(3)]
        last = [pack("ECHO", number) for number in range(5, 10)]
        wire.post(b"".join(first), 3, posted.extend)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(wire.ask(pack("ECHO", 3), pack("ECHO", 4)))
            await asyncio.sleep(0)
            others = tasks.create_task(wire.ask(*last))
        assert posted == [b"0", b"1", b"2"]
        assert asked.result() == [b"3", b"4"]
        assert others.result()[0] == b"5"
        assert isinstance(others.result()[1], Refused)
        assert others.result()[2:] == [b"7", b"8", b"9"]


async def say(words: bytes, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"PING\r\n")
    writer.write(words)
    await reader.read()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (b"+OK\r\n+OK\r\n", "what nobody asked for"),
        (b"+OK\r\nwhat?\r\n", "what is no reply of a Redis"),
        (b"$5\r\nab", None),
    ],
)
async def test_a_server_that_talks_nonsense_is_lost(words: bytes, text: str | None) -> None:
    told: list[Exception] = []
    async with broker(lambda reader, writer: say(words, writer, reader), "400ms") as settings:
        with pytest.raises(Disconnected, match=text or "no reply for 0.4 s") as loss:  # noqa: PT012 - it shows unasked
            async with asyncio.timeout(PATIENCE), connected(settings, "name") as wire:
                wire.on_loss(told.append)
                wire.post(pack("PING"), 1, lambda _: None)
                await asyncio.Event().wait()
    assert loss.value.reason == ("error" if text else "timeout")
    wire.on_loss(told.append)
    assert told == [loss.value] * 2
    with pytest.raises(Disconnected):
        await wire.ask(pack("PING"))
    wire.post(pack("PING"), 1, _never)  # is harmless


def _never(_: Sequence[Any]) -> None:
    raise AssertionError


async def test_a_server_that_takes_what_is_said_is_there_while_it_has_no_time_to_answer() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = 1 << 25
        while left > 0:  # for more than two seconds, in which it says nothing
            left -= len(await reader.read(1 << 17))
            await asyncio.sleep(0.01)
        writer.write(b"+OK\r\n")
        await reader.read()

    async with broker(slow, "1s") as settings, connected(settings, "name") as wire:
        async with asyncio.timeout(PATIENCE):
            assert await wire.ask(pack("SET", "key", b"x" * (1 << 25))) == [b"OK"]
