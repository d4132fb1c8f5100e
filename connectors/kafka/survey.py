"""What the routes of a configuration need at a Kafka cluster, looked up without changing anything there.

A right is asked for by a request that cannot do anything, since it is about a partition, a generation or a topic that
is not there; the broker looks at the right first. Seen on 3.9.0. No topic is made by being asked for: only the list of
all topics is fetched.
"""

import asyncio
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateTopicsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest

from bridge.findings import End, Finding, Tell
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from connectors.kafka.errors import translated
from connectors.kafka.producer import Producer, host_and_port

_NO_PARTITION: Final = 2**31 - 1
_NO_GENERATION: Final = -1
_FORBIDDEN: Final = frozenset({29, 30, 31})  # {TOPIC,GROUP,CLUSTER}_AUTHORIZATION_FAILED of the Kafka protocol
_SOON: Final = 10_000  # milliseconds for the controller to say whether it would make a topic


async def survey(broker: BrokerSettings, ends: Sequence[End], tell: Tell) -> None:
    """Connect, and tell of every end what it finds: in the order given, each finding as soon as it is known.

    Takes at most `connect_timeout` and then `broker_timeout` for each end. Raises Disconnected, also when some findings
    have been told, and RouteFault.
    """
    producer = await Producer.open(broker, "fedbridge-check", broker.connect_timeout, idempotent=False)
    try:
        look = _Look(producer, broker)
        for end in ends:
            with translated(broker.shown, f"looking for what {end.key} needs"):
                async with asyncio.timeout(broker.broker_timeout):
                    found = await look.at(end)
            for finding in found:
                tell(end, finding)
    finally:
        await producer.drop()


class _Look:
    """One look at a cluster."""

    def __init__(self, producer: Producer, broker: BrokerSettings) -> None:
        hosts = [host_and_port(*address) for url in broker.urls for address in url.addresses]
        self._producer = producer
        self._server = ["--bootstrap-server", ",".join(hosts)]
        self._user = f"User:{broker.login()[0] or 'ANONYMOUS'}"
        self._topics: frozenset[str] = frozenset(producer.cluster.topics(exclude_internal_topics=False))

    async def at(self, end: End) -> list[Finding]:
        """Everything about one source or target."""
        if isinstance(end.settings, KafkaSourceSettings):
            return await self._source(end, end.settings)
        if isinstance(end.settings, KafkaSinkSettings):
            return [await self._target(end, end.settings)]
        return []

    async def _source(self, end: End, settings: KafkaSourceSettings) -> list[Finding]:
        found = []
        if settings.pattern is not None:
            pattern = re.compile(settings.pattern)
            names = sorted(name for name in self._topics if pattern.fullmatch(name) and not name.startswith("__"))
            if not names:
                text = f"no topic that this user may see matches {settings.pattern}: the route will wait for one"
                found.append(Finding("missing", text, (f"make one, or change {end.key}.pattern",)))
        else:
            names = settings.topics or []
        found += [await self._readable(name) for name in names]
        group = settings.group or end.place.names.group
        code = (await self._producer.ask(HeartbeatRequest(group, _NO_GENERATION, ""))).error_code
        if code in _FORBIDDEN:
            text = f"{self._user} may not read as group {group}"
            found.append(Finding("forbidden", text, self._acl("--operation", "Read", "--group", group)))
        else:
            found.append(Finding("ok", f"group {group} may be joined"))
        return found

    async def _readable(self, name: str) -> Finding:
        request = FetchRequest(0, 0, 1, 0, [(name, [(_NO_PARTITION, 0, 1)])])
        code = _only(partitions[0][1] for _, partitions in (await self._producer.ask(request)).topics)
        if code in _FORBIDDEN:
            return self._forbidden(name, "read", "Read")
        if name in self._topics:
            return Finding("ok", f"topic {name} is there")
        text = f"there is no topic {name}: the route will wait for it"
        return Finding("missing", text, (self._make(name),), _topic(name))

    async def _target(self, end: End, settings: KafkaSinkSettings) -> Finding:
        name = settings.topic.fixed
        if name is None:
            return Finding("unknown", f"topic {settings.topic}: which one depends on the message")
        request = ProduceRequest(None, 1, _SOON, [(name, [(_NO_PARTITION, b"")])])
        code = _only(partitions[0][1] for _, partitions in (await self._producer.ask(request)).topics)
        if code in _FORBIDDEN:
            return self._forbidden(name, "write to", "Write")
        if name in self._topics:
            return Finding("ok", f"topic {name} is there")
        if not settings.create:
            return Finding(
                "missing",
                f"there is no topic {name}",
                (self._make(name), f"or let the route make it: {end.key}.create = true"),
                _topic(name),
            )
        return await self._creatable(name)

    async def _creatable(self, name: str) -> Finding:
        wanted: list[tuple[str, int, int, list[object], list[object]]] = [(name, -1, -1, [], [])]
        request = CreateTopicsRequest(create_topic_requests=wanted, timeout=_SOON, validate_only=True)
        ((_, code, said),) = (await self._producer.ask(request, controller=True)).topic_errors
        if code in _FORBIDDEN:
            text = f"topic {name} is not there, and {self._user} may not create it"
            return Finding("forbidden", text, (self._make(name), *self._acl("--operation", "Create", "--topic", name)))
        if code:
            return Finding("conflict", f"topic {name} cannot be created: {said or for_code(code).description}")
        return Finding("created", f"topic {name} is not there yet and will be created", thing=_topic(name))

    def _forbidden(self, name: str, doing: str, operation: str) -> Finding:
        seen = "" if name in self._topics else " (nor see whether it is there)"
        words = ("--operation", operation, "--operation", "Describe", "--topic", name)
        return Finding("forbidden", f"{self._user} may not {doing} topic {name}{seen}", self._acl(*words))

    def _make(self, name: str) -> str:
        return "$ " + shlex.join(["kafka-topics.sh", *self._server, "--create", "--topic", name])

    def _acl(self, *words: str) -> tuple[str, str]:
        """The command that grants it, and what to do where something denies it: a denial wins over any grant."""
        add = ["kafka-acls.sh", *self._server, "--add", "--allow-principal", self._user, *words]
        look = ["kafka-acls.sh", *self._server, "--list", *words[-2:]]
        return "$ " + shlex.join(add), f"and remove what denies it, if {shlex.join(look)} shows such"


def _topic(name: str) -> str:
    return f"topic {name}"


def _only(codes: Iterator[Any]) -> int:
    return int(next(codes, 0))
