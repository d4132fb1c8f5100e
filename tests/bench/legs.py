"""The legs that are measured: what waits where, where it goes, and who relays it.

fedbridge runs with its defaults.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo import brokers, install
from bridge.cli.demo.debian import Say
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.names import PROPERTY_NAMES
from tests.bench import ends
from tests.bench.ends import Load, Names, Place, Target
from tests.bench.relays import Relay, Tuning, fedbridge, mq_bridge
from tests.bench.shovel import PLUGIN, shovel
from tests.bench.streams import BODY_FIELD


class Peer(NamedTuple):
    """A relay that fedbridge is compared with; `tuning` is the fastest that was found."""

    tuning: Tuning
    relay: Callable[[Tuning], Relay]


class Leg(NamedTuple):
    """One way over two brokers."""

    title: str
    messages: int
    """In each run: enough for 1.5 s and more."""
    place: Callable[[Say, Path], AbstractContextManager[Place]]
    load: Callable[[Place, Names, int], AbstractAsyncContextManager[Load]]
    target: Callable[[Place, Names], AbstractAsyncContextManager[Target]]
    ours: Relay
    peers: tuple[Peer, ...]


@contextmanager
def _all(say: Say, _folder: Path) -> Iterator[Place]:
    """Give the endpoints of the environment, else brokers of our own."""
    with brokers.running(say) as every:
        yield Place(every.amqp_url, every.kafka_bootstrap, every.mqtt_url, every.redis_url)


@contextmanager
def _own_rabbitmq(say: Say, folder: Path) -> Iterator[Place]:
    """Give a RabbitMQ of our own with the shovel plugin."""
    home = folder / "rabbitmq"
    home.mkdir()
    with closing(RabbitMQ(install.provide(say).rabbit, home, plugins=[PLUGIN])) as node:
        node.start()
        yield Place(node.url, private=node)


_FROM_KAFKA = 'from.kafka = { topics = ["$source"], group = "$source" }\n'
_FROM_MQTT = 'from.mqtt = { topics = ["$source"], client_id = "$source" }\n'
_FROM_REDIS = f'from.redis = {{ streams = ["$source"], group = "$source", body = "{BODY_FIELD}" }}\n'
_MESSAGE_ID = PROPERTY_NAMES["message_id"]
_TO_KAFKA = 'to.kafka = { topic = "$target", key = "{message_id}" }'
_TO_AMQP = 'to.amqp = { exchange = "$target", routing_key = "$target" }'

LEGS = {
    "amqp-kafka": Leg(
        "AMQP -> Kafka",
        60_000,
        _all,
        ends.held_queue,
        ends.target_topic,
        fedbridge('from.amqp = { queue = "$source" }\n' + _TO_KAFKA),
        (Peer(Tuning(256, 2_000), lambda tuning: mq_bridge("amqp", "kafka", tuning, "amqp_message_id")),),
    ),
    "kafka-amqp": Leg(
        "Kafka -> AMQP",
        40_000,
        _all,
        ends.held_topic,
        ends.bound_queue,
        fedbridge(_FROM_KAFKA + _TO_AMQP),
        (Peer(Tuning(512, 0), lambda tuning: mq_bridge("kafka", "amqp", tuning)),),
    ),
    "kafka-kafka": Leg(
        "Kafka -> Kafka",
        300_000,
        _all,
        ends.held_topic,
        ends.target_topic,
        fedbridge(_FROM_KAFKA + 'to.kafka = { topic = "$target" }'),
        (Peer(Tuning(2_000, 0), lambda tuning: mq_bridge("kafka", "kafka", tuning, "kafka_key")),),
    ),
    "amqp-amqp": Leg(
        "AMQP -> AMQP",
        40_000,
        _own_rabbitmq,
        ends.held_queue,
        ends.bound_queue,
        fedbridge('from.amqp = { queue = "$source" }\n' + _TO_AMQP),
        (
            Peer(Tuning(0, 1_000), shovel),
            Peer(Tuning(256, 2_000), lambda tuning: mq_bridge("amqp", "amqp", tuning)),
        ),
    ),
    "mqtt-kafka": Leg(
        "MQTT -> Kafka",
        100_000,
        _all,
        ends.held_session,
        ends.target_topic,
        fedbridge(_FROM_MQTT + _TO_KAFKA),
        (Peer(Tuning(2_000, 8_000), lambda tuning: mq_bridge("mqtt", "kafka", tuning, _MESSAGE_ID)),),
    ),
    "kafka-mqtt": Leg(
        "Kafka -> MQTT",
        100_000,
        _all,
        ends.held_topic,
        ends.counted_topic,
        fedbridge(_FROM_KAFKA + 'to.mqtt = { topic = "$target" }'),
        (Peer(Tuning(2_000, 1_000), lambda tuning: mq_bridge("kafka", "mqtt", tuning)),),
    ),
    "redis-kafka": Leg(
        "Redis -> Kafka",
        150_000,
        _all,
        ends.held_stream,
        ends.target_topic,
        fedbridge(_FROM_REDIS + _TO_KAFKA),
        (Peer(Tuning(512, 1_000), lambda tuning: mq_bridge("redis_streams", "kafka", tuning, _MESSAGE_ID)),),
    ),
    "kafka-redis": Leg(
        "Kafka -> Redis",
        150_000,
        _all,
        ends.held_topic,
        ends.counted_stream,
        fedbridge(_FROM_KAFKA + 'to.redis = { stream = "$target" }'),
        (Peer(Tuning(512, 0), lambda tuning: mq_bridge("kafka", "redis_streams", tuning)),),
    ),
}
"""By the name of `--leg`."""
