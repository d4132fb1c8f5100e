"""What a source looks at from time to time: whether anybody is there, which topics are, and where partitions end."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from bridge.errors import Disconnected, RouteFault
from connectors.kafka.consumer import Consumer
from connectors.kafka.errors import translated
from connectors.kafka.wanted import Wanted

LOOK_EVERY = 5.0
"""Seconds between two looks."""

_SOON = 1.0  # seconds between two looks while a topic is missing
_BREATH = 0.2  # seconds between a connection that broke and the look at whether anybody is there


class Lookout:
    """Looks for one source. `missing` names what is not there; `ends` are the offsets behind the last records."""

    def __init__(self, broker: str, wanted: Wanted, settled: Callable[[TopicPartition], int]) -> None:
        self.missing: str | None = None
        self.doubt = asyncio.Event()
        """To be set when a broker did not answer: the next look comes at once."""
        self._ends: Mapping[TopicPartition, int] = {}
        self._broker = broker
        self._wanted = wanted
        self._settled = settled

    @property
    def lag(self) -> int | None:
        """Records between what is settled and the ends, as last looked up; None before the first look."""
        if not self._ends:
            return None
        return sum(max(0, end - self._settled(place)) for place, end in self._ends.items())

    def forget(self) -> None:
        """Forget the ends: the partitions are revoked."""
        self._ends = {}

    async def run(self, consumer: Consumer, every: float) -> None:
        """Look every so many seconds, as long as it runs; raises Disconnected, RouteFault (forbidden).

        A look that no broker answers is the sign of a loss.
        """
        loop = asyncio.get_running_loop()
        looked = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SOON if self.missing else every):
                    await self.doubt.wait()
            if self.doubt.is_set():  # part of a cluster may be away for long
                await asyncio.sleep(max(_BREATH, looked + _SOON - loop.time()))
            looked = loop.time()
            self.doubt.clear()
            await self.look_for_topics(consumer)
            await self._look_for_ends(consumer)

    async def look_for_topics(self, consumer: Consumer) -> None:
        """See which topics are missing, and whether that is for lack of a right; raises as `run` does."""
        with translated(self._broker, "asking for topics"):
            if not await consumer.refresh():
                raise Disconnected(f"{self._broker}: no broker answers")
            known = consumer.topics
            before, self.missing = self.missing, self._wanted.waiting(known)
            if self.missing is None or self.missing == before:
                return
            for topic in self._wanted.missing(known):
                if await consumer.is_forbidden(topic):
                    text = f"{self._broker} does not permit reading topic {topic}: grant the user Describe and Read"
                    raise RouteFault(text, "forbidden")

    async def _look_for_ends(self, consumer: Consumer) -> None:
        places = consumer.assignment
        try:
            ends = await consumer.ends(places) if places else {}
        except (KafkaError, TimeoutError):
            return  # a partition without a leader: the last known ends are the best there is
        self._ends = {place: end for place, end in ends.items() if place in consumer.assignment}
