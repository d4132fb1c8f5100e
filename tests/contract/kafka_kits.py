"""The contract's kit of Kafka: a topic of one partition on a broker that the suite may stop."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge.cli.demo.kafka import Kafka
from bridge.message import Message
from bridge.ports import Place, Sink
from config.settings import BrokerSettings, KafkaSinkSettings
from connectors import kafka

RECORD_LIMIT = 60_000


class KafkaSinkKit:
    """A topic with a low limit for its records, read by Kafka's own consumer."""

    cannot: Mapping[str, str] = {}
    refused = Message(b"x" * 2 * RECORD_LIMIT, "uid-refused")

    def __init__(self, broker: Kafka) -> None:
        self._broker = broker
        self._topic = f"contract-{secrets.token_hex(4)}"

    async def prepare(self) -> None:
        """Create the topic."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._broker.bootstrap)
        await admin.start()
        try:
            configs = {"max.message.bytes": str(RECORD_LIMIT)}
            await admin.create_topics([NewTopic(self._topic, 1, 1, topic_configs=configs)])
        finally:
            await admin.close()

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        broker = BrokerSettings.model_validate(
            {"url": self._broker.url, "broker_timeout": "3s", "connect_timeout": "3s"}
        )
        settings = KafkaSinkSettings.model_validate({"topic": self._topic})
        return kafka.open_sink(broker, settings, Place("bridge", "node", "route", messages, 1 << 25))

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        place = TopicPartition(self._topic, 0)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._broker.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            assert end >= count, f"{end} records, of {count}"
            found = []
            async with asyncio.timeout(30):
                while await consumer.position(place) < end:
                    for records in (await consumer.getmany(place, timeout_ms=200)).values():
                        found += [(record.value, dict(record.headers)) for record in records]
            return found
        finally:
            await consumer.stop()

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)
