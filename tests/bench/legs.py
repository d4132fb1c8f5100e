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
from tests.bench import ends
from tests.bench.ends import Load, Names, Place, Target
from tests.bench.relays import Relay, Tuning, fedbridge, mq_bridge
from tests.bench.shovel import PLUGIN, shovel


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
def _both(say: Say, _folder: Path) -> Iterator[Place]:
    """Give the endpoints of the environment, else brokers of our own."""
    with brokers.running(say) as both:
        yield Place(both.amqp_url, both.kafka_bootstrap)


@contextmanager
def _own_rabbitmq(say: Say, folder: Path) -> Iterator[Place]:
    """Give a RabbitMQ of our own with the shovel plugin."""
    home = folder / "rabbitmq"
    home.mkdir()
    with closing(RabbitMQ(install.provide(say).rabbit, home, plugins=[PLUGIN])) as node:
        node.start()
        yield Place(node.url, "", node)


_FROM_KAFKA = 'from.kafka = { topics = ["$source"], group = "$source" }\n'
_TO_AMQP = 'to.amqp = { exchange = "$target", routing_key = "$target" }'

LEGS = {
    "amqp-kafka": Leg(
        "AMQP -> Kafka",
        60_000,
        _both,
        ends.held_queue,
        ends.target_topic,
        fedbridge('from.amqp = { queue = "$source" }\nto.kafka = { topic = "$target", key = "{message_id}" }'),
        (Peer(Tuning(256, 2_000), lambda tuning: mq_bridge("amqp", "kafka", tuning, "amqp_message_id")),),
    ),
    "kafka-amqp": Leg(
        "Kafka -> AMQP",
        40_000,
        _both,
        ends.held_topic,
        ends.bound_queue,
        fedbridge(_FROM_KAFKA + _TO_AMQP),
        (Peer(Tuning(512, 0), lambda tuning: mq_bridge("kafka", "amqp", tuning)),),
    ),
    "kafka-kafka": Leg(
        "Kafka -> Kafka",
        300_000,
        _both,
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
}
"""By the name of `--leg`."""
