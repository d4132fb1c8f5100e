"""Legs, which are pairs of systems, and what whole-route tests of them share: ends of every kind, a route, its rest."""

import asyncio
import itertools
from collections.abc import Callable

from bridge.cli.demo.brokers import Brokers
from tests.conftest import MakeTopic
from tests.ends import End, MqttTopic, Queue, Stream, Topic
from tests.routes import Bridge, wait

KINDS = ("amqp", "kafka", "mqtt", "redis")
LEGS = list(itertools.product(KINDS, KINDS))
"""All sixteen, as kinds of source and target."""

GROUP = "fedbridge.test.updates"
"""The consumer group of the route `updates`."""

MakeBridge = Callable[[str], Bridge]


class Ends:
    """Makes the ends of a leg at the session's brokers."""

    def __init__(self, brokers: Brokers, kafka_topic: MakeTopic, unique: str) -> None:
        self._brokers = brokers
        self._kafka_topic = kafka_topic
        self._unique = unique

    async def make(self, kind: str, role: str) -> End:
        """Make an end of a kind; `role` tells it from others of the same test."""
        name = f"{self._unique}-{role}"
        if kind == "amqp":
            return await asyncio.to_thread(Queue, self._brokers.amqp_url, name)
        if kind == "mqtt":
            return await asyncio.to_thread(MqttTopic, self._brokers.mqtt_url, name)
        if kind == "redis":
            return Stream(self._brokers.redis_url, name)
        return Topic(self._brokers.kafka_bootstrap, await self._kafka_topic())


def route(origin: End, *targets: tuple[str, str, str], more: str = "") -> str:
    """The route `updates`; targets are kind, name and table."""
    lines = ["[routes.updates]", f"from.{origin.kind} = {origin.source}"]
    for kind in dict.fromkeys(kind for kind, _, _ in targets):
        tables = [f'{{ name = "{name}", {table} }}' for its, name, table in targets if its == kind]
        lines.append(f"to.{kind} = [{', '.join(tables)}]")
    return "\n".join([*lines, more])


def settled(daemon: Bridge, count: int) -> None:
    """Wait until `count` messages are delivered and none is in hand."""
    wait(
        lambda: (
            daemon.fates()["delivered"] >= count and not daemon.metric('fedbridge_inflight_messages{route="updates"}')
        ),
        lambda: f"{daemon.fates()}\n{daemon.tail()}",
    )


def delivered(count: int) -> dict[str, int]:
    """The fates of `count` messages that came once and were delivered."""
    others = dict.fromkeys(("dead", "dropped", "filtered", "returned"), 0)
    return {"received": count, "delivered": count, **others}
