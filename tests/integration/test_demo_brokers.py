"""The brokers that the tests stand on: they answer, keep their address and their data, and leave nothing behind."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from yarl import URL

from bridge.cli.demo import brokers as demo_brokers
from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.install import Files
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.redis import Redis
from tests import mqtt
from tests.conftest import MakeTopic


async def test_all_brokers_carry_a_message(
    amqp_url: str, kafka_bootstrap: str, mqtt_url: str, redis_url: str, kafka_topic: MakeTopic, unique: str
) -> None:
    topic = await kafka_topic(partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, b"hello", partition=1)
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest") as consumer:
        assert (await asyncio.wait_for(consumer.getone(), 10)).value == b"hello"

    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue(unique, exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"hello"), unique)
        message = await queue.get(timeout=10)
        assert message.body == b"hello"
        await message.ack()

    with mqtt.Session(mqtt_url, unique, clean=True, expiry=0) as session:
        session.subscribe(unique)
        session.publish([mqtt.publish(unique, b"hello", packet_id=1)])
        assert [each.body for each in session.take()] == [b"hello"]

    async with redis.asyncio.from_url(redis_url) as client:
        await client.xadd(unique, {"body": "hello"})
        assert [fields for _, fields in await client.xrange(unique) or ()] == [{b"body": b"hello"}]
        await client.delete(unique)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_rabbitmq_keeps_its_address_and_durable_queues(own_rabbitmq: RabbitMQ, unique: str, end: str) -> None:
    url = own_rabbitmq.url
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(unique, durable=True)
        await channel.declare_exchange(unique, durable=False)
    await asyncio.to_thread(own_rabbitmq.ctl, "eval", "mnesia:sync_log().")  # a kill soon after may lose the queue
    await asyncio.to_thread(getattr(own_rabbitmq, end))
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", URL(url).port or 0))
    await asyncio.to_thread(own_rabbitmq.start)
    queues = await asyncio.to_thread(own_rabbitmq.ctl, "-q", "list_queues", "name")
    exchanges = await asyncio.to_thread(own_rabbitmq.ctl, "-q", "list_exchanges", "name")
    assert unique in queues
    assert unique not in exchanges


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_kafka_keeps_its_address(own_kafka: Kafka, end: str) -> None:
    bootstrap = own_kafka.bootstrap
    await asyncio.to_thread(getattr(own_kafka, end))
    assert own_kafka.processes == []
    await asyncio.to_thread(own_kafka.start)
    assert own_kafka.bootstrap == bootstrap


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_mosquitto_keeps_its_address_sessions_and_messages(broker_files: Files, tmp_path: Path, end: str) -> None:
    count = 3000  # above max_inflight_messages, and above Mosquitto's own limit of queued messages
    with contextlib.closing(Mosquitto(broker_files.mosquitto, tmp_path)) as broker:
        broker.start()
        with mqtt.Session(broker.url, "reader") as reader:
            reader.subscribe("updates")
        with mqtt.Session(broker.url, "writer", clean=True) as writer:
            writer.publish(mqtt.publish("updates", b"%d" % number, number + 1) for number in range(count))
        broker.save()
        getattr(broker, end)()
        with pytest.raises(ConnectionError):
            mqtt.Session(broker.url, "reader")
        broker.start()
        with mqtt.Session(broker.url, "reader") as reader:
            assert reader.present
            assert [each.body for each in reader.take()] == [b"%d" % number for number in range(count)]


def test_a_durable_mosquitto_keeps_what_it_acknowledged_but_for_its_last_turn(own_mosquitto: Mosquitto) -> None:
    with mqtt.Session(own_mosquitto.url, "reader") as reader:
        reader.subscribe("updates")
    with mqtt.Session(own_mosquitto.url, "writer", clean=True) as writer:
        for number in range(20):
            writer.publish([mqtt.publish("updates", b"%d" % number, number + 1)])
    own_mosquitto.kill()
    own_mosquitto.start()
    with mqtt.Session(own_mosquitto.url, "reader") as reader:
        kept = [each.body for each in reader.take()]
    assert kept == [b"%d" % number for number in range(len(kept))]
    assert len(kept) >= 19


def test_mosquitto_takes_further_settings(broker_files: Files, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read updates\n")
    home = tmp_path / "home"
    home.mkdir()
    settings = [f"acl_file {rights}", "max_packet_size 200"]
    with contextlib.closing(Mosquitto(broker_files.mosquitto, home, settings=settings)) as broker:
        broker.start()
        for body, reason in ((b"forbidden", "0x87"), (bytes(200), "0x95|closed")):
            with (
                mqtt.Session(broker.url, "writer", clean=True) as writer,
                pytest.raises(mqtt.Refused, match=reason),
            ):
                writer.publish([mqtt.publish("updates", body, packet_id=1)])


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_redis_keeps_its_address_and_what_it_answered(own_redis: Redis, end: str) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        for number in range(100):
            client.xadd("updates", {"body": number})
    getattr(own_redis, end)()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", own_redis.port))
    own_redis.start()
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.xlen("updates") == 100


def test_redis_takes_further_settings(broker_files: Files, tmp_path: Path) -> None:
    settings = ["maxmemory 1gb", "requirepass secret"]
    with contextlib.closing(Redis(broker_files.redis, tmp_path, settings=settings)) as server:
        server.start()
        with redis.Redis.from_url(server.url, password="secret") as client:
            assert client.config_get("maxmemory") == {"maxmemory": str(1 << 30)}
            assert client.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("variable", sorted(demo_brokers.KINDS))
def test_a_given_endpoint_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # listens, and says nothing
        port = silent.getsockname()[1]
        for kind in demo_brokers.KINDS:
            monkeypatch.delenv(kind, raising=False)
        monkeypatch.setenv(variable, f"any://user:secret@127.0.0.1:{port}/")
        with pytest.raises(Unavailable) as told:
            demo_brokers.start(lambda line: None)
    assert variable in str(told.value)
    assert f"no {demo_brokers.KINDS[variable].name} answers at 127.0.0.1:{port}" in str(told.value)
    assert "secret" not in str(told.value)


def test_given_endpoints_are_used_as_they_are(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    running = len(brokers.processes)
    for variable, url in brokers.endpoints.items():
        monkeypatch.setenv(variable, url)
    given = demo_brokers.start(lambda line: None)
    assert given.endpoints == brokers.endpoints
    assert given.processes == []
    given.close()
    assert len(brokers.processes) == running, "what is given is not ended"


def test_brokers_end_with_their_parent(tmp_path: Path) -> None:
    starts_one_and_waits = (
        "import sys, time; from pathlib import Path; from bridge.cli.demo.process import Process\n"
        "child = Process('sleep', ['sleep', '600'], Path(sys.argv[1]))\n"
        "print(child.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starts_one_and_waits, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        _wait(lambda: _stat(child).startswith("(sleep)"))  # until then it is setpriv that runs
        parent.kill()
    _wait(lambda: _stat(child) == "" or _stat(child).startswith("(sleep) Z"))


def _wait(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _stat(pid: int) -> str:
    """Its name and state; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().partition(" ")[2]
    except (FileNotFoundError, ProcessLookupError):
        return ""
