"""Where the messages of one sink go: the topic that its template gives each, and what is wrong where it gives none."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bridge.errors import RouteFault
from bridge.message import Message, Outcome, Verdict
from bridge.templates import lacking, render_text
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, is_target
from config.templates import Template
from connectors.kafka.producer import Producer
from connectors.kafka.topics import Course, Topics


def unfit(name: str) -> Outcome | None:
    """The outcome of messages to a topic that Kafka does not take, None for one that it may."""
    return None if is_target(name) else Outcome(Verdict.REJECTED, "bad_topic", f"{name[:300]!a} cannot be a topic")


def lost(topic: Template, message: Message) -> Outcome:
    """The outcome of a message that lacks what its topic is named after."""
    return Outcome(Verdict.REJECTED, "missing_field", lacking(topic, message))


class Courses:
    """Topics of messages, and what is known of them.

    A template without fields has one topic, `fixed`: it must be there, and choosing it costs no message anything. Of
    others at most `max_topics` are written to, or made: the first that messages name, since what they name is not ours.
    """

    def __init__(self, broker: BrokerSettings, settings: KafkaSinkSettings, written: set[str] | None = None) -> None:
        """`written` are the topics that the target was found to write to before; those of this one are added."""
        self._broker = broker
        self._template = settings.topic
        self._name = render_text(settings.topic)
        self._topics = Topics(create=settings.create)
        self.fixed = settings.topic.fixed
        self._most = settings.max_topics
        self._written: set[str] = set() if written is None else written

    def names(self, messages: Sequence[Message]) -> Mapping[str | None, Sequence[int]]:
        """Give the positions of the messages of each topic name, in order; None is the name of those without one."""
        if self.fixed is not None:
            return {self.fixed: range(len(messages))}
        names: dict[str | None, list[int]] = defaultdict(list)
        for position, message in enumerate(messages):
            names[self._name(message)].append(position)
        return names

    def unknown(self, producer: Producer, names: Iterable[str | None]) -> list[str]:
        """Those of `names` that are to be looked up."""
        return [name for name in names if name is not None and self._topics.target(producer, name) is None]

    async def find(self, producer: Producer, names: Sequence[str]) -> None:
        """Look topics up, or make them, as long as there may be more of them; as `Topics.find`."""
        if self.fixed is not None:
            await self._topics.find(producer, names)
            return
        await self._topics.find(producer, [name for name in names if name in self._written])
        new = [name for name in names if is_target(name) and name not in self._written]
        if len(self._written) >= self._most:
            return
        # All at once, since looking takes its time; what is made is made as long as there is room.
        missing = frozenset(await self._topics.look(producer, new))
        new = [name for name in new if name in missing or self._topics.target(producer, name) is not None]
        while new and (room := self._most - len(self._written)) > 0:
            tried, new = new[:room], new[room:]
            if absent := [name for name in tried if name in missing]:
                await self._topics.make(producer, absent)
            self._written.update(name for name in tried if self._topics.target(producer, name) is not None)

    def fault(self, producer: Producer) -> RouteFault | None:
        """What is wrong (missing, conflict) if the fixed topic is not there, as last looked up."""
        if self.fixed is None or self._topics.target(producer, self.fixed) is not None:
            return None
        return self._missing(self.fixed)

    def lost(self, messages: Sequence[Message], positions: Sequence[int]) -> list[tuple[Course, Sequence[int]]]:
        """Give the outcomes of the messages, by position, that lack what their topic is named after."""
        return [(lost(self._template, messages[position]), (position,)) for position in positions]

    def course(self, producer: Producer, name: str) -> Course:
        """Where the messages of a name go, as last looked up."""
        if (outcome := unfit(name)) is not None:
            return outcome
        if self.fixed is None and name not in self._written and len(self._written) >= self._most:
            text = f"the messages name more than {self._most} topics (max_topics), and {name} is a new one"
            return Outcome(Verdict.REJECTED, "too_many_topics", text)
        target = self._topics.target(producer, name)
        return target or Outcome(Verdict.REJECTED, "missing_topic", str(self._missing(name)))

    def _missing(self, topic: str) -> RouteFault:
        if fault := self._topics.faults.get(topic):
            return RouteFault(f"topic {topic} cannot be created at {self._broker.shown}: {fault}", "conflict")
        host, port = self._broker.urls[0].addresses[0]
        command = f"kafka-topics.sh --bootstrap-server {host}:{port} --create --topic {topic}"
        return RouteFault(
            f"topic {topic} does not exist at {self._broker.shown}: create it ({command}) or set create = true",
            "missing",
        )
