"""Messages through one system: encoded as its sink does, and decoded as its source does, without a broker."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from bridge.message import Message, Undecodable
from connectors.amqp import publish
from connectors.amqp.codec import RawDelivery, decode
from connectors.kafka.codec import Encoder as KafkaEncoder
from connectors.kafka.decoder import Decoder as KafkaDecoder
from connectors.kafka.records import PlainRecord
from connectors.mqtt.codec import Encoder as MqttEncoder
from connectors.mqtt.decoder import Decoder as MqttDecoder
from connectors.mqtt.packets import Publish
from tests.unit.connectors.amqp.frames import parts_of
from tests.unit.connectors.redis import entries

Carrier: TypeAlias = Callable[[Message], Message]

LOGIN: Final = "bridge"
SENT: Final = 1_800_000_000_000
"""When Kafka was sent what has no time of its own."""


def by_amqp(message: Message) -> Message:
    """Through a queue of RabbitMQ, published as `LOGIN`."""
    parts: list[bytes] = []
    publish.Encoder(1, 1 << 20, LOGIN, None).add(message, "ex", "key", parts)
    properties, body = parts_of(b"".join(parts))
    return _checked(decode(RawDelivery(1, False, b"ex", b"key", properties, body), "amqp:1"))


def by_kafka(message: Message) -> Message:
    """Through a topic of Kafka, the key as it is."""
    record = KafkaEncoder().record(message, message.key)
    timestamp = SENT if record.timestamp is None else record.timestamp
    read = PlainRecord(7, timestamp, 0, record.key, record.value, record.headers)
    (delivery,) = KafkaDecoder("cluster").deliveries([read], "topic", 0, 0)
    return _checked(delivery.message)


def by_mqtt(message: Message) -> Message:
    """Through a topic of a broker that speaks MQTT 5."""
    parts: list[bytes] = []
    MqttEncoder(1, None, None, properties=True).add(message, b"\0\5topic", b"\0\1", parts)
    flags, _, topic, _, *content = parts
    return _checked(
        MqttDecoder("mqtt:", properties=True).decode(Publish(flags[0], topic[2:], b"\0\1", b"".join(content)), 1)
    )


def by_redis(message: Message) -> Message:
    """Through a stream of Redis."""
    return entries.decoded(entries.encoded(message))


CARRIERS: Final[Mapping[str, Carrier]] = {"amqp": by_amqp, "kafka": by_kafka, "mqtt": by_mqtt, "redis": by_redis}


def _checked(message: Message | Undecodable) -> Message:
    assert isinstance(message, Message), message
    return message
