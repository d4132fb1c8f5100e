"""The contract's kit of AMQP: a durable queue of a RabbitMQ that the suite may stop."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pika

from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.message import Header
from bridge.ports import Place, Source
from config.settings import AmqpSourceSettings, BrokerSettings
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
