"""Brokers that the contract suite may stop: one of each for the whole suite."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli.demo.install import Files
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.redis import Redis


@pytest.fixture(scope="package")
def stoppable_rabbitmq(broker_files: Files) -> Iterator[RabbitMQ]:
    with (
        tempfile.TemporaryDirectory(prefix="fedbridge-contract-", ignore_cleanup_errors=True) as folder,
        contextlib.closing(RabbitMQ(broker_files.rabbit, Path(folder))) as broker,
    ):
        broker.start()
        yield broker


@pytest.fixture(scope="package")
def stoppable_kafka(broker_files: Files) -> Iterator[Kafka]:
    with (
        tempfile.TemporaryDirectory(prefix="fedbridge-contract-", ignore_cleanup_errors=True) as folder,
        contextlib.closing(Kafka(broker_files.kafka, Path(folder))) as broker,
    ):
        broker.start()
        yield broker


@pytest.fixture(scope="package")
def stoppable_mosquitto(broker_files: Files) -> Iterator[Mosquitto]:
    with (
        tempfile.TemporaryDirectory(prefix="fedbridge-contract-", ignore_cleanup_errors=True) as folder,
        contextlib.closing(Mosquitto(broker_files.mosquitto, Path(folder))) as broker,
    ):
        broker.start()
        yield broker


@pytest.fixture(scope="package")
def stoppable_redis(broker_files: Files) -> Iterator[Redis]:
    with (
        tempfile.TemporaryDirectory(prefix="fedbridge-contract-", ignore_cleanup_errors=True) as folder,
        contextlib.closing(Redis(broker_files.redis, Path(folder))) as broker,
    ):
        broker.start()
        yield broker
