"""The ends of a leg, as whole-route tests fill and read them from outside.

A queue of RabbitMQ, a topic of Kafka, a topic of Mosquitto, a stream of Redis.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pika
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests import mqtt
from tests.routes import PATIENCE, publish, queued, records


class End(Protocol):
    """Where numbered messages come from or go to."""

    source: str
    """The `from` table that reads it, as TOML."""

    target: str
    """The `to` table that writes to it, as TOML: an entry of a list, without its name."""

    kind: str
    """amqp, kafka, mqtt or redis."""

    async def fill(self, bodies: Sequence[str]) -> None:
        """Put messages in, in order, by other means than the bridge's."""

    async def found(self) -> list[str]:
        """Give what is in it, in order, and leave it there."""

    async def size(self) -> int:
        """Count what is in it, duplicates too, without taking it in hand."""

    async def left(self, group: str) -> int:
        """Count what a route still has to settle, once its bridge has ended; `group` is the route's consumer group."""


class Queue:
    """A durable queue, written to through a durable direct exchange of the same name."""

    kind = "amqp"

    def __init__(self, url: str, name: str, arguments: dict[str, object] | None = None) -> None:
        self.url = url
        self.name = name
        self.source = f'{{ broker = "rabbit", queue = "{name}" }}'
        self.target = f'broker = "rabbit", exchange = "{name}", routing_key = "leg"'
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.queue_declare(name, durable=True, arguments=arguments)
            channel.exchange_declare(name, "direct", durable=True)
            channel.queue_bind(name, name, "leg")

    async def fill(self, bodies: Sequence[str]) -> None:
        await asyncio.to_thread(publish, self.url, "", bodies, self.name)

    async def found(self) -> list[str]:
        return await asyncio.to_thread(self._peek)

    async def size(self) -> int:
        return await asyncio.to_thread(queued, self.url, self.name)

    async def left(self, group: str) -> int:
        return await self.size()

    def take_all(self) -> list[str]:
        """Consume what is there, so that there is room for more."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            taken: list[str] = []
            while True:
                method, _, body = channel.basic_get(self.name, auto_ack=True)
                if method is None:
                    return taken
                taken.append((body or b"").decode())

    def _peek(self) -> list[str]:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            count = channel.queue_declare(self.name, passive=True).method.message_count
            found: list[str] = []
            for method, _, body in channel.consume(self.name, inactivity_timeout=PATIENCE) if count else ():
                assert method is not None, f"{len(found)} of {count} came"
                found.append((body or b"").decode())
                if len(found) == count:
                    break
            return found


class Topic:
    """A topic of one partition that exists."""

    kind = "kafka"

    def __init__(self, bootstrap: str, name: str) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self.source = f'{{ broker = "kafka", topics = ["{name}"] }}'
        self.target = f'broker = "kafka", topic = "{name}"'

    async def fill(self, bodies: Sequence[str]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        try:
            await producer.start()
            sent = [
                await producer.send(self.name, body.encode(), key=body.encode(), headers=[("tenant", b"acme")])
                for body in bodies
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def found(self) -> list[str]:
        return await records(self.bootstrap, self.name)

    async def size(self) -> int:
        place = TopicPartition(self.name, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            return int((await consumer.end_offsets([place]))[place])
        finally:
            await consumer.stop()

    async def left(self, group: str) -> int:
        place = TopicPartition(self.name, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([place])
            return int((await consumer.end_offsets([place]))[place] - (await consumer.committed(place) or 0))
        finally:
            await consumer.stop()


class MqttTopic:
    """A topic with two sessions that are there before anything is published: the route's and a reader's.

    A broker keeps nothing that nobody has subscribed to, so that the route's session is made here, as an earlier run of
    the route would have left it.
    """

    kind = "mqtt"

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.client_id = f"{name}-route"
        self.source = f'{{ broker = "mosquitto", topics = ["{name}"], client_id = "{self.client_id}" }}'
        self.target = f'broker = "mosquitto", topic = "{name}"'
        self._reader = f"{name}-reader"
        self._found: list[str] = []
        for client_id in (self.client_id, self._reader):
            with mqtt.Session(url, client_id) as session:
                session.subscribe(name)

    async def fill(self, bodies: Sequence[str]) -> None:
        await asyncio.to_thread(self._publish, bodies)

    async def found(self) -> list[str]:
        await asyncio.to_thread(self._read)
        return list(self._found)

    async def size(self) -> int:
        return len(await self.found())

    async def left(self, group: str) -> int:
        """Take the route's session over, and with it all that the broker holds for it; nothing is left after that."""
        return await asyncio.to_thread(self._take_over)

    def _publish(self, bodies: Sequence[str]) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, f"{self.name}-writer", protocol=MQTTProtocolVersion.MQTTv5)
        client.max_inflight_messages_set(500)
        refused: list[ReasonCode] = []
        client.on_publish = lambda _client, _data, _id, reason, _more: refused.extend([reason] * reason.is_failure)
        where = urlsplit(self.url)
        client.connect(where.hostname or "127.0.0.1", where.port or 1883)
        client.loop_start()
        try:
            for body in bodies:
                properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                properties.UserProperty = [("tenant", "acme")]
                sent = client.publish(self.name, body, qos=1, properties=properties)
            if bodies:
                sent.wait_for_publish(PATIENCE)
                assert sent.is_published(), "Mosquitto confirms in order"
            assert not refused, refused
        finally:
            client.disconnect()
            client.loop_stop()

    def _read(self) -> None:
        """Take what came to the reader's session since the last time; duplicates count as they are."""
        with mqtt.Session(self.url, self._reader) as session:
            assert session.present, "the broker has lost the reader's session"
            self._found += [message.body.decode() for message in session.take()]

    def _take_over(self) -> int:
        with mqtt.Session(self.url, self.client_id, expiry=0) as session:
            assert session.present, "the broker has lost the route's session"
            return len(session.take())


class Stream:
    """A stream of Redis."""

    kind = "redis"

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.source = f'{{ broker = "redis", streams = ["{name}"] }}'
        self.target = f'broker = "redis", stream = "{name}"'

    async def fill(self, bodies: Sequence[str]) -> None:
        async with self._client() as client, client.pipeline(transaction=False) as pipeline:
            for body in bodies:
                pipeline.xadd(self.name, {"body": body, "tenant": "acme"})
            await pipeline.execute()

    async def found(self) -> list[str]:
        async with self._client() as client:
            return [fields["body"] for _, fields in await client.xrange(self.name)]

    async def size(self) -> int:
        async with self._client() as client:
            return int(await client.xlen(self.name))

    async def left(self, group: str) -> int:
        async with self._client() as client:
            groups = {each["name"]: each for each in await client.xinfo_groups(self.name)}
            if group not in groups:
                return int(await client.xlen(self.name))
            read = groups[group]["last-delivered-id"]
            unread = await client.xrange(self.name, f"({read}", "+")  # Redis 6.2 has no lag
            return int(groups[group]["pending"]) + len(unread)

    def _client(self) -> Any:  # its types mix those of a client that blocks
        return redis.asyncio.from_url(self.url, decode_responses=True)


async def wait_found(end: End, count: int) -> list[str]:
    """Wait until at least `count` different messages are there; gives all."""
    deadline = time.monotonic() + PATIENCE
    while True:
        size = await end.size()  # looking at thousands of messages again and again would hold the broker up
        if size >= count and len(set(found := await end.found())) >= count:
            return found
        assert time.monotonic() < deadline, f"{size} messages arrived, of {count}"
        await asyncio.sleep(0.2)
