"""Messages through real brokers, with the connectors alone: sent by a sink, and taken by a source."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from bridge.cli.demo.brokers import Brokers
from bridge.message import DELIVERED, Message, Outcome
from bridge.ports import Place, Sink, Source
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from connectors import amqp, kafka, mqtt, redis
from tests.ends import End

PATIENCE: Final = 30.0
_PLACE: Final = Place("test", "one", "round", 4000, 1 << 25)


async def carried(brokers: Brokers, end: End, messages: Sequence[Message]) -> list[Message]:
    """Send messages to an end that is empty, and give what its source makes of them, in order; all is settled."""
    async with opened_sink(brokers, end) as sink:
        sent = 0
        outcomes: list[Outcome] = []
        async with asyncio.timeout(PATIENCE):
            while sent < len(messages):
                part = messages[sent : sent + min(await sink.room(), 500)]
                outcomes += await (await sink.send(part))
                sent += len(part)
    assert [outcome for outcome in outcomes if outcome is not DELIVERED] == []
    found: list[Message] = []
    async with opened_source(brokers, end) as source:
        async with asyncio.timeout(PATIENCE):
            while len(found) < len(messages):
                deliveries = await source.receive(500)
                for delivery in deliveries:
                    assert isinstance(delivery.message, Message), delivery.message
                    found.append(delivery.message)
                source.settle([delivery.receipt for delivery in deliveries])
            await source.flush()
    return found


def opened_sink(brokers: Brokers, end: End) -> AbstractAsyncContextManager[Sink]:
    """Open the sink of an end, as its `target` says."""
    name: Any = end.name  # type: ignore[attr-defined]  # all have one
    match end.kind:
        case "amqp":
            settings = AmqpSinkSettings.model_validate({"exchange": name, "routing_key": "leg"})
            return amqp.open_sink(_broker(brokers.amqp_url), settings, _PLACE)
        case "kafka":
            topic = KafkaSinkSettings.model_validate({"topic": name})
            return kafka.open_sink(_broker(f"kafka://{brokers.kafka_bootstrap}"), topic, _PLACE)
        case "mqtt":
            return mqtt.open_sink(_broker(brokers.mqtt_url), MqttSinkSettings.model_validate({"topic": name}), _PLACE)
        case _:
            stream = RedisSinkSettings.model_validate({"stream": name})
            return redis.open_sink(_broker(brokers.redis_url), stream, _PLACE)


def opened_source(brokers: Brokers, end: End) -> AbstractAsyncContextManager[Source]:
    """Open the source of an end, as its `source` says."""
    name: Any = end.name  # type: ignore[attr-defined]
    match end.kind:
        case "amqp":
            settings = AmqpSourceSettings.model_validate({"queue": name})
            return amqp.open_source(_broker(brokers.amqp_url), settings, _PLACE)
        case "kafka":
            topic = KafkaSourceSettings.model_validate({"topics": [name], "group": name})
            return kafka.open_source(_broker(f"kafka://{brokers.kafka_bootstrap}"), topic, _PLACE)
        case "mqtt":
            table = {"topics": [name], "client_id": end.client_id}  # type: ignore[attr-defined]
            return mqtt.open_source(_broker(brokers.mqtt_url), MqttSourceSettings.model_validate(table), _PLACE)
        case _:
            stream = RedisSourceSettings.model_validate({"streams": [name], "group": name})
            return redis.open_source(_broker(brokers.redis_url), stream, _PLACE)


def _broker(url: str) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": url})
