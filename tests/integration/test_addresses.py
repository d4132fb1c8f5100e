"""Addresses on real brokers: from MQTT to AMQP and back, by captures and whole; and those that do not match."""

import asyncio
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.brokers import Brokers
from tests import mqtt
from tests.legs import MakeBridge
from tests.routes import Bridge, everywhere, wait

LEVELS = ("berlin", "a.b", "é", "$x", "%2B", "%252F", "a b", "100%", "*", "__a")
KEYS = ("", "a", "a.b/c", "..a.", "#", "a.+.*", "$SYS.x", "$x", "%", "%25", "%2B", "%24x", "x/%2F", "é.€")
"""Routing keys with what a topic may not be, but for control characters: `amqp-routing-key` could not hold them."""


@pytest.fixture
def bound(channel: BlockingChannel, name: str) -> Iterator[str]:
    """A topic exchange, and a queue of the same name that gets everything of it."""
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_declare(name, durable=True)
    channel.queue_bind(name, name, "#")
    yield name
    channel.queue_delete(name)
    channel.exchange_delete(name)


def keys_in(channel: BlockingChannel, queue: str, count: int) -> list[str]:
    """The routing keys of the messages in a queue, as many as there are to be."""
    found: list[str] = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=20):
        assert method is not None, f"only {found}"
        found.append(method.routing_key or "")
        if len(found) == count:
            channel.cancel()
            return found
    raise AssertionError


def ended(daemon: Bridge, route: str, **fates: int) -> None:
    """Wait until the messages of a route have ended so."""
    none = dict.fromkeys(("delivered", "dead", "dropped", "filtered", "returned"), 0)
    expected = {"received": sum(fates.values()), **none, **fates}
    wait(lambda: daemon.fates(route) == expected, lambda: f"{route}: {daemon.fates(route)}\n{daemon.tail()}")


async def test_topics_cross_to_amqp_and_back_by_what_is_captured(
    brokers: Brokers, bridge: MakeBridge, channel: BlockingChannel, bound: str
) -> None:
    name = bound
    daemon = bridge(
        everywhere(
            brokers,
            f"""
[routes.up]
from.mqtt = {{ topics = ["{name}/up/#"], match = "{name}/up/{{site}}/{{device...}}" }}
to.amqp = {{ exchange = "{name}", routing_key = "up.{{device...}}.at.{{site}}" }}
on_error = "drop"
[routes.down]
from.amqp = {{ exchange = "{name}", exchange_type = "topic", match = "up.{{device...}}.at.{{site}}" }}
to.mqtt = {{ topic = "{name}/down/{{site}}/{{device...}}" }}
""",
        )
    )
    for route in ("up", "down"):
        daemon.wait_state("running", route)
    topics = [f"{site}/{device}" for site in LEVELS for device in (*LEVELS, "x//y", "x/y/z")]
    with mqtt.Session(brokers.mqtt_url, f"{name}-seen", clean=True) as seen:
        seen.subscribe(f"{name}/down/#")
        sent = [*topics[:30], "no-device", *topics[30:], ""]
        seen.publish(mqtt.publish(f"{name}/up/{topic}", b"x", at + 1) for at, topic in enumerate(sent))
        await asyncio.to_thread(ended, daemon, "up", delivered=len(topics), dropped=2)
        await asyncio.to_thread(ended, daemon, "down", delivered=len(topics))
        assert [each.topic.removeprefix(f"{name}/down/") for each in seen.take()] == topics
    words = str.maketrans("./", "/.")
    expected = [topic.translate(words).replace("%2B", "+").split(".", 1) for topic in topics]
    assert keys_in(channel, name, len(topics)) == [f"up.{device}.at.{site}" for site, device in expected]
    assert daemon.stop() == 0
    assert "no_match" in daemon.log.read_text()
    assert f"does not match {name}/up/{{site}}/{{device...}}" in daemon.log.read_text()


async def test_every_routing_key_crosses_mqtt_and_comes_back_as_it_was(
    brokers: Brokers, bridge: MakeBridge, channel: BlockingChannel, bound: str
) -> None:
    name = bound
    origin = f"{name}-origin"
    channel.exchange_declare(origin, "fanout", auto_delete=True)
    daemon = bridge(
        everywhere(
            brokers,
            f"""
[routes.out]
from.amqp = {{ exchange = "{origin}", exchange_type = "fanout" }}
to.mqtt = {{ topic = "{name}/{{address...}}" }}
[routes.back]
from.mqtt = {{ topics = ["{name}/#"], match = "{name}/{{key_...}}" }}
to.amqp = {{ exchange = "{name}", routing_key = "{{key_...}}" }}
""",
        )
    )
    for route in ("out", "back"):
        daemon.wait_state("running", route)
    for key in KEYS:
        channel.basic_publish(origin, key, b"x", pika.BasicProperties(delivery_mode=2))
    assert await asyncio.to_thread(keys_in, channel, name, len(KEYS)) == list(KEYS)
    ended(daemon, "out", delivered=len(KEYS))
    ended(daemon, "back", delivered=len(KEYS))
    assert daemon.stop() == 0
