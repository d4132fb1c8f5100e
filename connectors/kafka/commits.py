"""What was settled and is to be committed: one commit in flight, and the next right behind it."""

import asyncio
from collections.abc import Callable, Mapping

from aiokafka.errors import (
    BrokerResponseError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import TopicPartition

from bridge.errors import Disconnected
from connectors.kafka.consumer import Consumer
from connectors.kafka.errors import text_of, translated
from connectors.kafka.partitions import Mark, Partition

_AGAIN = 0.1  # seconds before what the coordinator refused is committed again


class Commits:
    """Partitions in the order of their first use, and what of them the broker has taken.

    `held` messages of `size` bytes were handed out and are not committed: what may come twice.
    """

    def __init__(self, broker: str, timeout: float, freed: Callable[[], None]) -> None:
        """Begin; `timeout` is in seconds, and `freed` is called when less is held."""
        self.partitions: dict[TopicPartition, Partition] = {}
        self.held = 0
        self.size = 0
        self.moved = asyncio.Event()
        """Set when there is something to commit."""
        self.taken = asyncio.Event()
        """Set when the broker has taken a commit, or nothing is left to take."""
        self._broker = broker
        self._timeout = timeout
        self._freed = freed
        self._in_flight = asyncio.Lock()

    def clear(self) -> None:
        """Forget all partitions: they were revoked."""
        self.partitions.clear()
        self.held = self.size = 0
        self.taken.set()

    @property
    def open(self) -> int:
        """Messages handed out and not settled."""
        return sum(partition.open for partition in self.partitions.values())

    @property
    def due(self) -> dict[TopicPartition, Mark]:
        """What was settled and not committed."""
        return {
            place: partition.settled
            for place, partition in self.partitions.items()
            if partition.committed != partition.settled
        }

    async def run(self, consumer: Consumer) -> None:
        """Commit whatever is settled, as long as it runs; raises Disconnected, RouteFault."""
        while True:
            await self.moved.wait()
            self.moved.clear()
            await self.commit(consumer)

    async def commit(self, consumer: Consumer) -> None:
        """Commit what is settled now, and again what the coordinator will not have now, for `broker_timeout`.

        A group that has gone on without this member will revoke its partitions: then nothing is due any more. Raises
        Disconnected (timeout), RouteFault (forbidden). Cancel-safe.
        """
        async with self._in_flight:
            refusal: KafkaError | None = None
            try:
                async with asyncio.timeout(self._timeout):
                    while due := self.due:
                        refusal = await self._try(consumer, due)
                        if refusal is None:
                            return
                        # aiokafka tells the first refusal only: a topic that was deleted costs the others nothing
                        topics = {place.topic for place in due}
                        for topic in topics if len(topics) > 1 else ():
                            await self._try(consumer, {at: mark for at, mark in due.items() if at.topic == topic})
                        await asyncio.sleep(_AGAIN)
            except TimeoutError:
                said = "no answer" if refusal is None else text_of(refusal)
                text = f"{self._broker}: offsets could not be committed for {self._timeout:g} s: {said}"
                raise Disconnected(text, "timeout") from refusal

    async def _try(self, consumer: Consumer, due: Mapping[TopicPartition, Mark]) -> KafkaError | None:
        partitions = dict(self.partitions)  # by the time of the answer there may be others of the same names
        with translated(self._broker, "committing offsets"):
            try:
                await consumer.commit({place: mark.offset for place, mark in due.items()})
            except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
                raise
            except BrokerResponseError as error:
                return error
            except KafkaError as error:
                if not error.retriable:
                    raise
                return error
        for place, mark in due.items():
            if self.partitions.get(place) is partitions[place]:
                self._note(partitions[place], mark)
        self.taken.set()
        self._freed()
        return None

    def _note(self, partition: Partition, mark: Mark) -> None:
        before = partition.committed or Mark(0, 0, 0)
        partition.committed = mark
        self.held -= mark.messages - before.messages
        self.size -= mark.size - before.size
