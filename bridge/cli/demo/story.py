"""The story this product exists for: a shop's product updates reach four systems, and no service knows of the bridge.

ProductCatalogService publishes to a fanout exchange, InventoryService hears it through a queue of its own, and the
bridge relays a copy of everything to a Kafka topic, an MQTT topic and a Redis stream, where AnalyticsService,
ShelfLabelService and StorefrontService read: also what was published while the bridge was away, and again after
RabbitMQ forgot the exchange. In the other direction an order by Kafka, one by MQTT and one by Redis reach the exchange
from which FulfilmentService has its orders.
"""

from collections.abc import Mapping, Sequence

from bridge.cli.demo import cast
from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.cast import Listener, Service
from bridge.cli.demo.daemon import Daemon
from bridge.cli.demo.debian import Say
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.process import Process, free_port, wait_until
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.report import Chapter, Findings, at_rest

_COUNTERS_SECONDS = 30.0
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
[brokers.mosquitto]
url = "{mqtt_url}"
[brokers.redis]
url = "{redis_url}"

[routes.product-updates]
from.amqp = {{ exchange = "product_updates", exchange_type = "fanout" }}
to.kafka = {{ topic = "{updates}" }}
to.mqtt = {{ topic = "shop/{updates}" }}
to.redis = {{ stream = "{updates}" }}

[routes.web-orders]
from.kafka = {{ topics = ["{orders}"] }}
to.amqp = {{ exchange = "shop_orders", routing_key = "order.{{header.region}}" }}

[routes.kiosk-orders]
from.mqtt = {{ topics = ["shop/+/{orders}"] }}
to.amqp = {{ exchange = "shop_orders", routing_key = "order.{{header.region}}" }}

[routes.app-orders]
from.redis = {{ streams = ["{orders}"] }}
to.amqp = {{ exchange = "shop_orders", routing_key = "order.{{header.region}}" }}
"""


class Story:
    """The services and the bridge on real brokers; `close` ends what runs.

    `tag` makes the names of the bridge, the topics and the streams unique where a broker is not the story's own.
    """

    def __init__(self, brokers: Brokers, say: Say, *, tag: str = "", outlives: bool = False) -> None:
        self.brokers = brokers
        self.updates = f"product-updates{tag}"
        """The Kafka topic and the Redis stream of the updates; the MQTT topic has `shop/` before it."""
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

    @property
    def processes(self) -> list[Process]:
        """What runs of it, the newest first."""
        return [process for process in reversed(self._running) if process.running()]

    @property
    def remains(self) -> list[str]:
        """What stays on the brokers that are not the story's own, for a person."""
        brokers, names = self.brokers, f"{self.updates} and {self.orders}"
        found = {
            f"the queue {self.queue} on your RabbitMQ": brokers.rabbitmq,
            f"the topics {names} on your Kafka": brokers.kafka,
            "the session of kiosk-orders on your MQTT broker, for a day": brokers.mosquitto,
            f"the streams {names} on your Redis": brokers.redis,
        }
        return [line for line, own in found.items() if own is None]

    def close(self) -> None:
        """End everything at once."""
        for process in self.processes:
            process.kill()

    def play(self, messages: int) -> Findings:
        """Play all chapters and leave the services and the bridge running.

        Raises Unavailable, saying what was waited for, when something does not come.
        """
        listeners = [self._listen(reader) for reader in cast.readers(self.brokers, self.updates)]
        self._write_routes()
        daemon = self._daemon("the bridge starts; the exchanges are not there yet, so its routes wait for them")
        daemon.wait_alive()
        stock, warehouse = self._at_rabbitmq()
        web_shop, kiosk, mobile_app = cast.customers(self.brokers, self.orders)
        web_order = cast.act(web_shop, self._say)  # makes the topic that its route waits for
        daemon.wait_ready()
        self._say("every route runs (GET /readyz is 200)")
        first = [
            self._publish("relayed", "update", messages, [stock, *listeners]),
            Chapter("back from Kafka", web_order, _heard([warehouse], 1)),
            Chapter("back from MQTT", cast.act(kiosk, self._say), _heard([warehouse], 1)),
            Chapter("back from Redis", cast.act(mobile_app, self._say), _heard([warehouse], 1)),
        ]
        runs = [("first run", self._counters(daemon, first))]
        daemon.stop()
        self._say("the bridge is stopped (SIGTERM: drained, exit code 0)")

        away = self._publish("kept while away", "while-away", _AWAY, [stock])
        self._say(f"the bridge's durable queue {self.queue} holds {cast.held(self.brokers, self.queue)}")
        daemon = self._daemon("the bridge starts again")
        daemon.wait_ready()
        second = [away._replace(arrived={**away.arrived, **_heard(listeners, _AWAY)})]
        if self.brokers.rabbitmq is not None:
            stock = self._restart(self.brokers.rabbitmq, [stock, warehouse])
            daemon.wait_ready()
            self._say("the routes carry on by themselves")
            second.append(self._publish("after a restart", "restarted", _AWAY, [stock, *listeners]))
        runs.append(("second run", self._counters(daemon, second)))
        return Findings([*first, *second], runs)

    def _restart(self, rabbitmq: RabbitMQ, listeners: Sequence[Listener]) -> Listener:
        """Have RabbitMQ forget the exchanges, and start the services there anew; gives InventoryService.

        Plain pika programs do not come back by themselves.
        """
        self._say("RabbitMQ restarts: the exchanges, which are not durable, and their bindings are gone")
        rabbitmq.restart_app()
        for listener in listeners:
            listener.process.kill()
        return self._at_rabbitmq()[0]

    def _publish(self, title: str, prefix: str, count: int, listeners: Sequence[Listener]) -> Chapter:
        sent = cast.act(cast.catalogue(self.brokers, prefix, count), self._say)
        return Chapter(title, sent, _heard(listeners, count))

    def _at_rabbitmq(self) -> tuple[Listener, Listener]:
        """InventoryService and FulfilmentService, listening."""
        return self._listen(cast.inventory(self.brokers)), self._listen(cast.fulfilment(self.brokers))

    def _listen(self, service: Service) -> Listener:
        log = self._folder / f"{service.script}.{len(self._running)}.log"
        listener = Listener(service, log, self._say, outlives=self._outlives)
        self._running.append(listener.process)
        listener.wait_ready()
        return listener

    def _daemon(self, line: str) -> Daemon:
        self._say(line)
        log = self._folder / f"fedbridge.{len(self._running)}.log"
        daemon = Daemon(self.config, self.admin_port, log, outlives=self._outlives)
        self._running.append(daemon.process)
        return daemon

    def _write_routes(self) -> None:
        brokers = self.brokers
        text = _TOML.format(
            name=self.bridge_name,
            port=self.admin_port,
            amqp_url=brokers.amqp_url,
            kafka_url=brokers.kafka_url,
            mqtt_url=brokers.mqtt_url,
            redis_url=brokers.redis_url,
            updates=self.updates,
            orders=self.orders,
        )
        self.config.write_text(text, "utf-8")
        self._say(f"the routes ({self.config}):\n\n{text}")

    def _counters(self, daemon: Daemon, chapters: Sequence[Chapter]) -> Mapping[str, int]:
        """The counters once they are at rest: they move after the confirmations, a moment after the last arrival."""
        delivered = sum(len(chapter.sent) for chapter in chapters)
        what = f"the bridge's counters to say that {delivered} were delivered and none is open"
        try:
            wait_until(lambda: at_rest(daemon.counters(), delivered), what, daemon.process, _COUNTERS_SECONDS)
        except Unavailable as error:
            self._say(str(error))
        return daemon.counters()


def _heard(listeners: Sequence[Listener], count: int) -> dict[str, list[str]]:
    return {listener.name: listener.heard(count) for listener in listeners}
