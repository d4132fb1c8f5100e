"""The story this product exists for: a shop's product updates reach Kafka, and no service knows of the bridge.

ProductCatalogService publishes to a fanout exchange, InventoryService hears it through a queue of its own, and the
bridge relays a copy of everything to the topic that AnalyticsService reads: also what was published while it was away,
and again after RabbitMQ forgot the exchange. In the other direction an order that WebShop writes to Kafka reaches the
exchange from which FulfilmentService has its orders.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.daemon import Daemon
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, free_port, run, wait_until
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.report import Chapter, at_rest

_SERVICES = Path(__file__).parent / "services"
_ARRIVAL_SECONDS = 30.0
_AWAY = 5
_TOML = """\
[bridge]
name = "{name}"

[admin]
listen = "127.0.0.1:{port}"

[brokers.rabbit]
url = "{amqp_url}"

[brokers.kafka]
url = "{kafka_url}"

[routes.product-updates]
from.amqp = {{ exchange = "product_updates", exchange_type = "fanout" }}
to.kafka = {{ topic = "{topic}" }}

[routes.orders]
from.kafka = {{ topics = ["{orders}"] }}
to.amqp = {{ exchange = "shop_orders", routing_key = "order.{{header.region}}" }}
"""

Say = Callable[[str], None]
"""Takes one line of progress."""


class Findings(NamedTuple):
    """What the story showed: its chapters, and the bridge's counters for each of its runs."""

    chapters: list[Chapter]
    runs: list[tuple[str, Mapping[str, int]]]

    def problems(self) -> list[str]:
        """What is wrong, for a person; empty when everything arrived."""
        wrong = [problem for chapter in self.chapters for problem in chapter.problems()]
        for name, counts in self.runs:
            if not at_rest(counts, counts["delivered"]):
                wrong.append(f"{name}: the counters do not add up: {dict(counts)}")
        return wrong


class Story:
    """The services and the bridge on real brokers; `close` ends what runs.

    `tag` makes the bridge's and the topic's name unique where a broker is not the story's own.
    """

    def __init__(self, brokers: Brokers, say: Say, *, tag: str = "", outlives: bool = False) -> None:
        self.brokers = brokers
        self.topic = f"product-updates{tag}"
        self.orders = f"orders{tag}"
        self.bridge_name = f"demo{tag}"
        self.queue = f"fedbridge.{self.bridge_name}.product-updates"
        self.admin_port = free_port()
        self._say = say
        self._outlives = outlives
        self._folder = brokers.folder / "story"
        self._folder.mkdir()
        self.config = self._folder / "fedbridge.toml"
        self._running: list[Process] = []
        self._read: dict[Path, int] = {}

    @property
    def processes(self) -> list[Process]:
        """What runs of it, the newest first."""
        return [process for process in reversed(self._running) if process.running()]

    def close(self) -> None:
        """End everything at once."""
        for process in self.processes:
            process.kill()

    def play(self, messages: int) -> Findings:
        """Play all chapters and leave the services and the bridge running.

        Raises Unavailable, saying what was waited for, when something does not come.
        """
        findings = Findings([], [])
        analytics = self._analytics()
        self._write_routes()
        daemon = self._daemon("the bridge starts; the exchanges are not there yet, so its routes wait for them")
        daemon.wait_alive()
        inventory, fulfilment = self._inventory(), self._fulfilment()
        orders = self._order()
        daemon.wait_ready()
        self._say("the routes run (GET /readyz is 200)")
        findings.chapters.append(self._publish("relayed", "update", messages, inventory, analytics))
        arrived = self._take(fulfilment, len(orders), "FulfilmentService")
        findings.chapters.append(Chapter("back from Kafka", orders, {"FulfilmentService": arrived}))
        findings.runs.append(("first run", self._counters(daemon, messages + len(orders))))
        daemon.stop()
        self._say("the bridge is stopped (SIGTERM: drained, exit code 0)")

        sent = self._catalogue("while-away", _AWAY)
        heard = self._take(inventory, _AWAY, "InventoryService")
        self._show_held()
        daemon = self._daemon("the bridge starts again")
        daemon.wait_ready()
        arrived = self._take(analytics, _AWAY, "Kafka")
        findings.chapters.append(Chapter("kept while away", sent, {"InventoryService": heard, "Kafka": arrived}))
        if self.brokers.rabbitmq is not None:
            findings.chapters.append(self._restart(self.brokers.rabbitmq, daemon, [inventory, fulfilment], analytics))
        findings.runs.append(("second run", self._counters(daemon, _AWAY * len(findings.chapters[2:]))))
        return findings

    def _restart(self, rabbitmq: RabbitMQ, daemon: Daemon, listeners: list[Process], analytics: Process) -> Chapter:
        """Have RabbitMQ forget the exchanges, and publish again; plain pika programs do not come back by themselves."""
        self._say("RabbitMQ restarts: the exchanges, which are not durable, and their bindings are gone")
        rabbitmq.restart_app()
        for listener in listeners:
            listener.kill()
        inventory = self._inventory()
        self._fulfilment()
        daemon.wait_ready()
        self._say("the routes carry on by themselves")
        return self._publish("after a restart", "restarted", _AWAY, inventory, analytics)

    def _publish(self, title: str, prefix: str, count: int, inventory: Process, analytics: Process) -> Chapter:
        sent = self._catalogue(prefix, count)
        heard = self._take(inventory, count, "InventoryService")
        return Chapter(title, sent, {"InventoryService": heard, "Kafka": self._take(analytics, count, "Kafka")})

    def _catalogue(self, prefix: str, count: int) -> list[str]:
        script = str(_SERVICES / "product_catalogue.py")
        arguments = ["--url", self.brokers.amqp_url, "--count", str(count), "--prefix", prefix]
        sent = _texts(run([sys.executable, script, *arguments]), "sent: ")
        self._say(f"ProductCatalogService published {len(sent)}: {sent[0]} … {sent[-1]}")
        return sent

    def _inventory(self) -> Process:
        process = self._service("inventory.py", "--url", self.brokers.amqp_url)
        self._say("InventoryService listens through an exclusive queue of its own")
        return process

    def _analytics(self) -> Process:
        arguments = ("--bootstrap", self.brokers.kafka_bootstrap, "--topic", self.topic)
        process = self._service("analytics.py", *arguments)
        self._say(f"AnalyticsService reads the new Kafka topic {self.topic}")
        return process

    def _fulfilment(self) -> Process:
        process = self._service("fulfilment.py", "--url", self.brokers.amqp_url)
        self._say("FulfilmentService listens for orders of the EU at the topic exchange shop_orders")
        return process

    def _order(self) -> list[str]:
        script = str(_SERVICES / "web_shop.py")
        arguments = ["--bootstrap", self.brokers.kafka_bootstrap, "--topic", self.orders]
        sent = _texts(run([sys.executable, script, *arguments]), "sent: ")
        self._say(f"WebShop wrote to the Kafka topic {self.orders}: {sent[0]}")
        return sent

    def _service(self, script: str, *arguments: str) -> Process:
        log = self._folder / f"{script}.{len(self._running)}.log"
        command = [sys.executable, str(_SERVICES / script), *arguments]
        process = Process(script, command, log, outlives=self._outlives)
        self._running.append(process)
        wait_until(lambda: "waiting for" in log.read_text("utf-8"), f"{script} to be ready", process)
        return process

    def _daemon(self, line: str) -> Daemon:
        self._say(line)
        log = self._folder / f"fedbridge.{len(self._running)}.log"
        daemon = Daemon(self.config, self.admin_port, log, outlives=self._outlives)
        self._running.append(daemon.process)
        return daemon

    def _write_routes(self) -> None:
        values = {"amqp_url": self.brokers.amqp_url, "kafka_url": self.brokers.kafka_url}
        topics = {"topic": self.topic, "orders": self.orders}
        text = _TOML.format(name=self.bridge_name, port=self.admin_port, **values, **topics)
        self.config.write_text(text, "utf-8")
        self._say(f"the routes ({self.config}):\n\n{text}")

    def _take(self, process: Process, count: int, place: str) -> list[str]:
        """What arrived there since the last call, at least `count` of it within 30 s, else what there is by then."""
        before = self._read.get(process.log, 0)

        def arrived() -> list[str]:
            return _texts(process.log.read_text("utf-8"), "received: ")[before:]

        try:
            wait_until(lambda: len(arrived()) >= count, f"{count} updates at {place}", process, _ARRIVAL_SECONDS)
        except Unavailable as error:
            self._say(str(error))
        texts = arrived()
        self._read[process.log] = before + len(texts)
        self._say(f"{place} has {len(texts)} of {count}")
        return texts

    def _counters(self, daemon: Daemon, delivered: int) -> Mapping[str, int]:
        """The counters once they are at rest: they move after the confirmations, a moment after the last arrival."""
        what = f"the bridge's counters to say that {delivered} were delivered and none is open"
        try:
            wait_until(lambda: at_rest(daemon.counters(), delivered), what, daemon.process, _ARRIVAL_SECONDS)
        except Unavailable as error:
            self._say(str(error))
        return daemon.counters()

    def _show_held(self) -> None:
        script = str(_SERVICES / "held.py")
        held = run([sys.executable, script, "--url", self.brokers.amqp_url, "--queue", self.queue]).strip()
        self._say(f"the bridge's durable queue {self.queue} holds {held}")


def _texts(output: str, mark: str) -> list[str]:
    return [line.removeprefix(mark) for line in output.splitlines() if line.startswith(mark)]
