"""What the integration tests share: bridges as processes, and a channel of another library's."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli.demo.brokers import Brokers
from tests.conftest import MakeTopic
from tests.integration.amqp_source import pika_channel
from tests.integration.fan import MakeFan, fans
from tests.integration.kafka_source import Group, MakeGroup
from tests.legs import Ends, MakeBridge
from tests.routes import Bridge


@pytest.fixture
def name(unique: str) -> str:
    """A name for this test's queues, exchanges and routes."""
    return unique


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    """A channel at the session's broker, on a connection of its own."""
    with pika_channel(amqp_url) as channel:
        yield channel


@pytest.fixture
def group(kafka_bootstrap: str, unique: str) -> MakeGroup:
    """Makes this test's consumer group at the session's broker."""
    return lambda **table: Group(f"kafka://{kafka_bootstrap}", unique, table)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Callable[[str], Bridge]]:
    """Makes a started bridge from its configuration."""
    with contextlib.ExitStack() as ends:

        def make(toml: str) -> Bridge:
            folder = tmp_path / f"bridge-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            made = Bridge(folder, toml)
            made.start()
            ends.callback(made.kill)
            return made

        yield make


@pytest.fixture
def ends(brokers: Brokers, kafka_topic: MakeTopic, unique: str) -> Ends:
    """Makes this test's ends of a leg."""
    return Ends(brokers, kafka_topic, unique)


@pytest.fixture
def fan(brokers: Brokers, ends: Ends, bridge: MakeBridge, unique: str) -> MakeFan:
    """Makes this test's route to several targets."""
    return fans(brokers, ends, bridge, unique)
