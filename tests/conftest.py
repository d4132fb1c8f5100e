"""Real brokers for every test that asks for them: started once, or at the endpoints that the environment gives.

`brokers` (one session), `amqp_url`, `kafka_bootstrap`, `kafka_topic`, `unique`; `own_rabbitmq` and `own_kafka` are
fresh processes for tests that stop or kill one. Their methods block: `await asyncio.to_thread(own_kafka.restart)`.
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
from bridge.cli.demo.install import Files
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.rabbitmq import RabbitMQ

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
    """RabbitMQ and Kafka for the whole session."""
    with demo_brokers.running(say) as both:
        yield both


@pytest.fixture(scope="session")
def amqp_url(brokers: Brokers) -> str:
    return brokers.amqp_url


@pytest.fixture(scope="session")
def kafka_bootstrap(brokers: Brokers) -> str:
    return brokers.kafka_bootstrap


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
    with tempfile.TemporaryDirectory(prefix="fedbridge-rabbitmq-", ignore_cleanup_errors=True) as folder:
        broker = RabbitMQ(broker_files.rabbit, Path(folder))
        with contextlib.closing(broker):
            broker.start()
            yield broker


@pytest.fixture
def own_kafka(broker_files: Files) -> Iterator[Kafka]:
    """A running Kafka that this test may stop, kill and restart (about 3 s)."""
    with tempfile.TemporaryDirectory(prefix="fedbridge-kafka-", ignore_cleanup_errors=True) as folder:
        broker = Kafka(broker_files.kafka, Path(folder))
        with contextlib.closing(broker):
            broker.start()
            yield broker
