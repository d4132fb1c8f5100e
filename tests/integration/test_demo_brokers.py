"""The brokers that the tests stand on: they answer, keep their address and their data, and leave nothing behind."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aio_pika
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from yarl import URL

from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.conftest import MakeTopic


async def test_both_brokers_carry_a_message(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, unique: str
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


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_rabbitmq_keeps_its_address_and_durable_queues(own_rabbitmq: RabbitMQ, unique: str, end: str) -> None:
    url = own_rabbitmq.url
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(unique, durable=True)
        await channel.declare_exchange(unique, durable=False)
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
