"""The contract's kits of Kafka: a topic of one partition on a broker that the suite may stop."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge.cli.demo.kafka import Kafka
from bridge.message import Header, Message
from bridge.ports import Place, Sink, Source
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from connectors import kafka
from connectors.kafka.codec import Encoder

RECORD_LIMIT = 60_000


class KafkaSourceKit:
    """A topic, written to by Kafka's own producer and read by a group of its own."""

    cannot: Mapping[str, str] = {
        "marks_what_was_given_before": "Kafka does not say whether a record was given before",
        "what_is_not_settled_comes_back_and_nothing_else": "a commit is one offset: what lies beyond a gap comes again",
    }

    def __init__(self, broker: Kafka) -> None:
        self._broker = broker
        self._topic = f"contract-{secrets.token_hex(4)}"

    async def prepare(self) -> None:
        """Create the topic."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._broker.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(self._topic, 1, 1)])
        finally:
            await admin.close()

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        broker = BrokerSettings.model_validate(
            {"url": self._broker.url, "broker_timeout": "3s", "connect_timeout": "3s"}
        )
        settings = KafkaSourceSettings.model_validate({"topics": [self._topic], "group": self._topic})
        return kafka.open_source(broker, settings, Place("bridge", "node", "route", messages, size), look_every=1.0)

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._broker.bootstrap, acks="all", enable_idempotence=True)
        try:
            await producer.start()
            record = Encoder().record(Message(None, "uid", headers=headers), None)
            given = [(name, value) for name, value in record.headers if name != "fedbridge-uid"]
            sent = [await producer.send(self._topic, body, headers=given) for body in bodies]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def left(self) -> int:
        place = TopicPartition(self._topic, 0)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._broker.bootstrap, group_id=self._topic, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([place])
            return int((await consumer.end_offsets([place]))[place] - (await consumer.committed(place) or 0))
        finally:
            await consumer.stop()

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)


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
