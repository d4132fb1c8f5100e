"""Who takes part in the story: the shop's services, each a plain program of its client library in its own process."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.debian import Say
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, run, wait_until

_SCRIPTS = Path(__file__).parent / "services"
_ARRIVAL_SECONDS = 30.0


class Service(NamedTuple):
    """A service: its name, its script with the options, and what it does, for a person."""

    name: str
    script: str
    options: Sequence[str]
    does: str

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, str(_SCRIPTS / self.script), *self.options]


class Listener:
    """A service that runs and prints what it receives."""

    def __init__(self, service: Service, log: Path, say: Say, *, outlives: bool) -> None:
        """Start it without waiting for it."""
        self.name = service.name
        self.process = Process(service.script, service.command, log, outlives=outlives)
        self._service = service
        self._say = say
        self._seen = 0

    def wait_ready(self) -> None:
        """Wait until it listens; raises Unavailable when it does not."""
        log = self.process.log
        wait_until(lambda: "waiting for" in log.read_text("utf-8"), f"{self.name} to be ready", self.process)
        self._say(f"{self.name} {self._service.does}")

    def heard(self, count: int) -> list[str]:
        """What it received since the last call: at least `count` texts within 30 s, else what there is by then."""
        what = f"{count} texts at {self.name}"
        try:
            wait_until(lambda: len(self._fresh()) >= count, what, self.process, _ARRIVAL_SECONDS)
        except Unavailable as error:
            self._say(str(error))
        texts = self._fresh()
        self._seen += len(texts)
        self._say(f"{self.name} has {len(texts)} of {count}")
        return texts

    def _fresh(self) -> list[str]:
        return _texts(self.process.log.read_text("utf-8"), "received: ")[self._seen :]


def act(service: Service, say: Say) -> list[str]:
    """Run a service that sends something and ends; gives what it sent."""
    sent = _texts(run(service.command), "sent: ")
    say(f"{service.name} {service.does}: {' … '.join(dict.fromkeys((sent[0], sent[-1])))}")
    return sent


def held(brokers: Brokers, queue: str) -> str:
    """How many messages a queue of RabbitMQ holds, as an operator's script says it."""
    return run([sys.executable, str(_SCRIPTS / "held.py"), "--url", brokers.amqp_url, "--queue", queue]).strip()


def catalogue(brokers: Brokers, prefix: str, count: int) -> Service:
    """Who publishes the updates."""
    options = ("--url", brokers.amqp_url, "--count", str(count), "--prefix", prefix)
    return Service("ProductCatalogService", "product_catalogue.py", options, f"published {count}")


def inventory(brokers: Brokers) -> Service:
    """Who has always had the updates."""
    options = ("--url", brokers.amqp_url)
    does = "listens to product_updates through an exclusive queue of its own"
    return Service("InventoryService (RabbitMQ)", "inventory.py", options, does)


def fulfilment(brokers: Brokers) -> Service:
    """Who wants the orders."""
    does = "listens for orders of the EU at the topic exchange shop_orders"
    return Service("FulfilmentService (RabbitMQ)", "fulfilment.py", ("--url", brokers.amqp_url), does)


def readers(brokers: Brokers, updates: str) -> list[Service]:
    """Who gets the updates by the bridge: from a Kafka topic, an MQTT topic below `shop/` and a Redis stream."""
    kafka = ("--bootstrap", brokers.kafka_bootstrap, "--topic", updates)
    mqtt = ("--url", brokers.mqtt_url, "--topic", f"shop/{updates}")
    redis = ("--url", brokers.redis_url, "--stream", updates)
    return [
        Service("AnalyticsService (Kafka)", "analytics.py", kafka, f"reads the new topic {updates}"),
        Service("ShelfLabelService (MQTT)", "shelf_labels.py", mqtt, f"is subscribed to the topic shop/{updates}"),
        Service("StorefrontService (Redis)", "storefront.py", redis, f"reads the stream {updates}"),
    ]


def customers(brokers: Brokers, orders: str) -> list[Service]:
    """Who orders: by a Kafka topic, by an MQTT topic below `shop/`, and by a Redis stream."""
    kafka = ("--bootstrap", brokers.kafka_bootstrap, "--topic", orders)
    mqtt = ("--url", brokers.mqtt_url, "--topic", f"shop/kiosk-1/{orders}")
    redis = ("--url", brokers.redis_url, "--stream", orders)
    return [
        Service("WebShop (Kafka)", "web_shop.py", kafka, f"wrote to the topic {orders}"),
        Service("Kiosk (MQTT)", "kiosk.py", mqtt, f"published to the topic shop/kiosk-1/{orders}"),
        Service("MobileApp (Redis)", "mobile_app.py", redis, f"added to the stream {orders}"),
    ]


def _texts(output: str, mark: str) -> list[str]:
    return [line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark)]
