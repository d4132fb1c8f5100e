"""One connected aiokafka producer: opened within a time, asked, given batches, and dropped."""

import asyncio
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.metadata import MetadataRequest

from bridge.errors import Disconnected
from config.brokers import BrokerSettings
from connectors.kafka import hooks
from connectors.kafka.errors import translated

_GRACE = 1.0  # seconds for sockets to close; a broker that is there takes milliseconds


class Producer:
    """A producer with `acks=all`, idempotent or not, that knows all topics of the cluster and creates none.

    Batches are not merged or held back: linger is 0 and each is closed before it is given. A request is given up, and
    sent again, after the shorter of `connect_timeout` and `broker_timeout`.
    """

    def __init__(
        self, broker: BrokerSettings, client_id: str, *, idempotent: bool, answered: hooks.Answered | None
    ) -> None:
        hooks.teach_codes()
        self._shown = broker.shown
        self._producer = AIOKafkaProducer(
            bootstrap_servers=[host_and_port(*address) for url in broker.urls for address in url.addresses],
            client_id=client_id,
            acks="all",
            enable_idempotence=idempotent,
            linger_ms=0,
            request_timeout_ms=max(1, int(min(broker.connect_timeout, broker.broker_timeout) * 1000)),
        )
        if answered is not None:
            hooks.watch_answers(self._producer, answered)
        self._requests = hooks.watch_requests(self._producer)
        self._dropped = False
        self.cluster_id = ""
        """The cluster's id, once connected; empty if the broker is too old to have one."""

    @classmethod
    async def open(
        cls,
        broker: BrokerSettings,
        client_id: str,
        timeout: float,
        *,
        idempotent: bool = True,
        answered: hooks.Answered | None = None,
    ) -> Self:
        """Connect within `timeout` seconds, and learn the cluster's topics; `answered` is told every answer to a batch.

        Raises Disconnected (refused, timeout). Cancel-safe: nothing stays open.
        """
        self = cls(broker, client_id, idempotent=idempotent, answered=answered)
        try:
            with translated(broker.shown, "connecting"):
                try:
                    async with asyncio.timeout(timeout):
                        await self._producer.start()
                        await self.refresh()
                        about = await self.ask(MetadataRequest([], allow_auto_topic_creation=False))
                        self.cluster_id = about.cluster_id or ""
                except KafkaConnectionError as error:
                    raise Disconnected(
                        f"{broker.shown} cannot be reached: is Kafka running there?", "refused"
                    ) from error
        except BaseException:
            await self.drop()
            raise
        return self

    @property
    def cluster(self) -> Any:
        """aiokafka's ClusterMetadata, as last refreshed."""
        return self._producer.client.cluster

    async def refresh(self) -> None:
        """Learn all topics anew; raises Disconnected when no broker answers. Not bounded by itself."""
        if not await self._producer.client.force_metadata_update():
            raise Disconnected(f"{self._shown}: no broker answers a request for metadata", "timeout")

    async def ask(self, request: Any, *, controller: bool = False) -> Any:
        """Send a request of aiokafka.protocol to any broker, or to the controller, and give its response.

        Raises KafkaError. Not bounded by itself.
        """
        client = self._producer.client
        chosen = client.cluster.controller if controller else None
        return await client.send(client.get_random_node() if chosen is None else chosen.nodeId, request)

    async def submit(self, builder: BatchBuilder, topic: str, partition: int) -> asyncio.Future[Any]:
        """Hand over a closed batch; the future ends when the broker has confirmed it or refused it for good.

        Returns without waiting if the partition is known and has no other batch in hand. Raises KafkaError for a
        producer that has failed, Disconnected for a partition that is gone.
        """
        if partition not in (self.cluster.partitions_for_topic(topic) or ()):
            raise Disconnected(f"{self._shown}: partition {partition} of topic {topic} is gone")
        future: asyncio.Future[Any] = await self._producer.send_batch(builder, topic, partition=partition)
        return future

    async def drop(self) -> None:
        """Close without waiting for confirmations; within a second, never raises, harmless to repeat."""
        if self._dropped:
            return
        self._dropped = True
        await hooks.drop(self._producer, self._requests, _GRACE)


def host_and_port(host: str, port: int) -> str:
    """Write an address as Kafka's clients take it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
