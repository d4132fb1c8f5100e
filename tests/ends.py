"""The ends of a leg, as whole-route tests fill and read them from outside: a queue of RabbitMQ, a topic of Kafka."""

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

import pika
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.routes import PATIENCE, publish, queued, records


class End(Protocol):
    """Where numbered messages come from or go to."""

    source: str
    """The `from` table that reads it, as TOML."""

    target: str
    """The `to` table that writes to it, as TOML: an entry of a list, without its name."""

    kind: str
    """amqp or kafka."""

    async def fill(self, bodies: Sequence[str]) -> None:
        """Put messages in, in order, by other means than the bridge's."""

    async def found(self) -> list[str]:
        """Give what is in it, in order, and leave it there."""

    async def size(self) -> int:
        """Count what is in it, duplicates too, without taking it in hand."""

    async def left(self, group: str) -> int:
        """Count what a route still has to settle; `group` is the consumer group of a topic."""


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


async def wait_found(end: End, count: int) -> list[str]:
    """Wait until at least `count` different messages are there; gives all."""
    deadline = time.monotonic() + PATIENCE
    while True:
        size = await end.size()  # looking at thousands of messages again and again would hold the broker up
        if size >= count and len(set(found := await end.found())) >= count:
            return found
        assert time.monotonic() < deadline, f"{size} messages arrived, of {count}"
        await asyncio.sleep(0.2)
