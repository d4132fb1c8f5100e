"""The contract's kits of AMQP: a durable queue of a RabbitMQ that the suite may stop, for each direction."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pika

from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.message import Header, Message
from bridge.ports import Place, Sink, Source
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.brokers import BrokerSettings
from connectors import amqp


class AmqpSourceKit:
    """A durable queue, published to by pika."""

    cannot: Mapping[str, str] = {}

    def __init__(self, broker: RabbitMQ) -> None:
        self._broker = broker
        self._queue = f"contract-{secrets.token_hex(4)}"

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        broker = BrokerSettings.model_validate({"url": self._broker.url, "broker_timeout": "5s"})
        settings = AmqpSourceSettings.model_validate({"queue": self._queue, "declare": True})
        return amqp.open_source(broker, settings, Place("bridge", "node", "route", messages, size))

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        await asyncio.to_thread(self._publish, bodies, {name: value for name, _, value in headers})

    async def left(self) -> int:
        return await asyncio.to_thread(self._count)

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)

    def _publish(self, bodies: Sequence[bytes], headers: dict[str, Any]) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            channel = connection.channel()
            channel.queue_declare(self._queue, durable=True)
            channel.confirm_delivery()
            properties = pika.BasicProperties(delivery_mode=2, headers=headers)
            if len(bodies) > 2000:  # confirming each would take long; the close below waits for all
                channel = connection.channel()
            for body in bodies:
                channel.basic_publish("", self._queue, body, properties)

    def _count(self) -> int:
        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            return int(connection.channel().queue_declare(self._queue, passive=True).method.message_count)


class AmqpSinkKit:
    """A durable direct exchange with a durable queue, read by pika; what has no queue is returned."""

    cannot: Mapping[str, str] = {}
    refused = Message(b"refused", "uid-refused", headers=[("key", "string", "nowhere")])

    def __init__(self, broker: RabbitMQ) -> None:
        self._broker = broker
        self._name = f"contract-{secrets.token_hex(4)}"

    async def prepare(self) -> None:
        """Create exchange and queue."""
        await asyncio.to_thread(self._create)

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        broker = BrokerSettings.model_validate(
            {"url": self._broker.url, "broker_timeout": "5s", "connect_timeout": "5s"}
        )
        settings = AmqpSinkSettings.model_validate({"exchange": self._name, "routing_key": "{header.key:queue}"})
        return amqp.open_sink(broker, settings, Place("bridge", "node", "route", messages, 1 << 25))

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        found = await asyncio.to_thread(self._take)
        assert len(found) >= count, f"{len(found)} messages, of {count}"
        return found

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)

    def _create(self) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            channel = connection.channel()
            channel.exchange_declare(self._name, "direct", durable=True)
            channel.queue_declare(self._name, durable=True)
            channel.queue_bind(self._name, self._name, "queue")

    def _take(self) -> list[tuple[bytes | None, Mapping[str, bytes | None]]]:
        found: list[tuple[bytes | None, Mapping[str, bytes | None]]] = []
        with pika.BlockingConnection(pika.URLParameters(self._broker.url)) as connection:
            channel = connection.channel()
            left = channel.queue_declare(self._name, passive=True).method.message_count
            for _, properties, body in channel.consume(self._name, auto_ack=True) if left else ():
                assert properties is not None
                headers: Mapping[str, Any] = properties.headers or {}
                texts = {name: None if value is None else str(value).encode() for name, value in headers.items()}
                found.append((body, texts))
                if len(found) == left:
                    break
        return found
