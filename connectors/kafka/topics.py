"""Topics: which exist, how large their records may be, and making them when that is wanted."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from bridge.message import Outcome
from config.kafka import is_target
from connectors.kafka.producer import Producer

_ABSENT_FOR = 5.0  # seconds for which a name that was not there is not looked up again
_SETTLING = 0.2  # seconds to look again: a topic just made takes moments to be known to every broker
_ABSENT_MOST = 10_000  # such names remembered: they come from messages
_TOPIC_RESOURCE = 2  # "TOPIC" in DescribeConfigs
_SIZE = "max.message.bytes"
_EXISTS = 36  # TOPIC_ALREADY_EXISTS


class Target(NamedTuple):
    """Where records can go: a topic, its number of partitions, those with a leader, and the largest batch it takes.

    `limit` is in bytes, the record in its batch; None if the broker does not tell.
    """

    topic: str
    partitions: int
    available: Sequence[int]
    limit: int | None


Course: TypeAlias = Target | Outcome
"""Where the messages of one topic name go: to a topic, or nowhere, for the reason the outcome gives."""


class Topics:
    """What a sink knows of topics. Limits are asked for once: one raised later is noticed by the next opened sink."""

    def __init__(self, *, create: bool) -> None:
        self._create = create
        self._limits: dict[str, int | None] = {}
        self._absent: dict[str, float] = {}
        self.faults: dict[str, str] = {}
        """Why a topic could not be created, in the broker's words."""

    def target(self, producer: Producer, topic: str) -> Target | None:
        """The topic as last looked up, or None if it was not there; never asks the broker."""
        if topic not in self._limits:
            return None
        partitions = producer.cluster.partitions_for_topic(topic)
        if not partitions:
            return None
        available = producer.cluster.available_partitions_for_topic(topic) or partitions
        return Target(topic, len(partitions), sorted(available), self._limits[topic])

    async def find(self, producer: Producer, topics: Iterable[str]) -> None:
        """Look up those of `topics` that are not known, and make them if they are to be made; as `look` and `make`."""
        if missing := await self.look(producer, topics):
            await self.make(producer, missing)

    async def look(self, producer: Producer, topics: Iterable[str]) -> list[str]:
        """Look up those of `topics` that are not known; gives those that are missing and to be made, in order.

        Asks for all topics, so that no broker creates one by being asked for it; looks twice for what is missing, and
        then not again for 5 s. Raises KafkaError, Disconnected. Not bounded by itself; cancel-safe.
        """
        now = asyncio.get_running_loop().time()
        unknown = [
            topic
            for topic in topics
            if self.target(producer, topic) is None and self._absent.get(topic, now) <= now and is_target(topic)
        ]
        if not unknown:
            return []
        if missing := _missing(producer, unknown):
            await producer.refresh()
            missing = _missing(producer, missing)
        if missing:
            await asyncio.sleep(_SETTLING)
            await producer.refresh()
            missing = _missing(producer, missing)
        await self._note(producer, unknown, missing)
        return missing if self._create else []

    async def make(self, producer: Producer, topics: Sequence[str]) -> None:
        """Make topics, which `look` gave; what cannot be made is not tried again for 5 s. As `look`."""
        for topic in topics:
            self._absent.pop(topic, None)  # it counts as absent once it could not be made
        await self._make(producer, topics)
        await self._note(producer, topics, _missing(producer, topics))

    async def _note(self, producer: Producer, topics: Sequence[str], missing: Sequence[str]) -> None:
        absent = frozenset(missing)
        if found := [topic for topic in topics if topic not in absent]:
            self._limits |= await _limits(producer, found)
        if len(self._absent) + len(missing) > _ABSENT_MOST:
            self._absent.clear()
            self.faults.clear()
        self._absent |= dict.fromkeys(missing, asyncio.get_running_loop().time() + _ABSENT_FOR)

    async def _make(self, producer: Producer, topics: Sequence[str]) -> None:
        # -1 partitions of -1 replicas: the cluster's num.partitions and default.replication.factor (KIP-464).
        wanted: list[tuple[str, int, int, list[object], list[object]]] = [(topic, -1, -1, [], []) for topic in topics]
        request = CreateTopicsRequest(create_topic_requests=wanted, timeout=10_000, validate_only=False)
        response = await producer.ask(request, controller=True)
        coming = []
        for topic, code, text in response.topic_errors:
            if code in {0, _EXISTS}:
                coming.append(topic)
                self.faults.pop(topic, None)
            else:
                self.faults[topic] = text or for_code(code).description
        while any(not producer.cluster.available_partitions_for_topic(topic) for topic in coming):
            await asyncio.sleep(0.02)
            await producer.refresh()


def _missing(producer: Producer, topics: Sequence[str]) -> list[str]:
    return [topic for topic in topics if producer.cluster.partitions_for_topic(topic) is None]


async def _limits(producer: Producer, topics: Sequence[str]) -> dict[str, int | None]:
    limits: dict[str, int | None] = dict.fromkeys(topics)
    resources = [(_TOPIC_RESOURCE, topic, [_SIZE]) for topic in topics]
    response = await producer.ask(DescribeConfigsRequest(resources=resources, include_synonyms=False))
    for code, _, _, topic, entries in response.resources:
        for name, value, *_ in entries:
            if code == 0 and name == _SIZE:
                limits[topic] = int(value)
    return limits
