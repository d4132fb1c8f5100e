"""What whole-route tests need: the daemon as a process of its own, and its brokers seen from outside."""

import asyncio
import http.client
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pika
from aiokafka import AIOKafkaConsumer

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.process import Process, free_port

PATIENCE = 60.0


class Bridge:
    """`fedbridge run` with a configuration of its own; killed when the test ends."""

    def __init__(self, folder: Path, toml: str) -> None:
        self._folder = folder
        self.port = free_port()
        self.config = folder / "fedbridge.toml"
        self.config.write_text(f'[admin]\nlisten = "127.0.0.1:{self.port}"\n{toml}')
        self.log = folder / "log"
        self.process: Process

    def start(self) -> None:
        self.process = Process("fedbridge", [sys.executable, "-m", "bridge", "run", "-c", str(self.config)], self.log)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def route(self, name: str = "updates") -> tuple[str, str]:
        """State and reason of a route."""
        status, text = self.get("/readyz?verbose")
        if not status:
            return "down", ""
        found = json.loads(text)["routes"][name]
        return found["state"], found["reason"]

    def wait_state(self, state: str, name: str = "updates") -> str:
        """Wait for a state and give its reason."""
        wait(
            lambda: self.route(name)[0] == state, lambda: f"{name} to be {state}, not {self.route(name)}\n{self.tail()}"
        )
        return self.route(name)[1]

    def metric(self, series: str) -> float:
        """The value of one series as /metrics writes it, 0 where it is not there."""
        _, text = self.get("/metrics")
        match = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return float(match[1]) if match else 0.0

    def fates(self, name: str = "updates") -> dict[str, int]:
        """Messages received, and by how they ended."""
        outcomes = ("delivered", "dead", "dropped", "filtered", "returned")
        ended = {
            outcome: int(self.metric(f'fedbridge_messages_total{{outcome="{outcome}",route="{name}"}}'))
            for outcome in outcomes
        }
        return {"received": int(self.metric(f'fedbridge_messages_received_total{{route="{name}"}}')), **ended}

    def stop(self, seconds: float = PATIENCE) -> int:
        """SIGTERM, and the exit code."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL; nothing happens when it has ended."""
        self.process.kill()

    def tail(self) -> str:
        return self.log.read_text()[-3000:] if self.log.exists() else ""


def wait(condition: Callable[[], object], what: Callable[[], str], seconds: float = PATIENCE) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what()}"
        time.sleep(0.05)


def publish(url: str, exchange: str, bodies: Iterable[str], routing_key: str = "", *, persistent: bool = True) -> None:
    """Publish by pika, each message with its body as the message_id; returns when the broker has taken all."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for body in bodies:
            properties = pika.BasicProperties(
                message_id=body, delivery_mode=2 if persistent else 1, headers={"number": 7, "tenant": "acme"}
            )
            channel.basic_publish(exchange, routing_key, body.encode(), properties)


def queued(url: str, queue: str) -> int:
    """Messages that are ready in a queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


async def records(bootstrap: str, topic: str) -> list[str]:
    """The values of all records of a topic, partition by partition in order."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        found = []
        async with asyncio.timeout(PATIENCE):
            ends = await consumer.end_offsets(sorted(consumer.assignment()))
            for place, end in ends.items():
                await consumer.seek_to_beginning(place)
                while await consumer.position(place) < end:
                    for batch in (await consumer.getmany(place, timeout_ms=200)).values():
                        found += [record.value.decode() for record in batch]
        return found
    finally:
        await consumer.stop()


async def wait_records(bootstrap: str, topic: str, count: int) -> list[str]:
    """Wait until a topic has at least `count` different records; gives all."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = await records(bootstrap, topic)
        if len(set(found)) >= count:
            return found
        assert time.monotonic() < deadline, f"{len(set(found))} of {count} records in {topic}"
        await asyncio.sleep(0.2)


def numbered(count: int, first: int = 0) -> list[str]:
    """Bodies that say their place."""
    return [f"{number:06}" for number in range(first, first + count)]


def configuration(
    amqp_url: str, kafka: str, routes: str, *, mqtt_url: str | None = None, redis_url: str | None = None
) -> str:
    """A configuration of the brokers `rabbit`, `kafka`, `mosquitto` and `redis`, impatient, and of routes as TOML."""
    urls = {"rabbit": amqp_url, "kafka": f"kafka://{kafka}", "mosquitto": mqtt_url, "redis": redis_url}
    tables = (
        f"""[brokers.{name}]
url = "{url}"
heartbeat = "2s"
connect_timeout = "3s"
broker_timeout = "5s"
"""
        for name, url in urls.items()
        if url is not None
    )
    return f"""
[bridge]
name = "test"
instance = "node"
drain_timeout = "20s"
{"".join(tables)}
{routes}
"""


def everywhere(brokers: Brokers, routes: str) -> str:
    """A configuration of all brokers and of routes as TOML."""
    urls = {"mqtt_url": brokers.mqtt_url, "redis_url": brokers.redis_url}
    return configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes, **urls)


def toml(amqp_url: str, kafka: str, source: str, target: str, more: str = "") -> str:
    """A configuration with the route `updates` from AMQP to Kafka."""
    table = f"[routes.updates]\nfrom.amqp = {{ {source} }}\nto.kafka = {{ {target} }}\n{more}"
    return configuration(amqp_url, kafka, table)
