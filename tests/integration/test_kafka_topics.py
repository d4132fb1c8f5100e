"""The topics that messages name themselves: at most so many, and only names that a topic can have."""

from bridge.message import Message, Verdict
from config.brokers import BrokerSettings
from connectors.kafka import open_sink
from tests.conftest import MakeTopic
from tests.integration.test_kafka_sink import PLACE, broker, deliver, read, refused, to

__all__ = ["broker"]


def named(*topics: str) -> list[Message]:
    return [Message(b"%d" % at, f"u{at}", headers=(("to", "string", topic),)) for at, topic in enumerate(topics)]


async def test_messages_make_only_so_many_topics(
    broker: BrokerSettings,
    kafka_bootstrap: str,
    kafka_topic: MakeTopic,
) -> None:
    name = await kafka_topic()
    settings = to("{header.to}", create=True, max_topics=3)
    first, second, third, fourth = (f"{name}.{number}" for number in range(4))
    many = (Verdict.REJECTED, "too_many_topics")
    written: set[str] = set()
    async with open_sink(broker, settings, PLACE, written) as sink:
        assert refused(await deliver(sink, named(first, "..", name, first))) == {1: (Verdict.REJECTED, "bad_topic")}
        assert refused(await deliver(sink, named(second, third, name, first))) == {1: many}
        assert refused(await deliver(sink, named(third, fourth, second))) == {0: many, 1: many}
    assert written == {name, first, second}
    async with open_sink(broker, settings, PLACE, written) as sink:
        outcomes = await deliver(sink, named(third, first))
        assert refused(outcomes) == {0: many}
        assert outcomes[0].detail == (f"the messages name more than 3 topics (max_topics), and {third} is a new one")
    assert len(await read(kafka_bootstrap, first)) == 4
    async with open_sink(broker, to("{header.to}"), PLACE) as sink:
        assert refused(await deliver(sink, named(third))) == {0: (Verdict.REJECTED, "missing_topic")}


async def test_topics_that_are_not_there_take_no_place(
    broker: BrokerSettings,
    kafka_topic: MakeTopic,
) -> None:
    topic = await kafka_topic()
    many = (Verdict.REJECTED, "too_many_topics")
    async with open_sink(broker, to("{header.to}", max_topics=1), PLACE) as sink:
        messages = named("fedbridge.no.1", "fedbridge.no.2", topic, "fedbridge.no.3")
        assert refused(await deliver(sink, messages)) == {0: many, 1: many, 3: many}
        assert refused(await deliver(sink, named("fedbridge.no.1", topic))) == {0: many}
