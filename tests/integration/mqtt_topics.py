"""What the tests of the MQTT connector share: sources and sinks with short waits, and topics seen by plain clients."""

import asyncio
import contextlib
import gc
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.cli.demo.install import Files
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.errors import FedbridgeError
from bridge.message import Delivery, Message, Outcome, Verdict
from bridge.ports import Place, Sink, Source
from config.brokers import BrokerSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from connectors import mqtt as connector
from tests import mqtt

PATIENCE = 20.0
CHUNK = 1 << 18
"""What a source may read beyond its window."""


class Topics(NamedTuple):
    """A broker, and the name of a test's topic and client ids there."""

    url: str
    name: str

    @property
    def client_id(self) -> str:
        """Whose session the source has."""
        return f"{self.name}-source"

    def source(
        self,
        past: connector.Past | None = None,
        messages: int = 4000,
        size: int = 1 << 25,
        broker: dict[str, Any] | None = None,
        **table: Any,
    ) -> AbstractAsyncContextManager[Source]:
        """Open a source; `table` are keys of `from.mqtt`, `broker` those of the broker."""
        settings = MqttSourceSettings.model_validate(
            {"topics": [f"{self.name}/#"], "client_id": self.client_id, **table}
        )
        place = Place("test", "one", self.name, messages, size)
        return quietly(connector.open_source(self._broker(broker), settings, place, past))

    def sink(
        self,
        past: connector.Past | None = None,
        messages: int = 4000,
        broker: dict[str, Any] | None = None,
        **table: Any,
    ) -> AbstractAsyncContextManager[Sink]:
        """Open a sink; `table` are keys of `to.mqtt`, `broker` those of the broker."""
        settings = MqttSinkSettings.model_validate({"topic": f"{self.name}/t", **table})
        place = Place("test", "one", self.name, messages, 1 << 25)
        return quietly(connector.open_sink(self._broker(broker), settings, place, past))

    def reader(self, topic: str = "#", qos: int = 1) -> mqtt.Session:
        """A plain client's session, subscribed; blocks."""
        session = mqtt.Session(self.url, f"{self.name}-reader")
        session.subscribe(f"{self.name}/{topic}", qos)
        return session

    def left(self) -> list[bytes]:
        """Take what the broker holds for the source, which is not connected; blocks."""
        with mqtt.Session(self.url, self.client_id) as session:
            return [message.body for message in session.take()]

    def forget(self) -> None:
        """End the source's session at the broker; blocks."""
        with mqtt.Session(self.url, self.client_id, clean=True, expiry=0):
            pass

    def _broker(self, table: dict[str, Any] | None) -> BrokerSettings:
        patience = {"broker_timeout": "3s", "connect_timeout": "3s"}
        return BrokerSettings.model_validate({"url": self.url, **patience, **(table or {})})


@asynccontextmanager
async def quietly(opening: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """Open, and see that nothing is left behind that nobody looked at."""
    loop = asyncio.get_running_loop()
    noise: list[str] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: noise.append(str(context)))
    try:
        async with opening as port:
            yield port
    finally:
        await asyncio.sleep(0)
        gc.collect()
        loop.set_exception_handler(before)
        assert noise == []


@contextlib.contextmanager
def mosquitto(files: Files, *settings: str, durable: bool = False) -> Iterator[Mosquitto]:
    """Run a Mosquitto with settings of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="fedbridge-mosquitto-", ignore_cleanup_errors=True) as folder,
        contextlib.closing(Mosquitto(files.mosquitto, Path(folder), durable=durable, settings=settings)) as broker,
    ):
        broker.start()
        yield broker


def publish(url: str, topic: str, bodies: Iterable[bytes], qos: int = 1, **how: Any) -> None:
    """Publish messages as another library does, in order, and wait until all are taken; blocks.

    `retain` is the flag; everything else is a property of paho's.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    where = urlsplit(url)
    client.connect(where.hostname or "", where.port or 1883)
    client.loop_start()
    retain = bool(how.pop("retain", False))
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in how.items():
        setattr(properties, name, value)
    try:
        for body in bodies:
            sent = client.publish(topic, body, qos, retain, properties)
            sent.wait_for_publish(PATIENCE)
            assert sent.is_published()
    finally:
        client.disconnect()
        client.loop_stop()


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


def messages(count: int, start: int = 0) -> list[Message]:
    return [Message(body, f"uid-{body.decode()}") for body in numbered(count, start)]


def bodies(deliveries: Iterable[Delivery]) -> list[bytes | None]:
    return [delivery.message.body for delivery in deliveries]


async def take(source: Source, count: int) -> list[Delivery]:
    """Receive exactly `count` deliveries, without settling them."""
    found: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await source.receive(count - len(found))
    return found


def settle(source: Source, deliveries: Iterable[Delivery]) -> None:
    source.settle([delivery.receipt for delivery in deliveries])


async def take_and_settle(source: Source, count: int) -> list[Delivery]:
    """Receive and settle exactly `count` deliveries, and wait until the broker has the acknowledgements."""
    found = await take(source, count)
    settle(source, found)
    await source.flush()
    return found


async def nothing_more(source: Source) -> None:
    """See that the broker has nothing more for a source that has room: what it had came before the answer to a ping."""
    await source.flush()
    try:
        async with asyncio.timeout(0):
            found = await source.receive(10)
    except TimeoutError:
        return
    raise AssertionError(f"there was more: {bodies(found)}")


async def send(sink: Sink, batch: Sequence[Message], most: int = 1000) -> list[Outcome]:
    """Send within the room, pipelined, and give every outcome in order."""
    futures = []
    async with asyncio.timeout(PATIENCE):
        sent = 0
        while sent < len(batch):
            room = min(await sink.room(), most)
            futures.append(await sink.send(batch[sent : sent + room]))
            sent += room
        return [outcome for future in futures for outcome in await future]


async def work_off(
    opening: Callable[[], AbstractAsyncContextManager[Sink]], batch: Sequence[Message]
) -> dict[str, Outcome]:
    """Send until each message has a final outcome, as a lane does, through a new sink after each loss; by uid."""
    left, final = list(batch), dict[str, Outcome]()
    async with asyncio.timeout(PATIENCE):
        while left:
            sent: list[tuple[Sequence[Message], asyncio.Future[Sequence[Outcome]]]] = []
            with contextlib.suppress(FedbridgeError):
                async with opening() as sink:
                    start = 0
                    while start < len(left):
                        part: Sequence[Message] = left[start : start + await sink.room()]
                        sent.append((part, await sink.send(part)))
                        start += len(part)
                        await asyncio.wait({sent[-1][1]})
            for part, future in sent:
                for message, outcome in zip(part, future.result(), strict=True):
                    if outcome.verdict is not Verdict.UNKNOWN:
                        final[message.uid] = outcome
            left = [message for message in left if message.uid not in final]
    return final


class Peer:
    """A client's connection to a broker that a test plays."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packets: list[mqtt.Packet] = []
        self._rest = b""

    async def packet(self, kind: int) -> bytes:
        """Wait for a packet of a type, pass over all others, and give what follows its length."""
        while True:
            while not self._packets:
                data = await self._reader.read(1 << 16)
                if not data:
                    raise EOFError
                self._packets, end = mqtt.parsed(self._rest + data)
                self._rest = (self._rest + data)[end:]
            each = self._packets.pop(0)
            if each.kind == kind:
                return each.payload

    async def gives(self, *packets: bytes) -> None:
        self._writer.write(b"".join(packets))
        await self._writer.drain()

    async def accepts(self, properties: bytes = b"", *, present: bool = False) -> bytes:
        """Take a CONNECT, and give what followed its length."""
        connect = await self.packet(mqtt.CONNECT)
        await self.gives(connack(0, properties, present=present))
        return connect

    async def grants(self, *codes: int) -> bytes:
        """Take a SUBSCRIBE and answer with these codes; give what followed its length."""
        subscribe = await self.packet(mqtt.SUBSCRIBE)
        await self.gives(mqtt.packet(mqtt.SUBACK, subscribe[:2] + b"\0" + bytes(codes)))
        return subscribe


def connack(code: int, properties: bytes = b"", *, present: bool = False) -> bytes:
    head = bytes((present, code))
    return mqtt.packet(mqtt.CONNACK, head + mqtt.length(len(properties)) + properties)


@asynccontextmanager
async def playing(*scripts: Callable[[Peer], Awaitable[None]]) -> AsyncIterator[str]:
    """Play a broker, one script for each connection in turn, the last for all more; gives its URL."""
    left = list(scripts)
    failures: list[BaseException] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = left.pop(0) if len(left) > 1 else left[0]
        try:
            await script(Peer(reader, writer))
            await reader.read()  # until the client goes
        except EOFError:
            pass
        except AssertionError as error:
            failures.append(error)

    async with _serving(play) as url:
        yield url
    for failure in failures:
        raise failure


@asynccontextmanager
async def speaking_311(url: str) -> AsyncIterator[str]:
    """Put something before a broker that refuses MQTT 5 as a broker of 3.1.1 does; gives its URL."""
    where = urlsplit(url)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(1 << 16)
        if head[8] == 5:
            writer.write(b"\x20\x02\x00\x01")
            return
        inward, outward = await asyncio.open_connection(where.hostname, where.port)
        outward.write(head)
        await asyncio.gather(_copy(reader, outward), _copy(inward, writer))

    async with _serving(pass_on) as old:
        yield old


_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _serving(serve: _Serve) -> AsyncIterator[str]:
    """Serve connections to a port, whose URL this gives, and see every one of them end."""
    tasks: list[asyncio.Task[Any] | None] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        await _end(writer)

    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        for task in tasks:
            if task is not None:
                await asyncio.wait({task}, timeout=PATIENCE)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    await _end(writer)


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
