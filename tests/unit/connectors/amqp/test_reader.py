"""The reader under a connection, on real sockets: diverting, and bounding what is read ahead."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from connectors.amqp.codec import RawDelivery
from connectors.amqp.frames import HEARTBEAT
from connectors.amqp.reader import TapReader

WINDOW = 100_000


def delivery(tag: int, body: bytes) -> bytes:
    parts = [
        (1, b"\x00\x3c\x00\x3c\x01c" + struct.pack(">QB", tag, 0) + b"\x00\x01q"),
        (2, struct.pack(">HHQH", 60, 0, len(body), 0)),
        (3, body),
    ]
    return b"".join(struct.pack(">BHI", kind, 1, len(part)) + part + b"\xce" for kind, part in parts)


class Wire:
    """A TCP connection with a TapReader on one end; `send` writes at the other."""

    def __init__(self, reader: TapReader, peer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.peer = peer


async def wired() -> AsyncIterator[Wire]:
    loop = asyncio.get_running_loop()
    peers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: peers.put_nowait(writer), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader = TapReader(loop, WINDOW)
    protocol = asyncio.StreamReaderProtocol(reader.stream, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port)
    reader.divert(1, 0)
    peer = await peers.get()
    try:
        yield Wire(reader, peer)
    finally:
        transport.abort()
        peer.transport.abort()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async for made in wired():
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the socket sets no event of ours
            await asyncio.sleep(0.005)


async def test_every_byte_goes_through_feed_data_and_only_deliveries_are_diverted(wire: Wire) -> None:
    """A contract with asyncio: the protocol calls feed_data and set_transport."""
    wire.peer.write(HEARTBEAT + delivery(1, b"one") + HEARTBEAT)
    assert await wire.reader.stream.readexactly(16) == HEARTBEAT * 2
    await wire.reader.arrived.wait()
    assert wire.reader.take(10) == [RawDelivery(1, False, b"", b"q", b"\x00\x00", b"one")]
    assert not wire.reader.arrived.is_set()
    assert not wire.reader.closed


async def test_take_gives_at_most_the_limit_and_keeps_the_rest(wire: Wire) -> None:
    wire.peer.write(b"".join(delivery(tag, b"x") for tag in range(1, 6)))
    await until(lambda: wire.reader.unsettled == 15)
    assert [raw.tag for raw in wire.reader.take(2)] == [1, 2]
    assert wire.reader.arrived.is_set()
    assert [raw.tag for raw in wire.reader.take(9)] == [3, 4, 5]


async def stops_and_goes_on(wire: Wire) -> None:
    """Send 4 MiB against a window of 100 kB, then settle as it comes."""
    count, size = 400, 10_000
    wire.peer.write(b"".join(delivery(tag, bytes(size)) for tag in range(1, count + 1)))
    await until(lambda: wire.reader.unsettled >= WINDOW)
    held = wire.reader.unsettled
    await asyncio.sleep(0.05)
    assert wire.reader.unsettled == held  # paused, though the peer has more
    assert held < WINDOW + 300_000  # one read of the loop
    seen = 0
    while seen < count:
        await wire.reader.arrived.wait()
        for raw in wire.reader.take(7):
            seen += 1
            assert raw.tag == seen
        wire.reader.settled(seen)
        await asyncio.sleep(0)
    assert wire.reader.unsettled == 0


async def test_reading_stops_at_the_window_and_goes_on_when_the_prefix_is_settled(wire: Wire) -> None:
    await stops_and_goes_on(wire)


def test_it_is_the_same_on_uvloop() -> None:
    async def run() -> None:
        async for wire in wired():
            await stops_and_goes_on(wire)

    uvloop.run(run())


async def test_a_message_larger_than_the_window_gets_through(wire: Wire) -> None:
    wire.peer.write(delivery(1, bytes(5 * WINDOW)) + delivery(2, b"next"))
    await until(lambda: wire.reader.unsettled > WINDOW)
    assert len(wire.reader.take(1)[0].body) == 5 * WINDOW
    wire.reader.settled(1)
    await until(lambda: bool(wire.reader.take(1)))


async def test_a_tick_is_a_heartbeat_only_while_bytes_come_or_reading_is_paused(wire: Wire) -> None:
    wire.reader.tick()
    wire.peer.write(delivery(1, bytes(WINDOW)))
    await until(lambda: wire.reader.unsettled >= WINDOW)
    wire.reader.tick()
    wire.reader.tick()  # nothing came since, but nobody reads
    wire.reader.settled(1)
    wire.reader.tick()  # nothing came, and the socket is read
    wire.peer.write_eof()
    assert await wire.reader.stream.read() == HEARTBEAT * 2
    wire.reader.tick()


async def test_bytes_that_are_not_amqp_end_the_connection(wire: Wire) -> None:
    wire.peer.write(delivery(1, b"good") + b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(ConnectionResetError, match="not AMQP: a frame of type 72"):
        await wire.reader.stream.readexactly(1)
    assert wire.reader.failure is not None
    assert wire.reader.closed
    wire.reader.stream.feed_data(b"more")
    wire.reader.tick()


async def test_after_discard_deliveries_are_dropped_and_the_rest_is_read(wire: Wire) -> None:
    wire.peer.write(delivery(1, bytes(WINDOW)))
    await until(lambda: wire.reader.unsettled >= WINDOW)
    wire.reader.discard()
    wire.peer.write(delivery(2, b"late") + HEARTBEAT)
    assert await wire.reader.stream.readexactly(8) == HEARTBEAT
    assert wire.reader.take(10) == []
