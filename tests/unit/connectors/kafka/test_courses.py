"""Which topic a message goes to."""

from types import SimpleNamespace
from typing import Any, cast

from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.admin import CreateTopicsRequest

from bridge.message import Message, Outcome, Verdict
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings
from connectors.kafka.courses import Courses
from connectors.kafka.producer import Producer
from connectors.kafka.topics import Target


def courses(topic: str, **settings: object) -> Courses:
    broker = BrokerSettings.model_validate({"url": "kafka://127.0.0.1:9092"})
    return Courses(broker, KafkaSinkSettings.model_validate({"topic": topic, **settings}))


class Played:
    """What a producer knows of a broker with some topics, that makes all but those whose names begin with no."""

    def __init__(self, *topics: str) -> None:
        self.there = {*topics}
        self.cluster = SimpleNamespace(
            partitions_for_topic=lambda topic: {0} if topic in self.there else None,
            available_partitions_for_topic=lambda topic: {0} if topic in self.there else None,
        )
        self.refreshed = 0
        self.made: list[list[str]] = []

    @property
    def producer(self) -> Producer:
        assert all(hasattr(ClusterMetadata, name) for name in vars(self.cluster))
        return cast(Producer, self)

    async def refresh(self) -> None:
        self.refreshed += 1

    async def ask(self, request: Any, *, controller: bool = False) -> Any:
        if not isinstance(request, CreateTopicsRequest):
            return SimpleNamespace(resources=[])
        assert controller
        asked = [topic for topic, *_ in request.create_topic_requests]
        self.made.append(asked)
        self.there.update(topic for topic in asked if not topic.startswith("no"))
        return SimpleNamespace(topic_errors=[(topic, 29 * topic.startswith("no"), None) for topic in asked])


def addressed(*addresses: str | None) -> list[Message]:
    return [Message(b"", "u", headers=() if address is None else (("to", "string", address),)) for address in addresses]


def test_one_topic_takes_all() -> None:
    fixed = courses("orders")
    assert fixed.fixed == "orders"
    assert {name: list(at) for name, at in fixed.names(addressed("a", None)).items()} == {"orders": [0, 1]}


def test_a_template_parts_the_messages_in_order() -> None:
    template = courses("orders.{header.to}")
    assert template.fixed is None
    names = template.names(addressed("b", "a", None, "b", "a/b"))
    assert names == {"orders.b": [0, 3], "orders.a": [1], None: [2], "orders.a/b": [4]}


def test_a_message_without_a_topic_is_told_what_it_lacks() -> None:
    ((outcome, positions),) = courses("orders.{header.to}").lost(addressed("b", None), [1])
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, outcome.reason, list(positions)) == (Verdict.REJECTED, "missing_field", [1])
    assert outcome.detail.startswith("the message lacks {header.to}, which 'orders.{header.to}' needs")


async def found(template: Courses, broker: Played, *names: str) -> list[str]:
    """What becomes of messages to topics: the topic, or the reason why not."""
    await template.find(broker.producer, template.unknown(broker.producer, names))
    ways = [template.course(broker.producer, name) for name in names]
    return [way.topic if isinstance(way, Target) else way.reason for way in ways]


async def test_near_the_most_topics_all_names_are_looked_up_at_once() -> None:
    broker = Played("a", "z")
    template = courses("{header.to}", max_topics=2)
    assert await found(template, broker, "a") == ["a"]
    absent = [f"absent{number}" for number in range(40)]
    looked = broker.refreshed
    assert await found(template, broker, *absent, "z") == ["too_many_topics"] * 40 + ["z"]
    assert broker.refreshed - looked == 2


async def test_no_more_topics_are_made_than_may_be_written_to() -> None:
    broker = Played("a", "z")
    template = courses("{header.to}", create=True, max_topics=3)
    assert await found(template, broker, "a") == ["a"]
    names = ["no1", "new1", "no2", "new2", "new3", "z"]
    assert await found(template, broker, *names) == [
        "too_many_topics", "new1", "too_many_topics", "new2", "too_many_topics", "too_many_topics",
    ]  # fmt: skip
    assert broker.made == [["no1", "new1"], ["no2"], ["new2"]]
    assert broker.refreshed == 2
    assert await found(template, broker, *names[3:], "new4") == ["new2", *["too_many_topics"] * 3]
    assert broker.made[3:] == []


async def test_what_could_not_be_made_leaves_room_for_what_is_there() -> None:
    broker = Played("z")
    template = courses("{header.to}", create=True, max_topics=1)
    assert await found(template, broker, "no1", "no2", "z") == ["too_many_topics", "too_many_topics", "z"]
    assert broker.made == [["no1"], ["no2"]]
