"""Which topic a message goes to."""

from bridge.message import Message, Outcome, Verdict
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings
from connectors.kafka.courses import Courses


def courses(topic: str) -> Courses:
    broker = BrokerSettings.model_validate({"url": "kafka://127.0.0.1:9092"})
    return Courses(broker, KafkaSinkSettings.model_validate({"topic": topic}))


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
