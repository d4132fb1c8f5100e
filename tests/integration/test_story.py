"""The story this product exists for (issue 1, point 3), with the services as plain pika programs."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pika
import pytest

from bridge.cli.demo import services
from bridge.cli.demo.process import Process
from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.conftest import MakeTopic
from tests.routes import Bridge, publish, queued, toml, wait, wait_records

SERVICES = Path(next(iter(services.__path__)))
SOURCE = 'exchange = "product_updates", exchange_type = "fanout"'


class Inventory:
    """InventoryService as a process, and what it has printed."""

    def __init__(self, url: str, folder: Path) -> None:
        self.log = folder / "inventory.log"
        self.process = Process("inventory", [sys.executable, str(SERVICES / "inventory.py"), "--url", url], self.log)
        wait(lambda: "waiting for updates" in self.log.read_text(), self.log.read_text)

    def received(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line.removeprefix("received: ") for line in lines if line.startswith("received: ")]


def catalogue(url: str, prefix: str, count: int = 10) -> list[str]:
    """Run ProductCatalogService; gives what it published."""
    command = [sys.executable, str(SERVICES / "product_catalogue.py"), "--url", url]
    folder = Path("/dev/null")
    process = Process("catalogue", [*command, "--count", str(count), "--prefix", prefix], folder)
    assert process.wait(30) == 0
    return [f"{prefix} {number}" for number in range(1, count + 1)]


@pytest.mark.parametrize("first", ["services", "bridge"])
async def test_every_update_reaches_kafka_and_the_inventory(
    own_rabbitmq: RabbitMQ,
    kafka_bootstrap: str,
    kafka_topic: MakeTopic,
    bridge: Callable[[str], Bridge],
    tmp_path: Path,
    first: str,
) -> None:
    topic = await kafka_topic()
    url, queue = own_rabbitmq.url, "fedbridge.test.updates"
    configuration = toml(url, kafka_bootstrap, SOURCE, f'topic = "{topic}"')
    if first == "bridge":
        daemon = bridge(configuration)
        assert "exchange product_updates" in daemon.wait_state("waiting")
        inventory = Inventory(url, tmp_path)
    else:
        inventory = Inventory(url, tmp_path)
        daemon = bridge(configuration)
    daemon.wait_state("running")

    expected = catalogue(url, "first")
    assert await wait_records(kafka_bootstrap, topic, 10) == expected
    wait(lambda: inventory.received() == expected, lambda: f"the inventory's copies: {inventory.received()}")
    if first == "services":
        assert daemon.stop() == 0
        inventory.process.kill()
        return

    # While the bridge is stopped its durable queue keeps the updates.
    assert daemon.stop() == 0
    expected += catalogue(url, "while the bridge was away")
    assert queued(url, queue) == 10
    daemon.start()
    assert await wait_records(kafka_bootstrap, topic, 20) == expected
    wait(lambda: inventory.received() == expected, lambda: f"the inventory's copies: {inventory.received()}")

    # The exchange is deleted and declared again.
    daemon.wait_state("running")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().exchange_delete("product_updates")
    daemon.wait_state("waiting")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().exchange_declare("product_updates", "fanout")
    daemon.wait_state("running")
    expected += catalogue(url, "after the exchange was made anew")
    assert await wait_records(kafka_bootstrap, topic, 30) == expected

    # The broker restarts: the exchange and its bindings are gone, the queue is not.
    await asyncio.to_thread(own_rabbitmq.restart)
    daemon.wait_state("waiting")
    inventory.process.kill()
    inventory = Inventory(url, tmp_path)
    daemon.wait_state("running")
    expected += catalogue(url, "after the broker's restart")
    assert await wait_records(kafka_bootstrap, topic, 40) == expected
    assert daemon.stop() == 0
    inventory.process.kill()


async def test_an_exchange_with_stated_durability_is_created_for_its_publisher(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: Callable[[str], Bridge], unique: str
) -> None:
    topic = await kafka_topic()
    source = f'exchange = "{unique}", exchange_type = "fanout", exchange_durable = false, queue = "{unique}"'
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}"'))
    daemon.wait_state("running")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().exchange_declare(unique, "fanout")  # as the publisher does, not durable
    publish(amqp_url, unique, ["one", "two"])
    assert await wait_records(kafka_bootstrap, topic, 2) == ["one", "two"]
    assert daemon.stop() == 0


async def test_it_lives_with_a_durable_exchange_and_binding_keys(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: Callable[[str], Bridge], unique: str
) -> None:
    topic = await kafka_topic()
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().exchange_declare(unique, "topic", durable=True)
    source = f'exchange = "{unique}", exchange_type = "topic", binding_keys = ["order.*.eu"], queue = "{unique}"'
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}", key = "{{routing_key}}"'))
    daemon.wait_state("running")
    publish(amqp_url, unique, ["yes"], "order.paid.eu")
    publish(amqp_url, unique, ["no"], "order.paid.us")
    publish(amqp_url, unique, ["yes too"], "order.sent.eu")
    assert await wait_records(kafka_bootstrap, topic, 2) == ["yes", "yes too"]
    assert daemon.stop() == 0
    assert daemon.process.running() is False
