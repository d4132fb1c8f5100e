"""One connected aiokafka consumer: a static member of a group, whose fetched bytes are taken as they came.

aiokafka connects, joins, beats, finds leaders and fetches. Its way of giving records is not used; what is used
instead of its parts is listed in `consumer_hooks`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import TopicPartition

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from connectors.kafka import consumer_hooks, hooks
from connectors.kafka.errors import translated
from connectors.kafka.membership import Membership, NameTaken, make_sure, make_way, of_new_group
from connectors.kafka.producer import host_and_port

SESSION = 45.0
"""Seconds without a heartbeat after which the group gives the member's partitions to others (DESIGN section 3)."""

_GRACE = 1.0  # seconds for sockets to close; a broker that is there takes milliseconds
_REBALANCE = 60.0  # seconds that the group waits for a member to join again
_FOR_EVER = 2**31 - 1  # milliseconds: the time between two polls is ours to watch
_FETCH_MOST = 1 << 20  # bytes of one partition in one fetch
_FETCH_SHARE = 4  # parts of the window in one fetch
_FETCH_LEAST = 1 << 16


class Events(NamedTuple):
    """What the consumer's owner is told."""

    revoked: Callable[[], Coroutine[Any, Any, None]]
    """Awaited before partitions are given back; the group waits for it, at most 60 s."""
    assigned: Callable[[], None]
    """Called when the group has given partitions."""
    failed: Callable[[], None]
    """A broker did not answer."""
    fenced: Callable[[RouteFault], object]
    """Another bridge has taken this member's name (conflict). The group is not joined again."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """aiokafka's way of telling; it wants its own base class."""

    def __init__(self, events: Events) -> None:
        self._events = events

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._events.revoked()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._events.assigned()


class Consumer:
    """A consumer that reads committed records only, commits what it is told, and creates no topic."""

    def __init__(self, broker: BrokerSettings, member: Membership, window: int, events: Events) -> None:
        hooks.teach_codes()
        self._shown = broker.shown
        self._member = member
        self._events = events
        self._timeout = broker.broker_timeout
        fetch = max(_FETCH_LEAST, window // _FETCH_SHARE)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=[host_and_port(*address) for url in broker.urls for address in url.addresses],
            client_id=member.client_id,
            group_id=member.group,
            group_instance_id=member.name,
            session_timeout_ms=int(SESSION * 1000),
            rebalance_timeout_ms=int(_REBALANCE * 1000),
            max_poll_interval_ms=_FOR_EVER,
            request_timeout_ms=max(1, int(min(broker.connect_timeout, broker.broker_timeout) * 1000)),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=fetch,
            max_partition_fetch_bytes=min(fetch, _FETCH_MOST),
        )
        self._fetches = consumer_hooks.watch(self._consumer, events.failed, self._fenced, self._before_joining_again)
        consumer_hooks.before_joining(self._consumer, self._before_joining)
        self._consumer.subscribe(pattern=member.pattern, listener=_Listener(events))
        self._joined = asyncio.Event()
        self.cluster_id = ""
        """The cluster's id, once connected; empty if the broker is too old to have one."""
        self.new: frozenset[TopicPartition] = frozenset()
        """Of a group that is new: the partitions that were there when this member joined it, and still are."""

    async def start(self) -> None:
        """Connect, join the group, and wait until it has given this member its partitions for the first time.

        Raises Disconnected (refused, lost) and RouteFault (forbidden, conflict). Not bounded, since other members may
        take their time: see `connected`. After a cancelled call there is only `drop`.
        """
        with translated(self._shown, f"joining group {self._member.group}"):
            try:
                await self._consumer.start()
            except KafkaConnectionError as error:
                raise Disconnected(f"{self._shown} cannot be reached: is Kafka running there?", "refused") from error
            except NameTaken as taken:
                raise self._conflict(taken.where) from None
        self._joined.set()

    async def connected(self, timeout: float) -> None:
        """Wait until `start` is done, or for `timeout` seconds if at least a broker was reached until then.

        Raises Disconnected (timeout). Cancel-safe.
        """
        with translated(self._shown, "connecting"):
            try:
                async with asyncio.timeout(timeout):
                    await self._joined.wait()
            except TimeoutError:
                if not consumer_hooks.is_connected(self._consumer):
                    raise
            async with asyncio.timeout(self._timeout):
                self.cluster_id = (await self._metadata([])).cluster_id or ""

    @property
    def topics(self) -> set[str]:
        """The names of all topics that this user may see, as last refreshed."""
        return set(consumer_hooks.cluster(self._consumer).topics())

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that are read now."""
        return frozenset(self._consumer.assignment())

    async def refresh(self) -> bool:
        """Learn all topics anew, so that the group learns of new ones; tell whether a broker answered."""
        async with asyncio.timeout(self._timeout):
            answered = await consumer_hooks.refresh(self._consumer)
        if answered:
            topics = self.topics
            self.new = frozenset(place for place in self.new if place.topic in topics)
        return answered

    async def is_forbidden(self, topic: str) -> bool:
        """Whether this user may not see a topic; never creates it. Raises KafkaError, TimeoutError."""
        async with asyncio.timeout(self._timeout):
            response = await self._metadata([topic])
        return any(code == consumer_hooks.TOPIC_AUTHORIZATION_FAILED for code, *_ in response.topics)

    async def ends(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Ask for the offsets behind the last committed records. Raises KafkaError, TimeoutError."""
        async with asyncio.timeout(self._timeout):
            return dict(await self._consumer.end_offsets(list(places)))

    async def fetched(self) -> None:
        """Wait until something may have been fetched; cancel-safe. Raises KafkaError when the group is lost."""
        await consumer_hooks.wait_for_fetch(self._consumer)

    def take(self) -> list[tuple[TopicPartition, consumer_hooks.Fetch | KafkaError]]:
        """Take what was fetched, or the error there was instead; fetching goes on where `go_on` says."""
        return consumer_hooks.take(self._consumer, self._fetches)

    def go_on(self, place: TopicPartition, offset: int) -> None:
        """Fetch the partition from this offset on, if it is still read."""
        consumer_hooks.go_on(self._consumer, place, offset)

    def position(self, place: TopicPartition) -> int:
        """The offset to fetch next; 0 while it is not known."""
        return consumer_hooks.position(self._consumer, place)

    def reset(self, place: TopicPartition, start: str) -> "asyncio.Future[object] | None":
        """Go on at the `earliest` or `latest` offset of a partition; None if it is not read any more.

        The future ends when `position` is that; if the partition is given back before, never.
        """
        return consumer_hooks.reset(self._consumer, place, start)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets, once. Raises KafkaError as the coordinator answered, TimeoutError. Cancel-safe."""
        async with asyncio.timeout(self._timeout):
            await consumer_hooks.commit(self._consumer, offsets)

    @property
    def is_member(self) -> bool:
        """Whether commits can be taken: the group has not gone on without this member."""
        return consumer_hooks.is_member(self._consumer)

    async def drop(self) -> None:
        """Close within a second and stay a member, so that the next one of this name resumes at once; never raises."""
        self._fetches.clear()
        await consumer_hooks.drop(self._consumer, _GRACE)

    async def _before_joining(self, client: Any) -> None:
        await make_way(client, self._member)
        self.new = await of_new_group(client, self._member)

    async def _before_joining_again(self, client: Any) -> None:
        try:
            await make_sure(client, self._member)
        except NameTaken as taken:
            self._fenced(taken.where)
            await asyncio.Event().wait()  # until dropped

    def _fenced(self, where: str = "") -> None:
        self._member.claim.lost = True
        self._events.fenced(self._conflict(where))

    def _conflict(self, where: str) -> RouteFault:
        group, name, instance, *_ = self._member
        other = f"another bridge, at {where}," if where else "another bridge"
        text = f"{self._shown}: {other} has taken the name {name} in group {group}: both have [bridge] instance = "
        text += f'"{instance}"; give each an instance of its own, or stop one (this one goes on {SESSION:g} s after)'
        return RouteFault(text, "conflict")

    async def _metadata(self, topics: list[str]) -> Any:
        return await consumer_hooks.ask(self._consumer, MetadataRequest(topics, allow_auto_topic_creation=False))
