"""What `fedbridge test` says of a target is what a source reads from the real broker."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from bridge.cli.demo.brokers import Brokers
from bridge.message import DELIVERED, Header, Message
from bridge.ports import OpenSink, OpenSource, Place
from bridge.rehearsal import Rehearse
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from connectors import amqp, kafka, mqtt, redis
from connectors.amqp.rehearsal import rehearse as rehearse_amqp
from connectors.kafka.rehearsal import rehearse as rehearse_kafka
from connectors.mqtt.rehearsal import rehearse as rehearse_mqtt
from connectors.redis.rehearsal import rehearse as rehearse_redis
from tests.conftest import MakeTopic

HEADERS: tuple[Header, ...] = (
    ("text", "string", "größe"),
    ("raw", "bytes", b"\xff\x00"),
    ("n", "i32", 7),
    ("big", "u32", 2**32 - 1),
    ("list", "array", (("string", "a"), ("bool", True))),
    ("twice", "string", "one"),
    ("twice", "i64", 2),
    ("nothing", "void", None),
)
MESSAGES = [
    Message(
        b"body", "u-1", "from", None, b"key", {"content_type": "text/plain", "timestamp": 1_700_000_000_123}, HEADERS
    ),
    Message(b"", "u-2", "a.b", "shop", None, {"expiration": "600000", "priority": 3, "user_id": "x", "reply_to": "r"}),
    Message(None, "u-3", "from", None, b"\xfe", {"delivery_mode": 1, "correlation_id": "c", "timestamp": 5}),
]

End = tuple[OpenSource, OpenSink, Rehearse]


def at_amqp(url: str, name: str, place: Place) -> End:
    broker = BrokerSettings.model_validate({"url": url})
    source = AmqpSourceSettings.model_validate({"queue": name, "exclusive": True})
    sink = AmqpSinkSettings.model_validate({"exchange": "", "routing_key": name})
    return (
        partial(amqp.open_source, broker, source, place),
        partial(amqp.open_sink, broker, sink, place),
        rehearse_amqp(broker, sink, 8),
    )


def at_kafka(url: str, name: str, place: Place) -> End:
    broker = BrokerSettings.model_validate({"url": url})
    source, sink = KafkaSourceSettings(topics=[name]), KafkaSinkSettings.model_validate({"topic": name})
    opens = partial(kafka.open_source, broker, source, place, kafka.Claim())
    return opens, partial(kafka.open_sink, broker, sink, place), rehearse_kafka(sink, 8)


def at_mqtt(url: str, name: str, place: Place) -> End:
    broker = BrokerSettings.model_validate({"url": url})
    source, sink = MqttSourceSettings(topics=[name]), MqttSinkSettings.model_validate({"topic": name})
    opens = partial(mqtt.open_source, broker, source, place, mqtt.Past())
    return opens, partial(mqtt.open_sink, broker, sink, place, mqtt.Past()), rehearse_mqtt(sink, 8)


def at_redis(url: str, name: str, place: Place) -> End:
    broker = BrokerSettings.model_validate({"url": url})
    source, sink = RedisSourceSettings(streams=[name]), RedisSinkSettings.model_validate({"stream": name})
    opens = partial(redis.open_source, broker, source, place, redis.Past())
    return opens, partial(redis.open_sink, broker, sink, place), rehearse_redis(sink, 8)


@pytest.mark.parametrize("kind", ["amqp", "kafka", "mqtt", "redis"])
async def test_a_source_reads_what_was_rehearsed(
    kind: str, brokers: Brokers, kafka_topic: MakeTopic, unique: str
) -> None:
    place = Place("test", "one", unique, 100, 1 << 25)
    if kind == "amqp":
        end = at_amqp(brokers.amqp_url, unique, place)
    elif kind == "kafka":
        end = at_kafka(f"kafka://{brokers.kafka_bootstrap}", await kafka_topic(), place)
    elif kind == "mqtt":
        end = at_mqtt(brokers.mqtt_url, unique, place)
    else:
        end = at_redis(brokers.redis_url, unique, place)
    open_source, open_sink, rehearse = end
    async with AsyncExitStack() as opened:
        source = await opened.enter_async_context(open_source())
        sink = await opened.enter_async_context(open_sink())
        assert list(await (await sink.send(MESSAGES))) == [DELIVERED] * len(MESSAGES)
        read: list[Any] = []
        while len(read) < len(MESSAGES):
            deliveries = await source.receive(10)
            read += [delivery.message for delivery in deliveries]
            source.settle([delivery.receipt for delivery in deliveries])
        await source.flush()
    assert sorted(map(_told, read)) == sorted(_told(rehearse(message)) for message in MESSAGES)


def _told(message: Any) -> str:
    """A message without its path, and without the time that only Kafka's producer gave it."""
    assert isinstance(message, Message)
    properties = dict(message.properties)
    if message.uid == "u-2":
        properties.pop("timestamp", None)
    plain = message._replace(path="", properties={}, headers=list(message.headers))
    return repr((message.uid, plain, sorted(properties.items())))
