"""Real brokers for every test that asks for them: started once, or at the endpoints that the environment gives.

`brokers` (one session), `amqp_url`, `kafka_bootstrap`, `kafka_topic`, `mqtt_url`, `redis_url`, `unique`;
`own_rabbitmq`, `own_kafka`, `own_mosquitto` and `own_redis` are fresh processes for tests that stop or kill one.
Their methods block: `await asyncio.to_thread(own_kafka.restart)`. `redis_6`, `valkey` (one session) and their URLs
`redis_6_url`, `valkey_url` are other servers of Redis's protocol, `mqtt_3_url` a broker without MQTT 5.
"""

import asyncio
import contextlib
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge.cli.demo import brokers as demo_brokers
from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.errors import Unavailable
from bridge.cli.demo.install import Files, Program
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.process import free_port
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.redis import Redis
from tests import servers

_NEED_FILES = {"brokers", "broker_files"}


# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


class MakeTopic(Protocol):
    """Creates a topic of a unique name, and returns the name when the broker tells of it."""

    def __call__(self, partitions: int = 1, config: Mapping[str, str] | None = None) -> Awaitable[str]: ...


def say(line: str) -> None:
    print(line, file=sys.__stderr__, flush=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what the brokers need before any test's time runs; the fixtures say it when that fails."""
    if any(_NEED_FILES & set(getattr(item, "fixturenames", ())) for item in session.items):
        with contextlib.suppress(Unavailable):
            demo_brokers.files(say)


@pytest.fixture(scope="session")
def broker_files() -> Files:
    """What private brokers are started from."""
    return demo_brokers.files(say)


@pytest.fixture(scope="session")
def brokers() -> Iterator[Brokers]:
    """All brokers for the whole session."""
    with demo_brokers.running(say) as running:
        yield running


@pytest.fixture(scope="session")
def amqp_url(brokers: Brokers) -> str:
    return brokers.amqp_url


@pytest.fixture(scope="session")
def kafka_bootstrap(brokers: Brokers) -> str:
    return brokers.kafka_bootstrap


@pytest.fixture(scope="session")
def mqtt_url(brokers: Brokers) -> str:
    return brokers.mqtt_url


@pytest.fixture(scope="session")
def redis_url(brokers: Brokers) -> str:
    return brokers.redis_url


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name that no other test and no other run uses, for queues, exchanges and groups: append to it for several."""
    return f"test-{request.node.originalname.removeprefix('test_')[:40]}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
async def kafka_admin(brokers: Brokers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers.kafka_bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@pytest.fixture
async def kafka_topic(kafka_admin: AIOKafkaAdminClient, unique: str) -> AsyncIterator[MakeTopic]:
    """The factory of topics; they are deleted after the test."""
    made: list[str] = []

    async def make(partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = f"{unique}-{len(made)}"
        await kafka_admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        made.append(name)
        async with asyncio.timeout(10):
            while True:  # the controller has made it; the broker learns of it a little later
                (found,) = await kafka_admin.describe_topics([name])
                if not found["error_code"]:
                    return name
                await asyncio.sleep(0.01)

    yield make
    if made:
        await kafka_admin.delete_topics(made)


@pytest.fixture
def own_rabbitmq(broker_files: Files) -> Iterator[RabbitMQ]:
    """A running RabbitMQ that this test may stop, kill and restart (about 4 s)."""
    with _folder() as folder, contextlib.closing(RabbitMQ(broker_files.rabbit, folder)) as broker:
        broker.start()
        yield broker


@pytest.fixture
def own_kafka(broker_files: Files) -> Iterator[Kafka]:
    """A running Kafka that this test may stop, kill and restart (about 3 s)."""
    with _folder() as folder, contextlib.closing(Kafka(broker_files.kafka, folder)) as broker:
        broker.start()
        yield broker


@pytest.fixture
def own_mosquitto(broker_files: Files) -> Iterator[Mosquitto]:
    """A running Mosquitto that this test may stop, kill and restart (0.1 s); `Mosquitto` says what `durable` costs."""
    with _folder() as folder, contextlib.closing(Mosquitto(broker_files.mosquitto, folder, durable=True)) as broker:
        broker.start()
        yield broker


@pytest.fixture
def own_redis(broker_files: Files) -> Iterator[Redis]:
    """A running Redis that this test may stop, kill and restart (0.1 s), and that loses nothing it answered."""
    with _redis(broker_files.redis) as server:
        yield server


@pytest.fixture(scope="session")
def redis_6() -> Iterator[Redis]:
    """A Redis 6.2."""
    with _redis(servers.provide(servers.REDIS_6)) as server:
        yield server


@pytest.fixture(scope="session")
def redis_6_url(redis_6: Redis) -> str:
    return redis_6.url


@pytest.fixture(scope="session")
def valkey() -> Iterator[Redis]:
    """A Valkey 8."""
    with _redis(servers.provide(servers.VALKEY)) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(valkey: Redis) -> str:
    return valkey.url


@pytest.fixture(scope="session")
def mqtt_3_url(broker_files: Files) -> Iterator[str]:
    """A broker of MQTT 3.1.1, RabbitMQ 3's plugin: at a CONNECT of MQTT 5 it ends the connection without a word."""
    port = free_port()
    settings = [f"mqtt.listeners.tcp.default = 127.0.0.1:{port}"]
    with _folder() as folder:
        broker = RabbitMQ(broker_files.rabbit, folder, plugins=["rabbitmq_mqtt"], settings=settings)
        with contextlib.closing(broker):
            broker.start()
            yield f"mqtt://127.0.0.1:{port}"


@contextlib.contextmanager
def _redis(program: Program) -> Iterator[Redis]:
    with _folder() as folder, contextlib.closing(Redis(program, folder, fsync="always")) as server:
        server.start()
        yield server


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fedbridge-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
