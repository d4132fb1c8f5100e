"""Whether a route's target is its own source."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.brokers import BrokerSettings
from config.loops import Loop, _binds, loop, same_broker
from config.settings import FromTable, ToTable

OWN = "fedbridge.b.r"


def found(source: dict[str, Any], target: dict[str, Any]) -> Loop | None:
    kind = "kafka" if "topic" in target else "amqp"
    start, end = FromTable.model_validate({kind: source}), ToTable.model_validate({kind: target})
    return loop(start.settings, end.settings[0], OWN)


def exchange(kind: str, *keys: str, **more: Any) -> dict[str, Any]:
    if kind == "headers":
        more["bindings"] = [{"region": "eu"}]
    return {"exchange": "e", "exchange_type": kind, "binding_keys": list(keys), **more}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"topics": ["a", "b"]}, {"topic": "b"}),
        ({"topics": ["a"]}, {"topic": "{topic}"}),
        ({"topics": ["a"]}, {"topic": "{address:x}"}),
        ({"topics": ["a", "ab"]}, {"topic": "{topic}b"}),
        ({"topics": ["a-x"]}, {"topic": "a-{header.h:x}"}),
        ({"pattern": "a.*"}, {"topic": "abc"}),
        ({"pattern": "a.*"}, {"topic": "{topic}"}),
        ({"pattern": "(a|b)"}, {"topic": "{topic}"}),
        ({"pattern": r"shop\.(.*)"}, {"topic": "shop.copy"}),
        ({"pattern": "orders-.*"}, {"topic": "{topic}-copy"}),
        ({"pattern": "orders-.+"}, {"topic": "orders-{header.region}"}),
        (exchange("fanout"), {"exchange": "e"}),
        (exchange("fanout"), {"exchange": "e", "routing_key": "{header.any}"}),
        (exchange("fanout"), {"exchange": "{exchange}", "routing_key": "x"}),
        (exchange("headers"), {"exchange": "e"}),
        (exchange("direct", "k", "l"), {"exchange": "e", "routing_key": "l"}),
        (exchange("direct", "k"), {"exchange": "e"}),
        (exchange("direct", "k", "copy.k"), {"exchange": "e", "routing_key": "copy.{routing_key}"}),
        (exchange("direct", "new"), {"exchange": "e", "routing_key": "{header.state:new}"}),
        (exchange("topic"), {"exchange": "e", "routing_key": "x"}),
        (exchange("topic"), {"exchange": "e", "routing_key": ""}),
        (exchange("topic", "a.#"), {"exchange": "e", "routing_key": "a"}),
        (exchange("topic", "order.*"), {"exchange": "e"}),
        (exchange("topic", "order.*"), {"exchange": "e", "routing_key": "order.{header.region}"}),
        (exchange("topic", "#.order"), {"exchange": "e", "routing_key": "copy.{routing_key}"}),
        ({"queue": "q"}, {"exchange": "", "routing_key": "q"}),
        ({"queue": "q"}, {"exchange": "{exchange}"}),
        ({"queue": "q"}, {"exchange": "{exchange}", "routing_key": "{address}"}),
        ({"queue": "q"}, {"exchange": ""}),
        ({"queue": "q"}, {"exchange": "", "routing_key": "{routing_key}"}),
        ({"queue": "q"}, {"exchange": "", "routing_key": "{address}"}),
        ({"queue": "q"}, {"exchange": "{header.to:}"}),
        ({"queue": "q"}, {"exchange": "{exchange}", "routing_key": "q"}),
        (exchange("fanout", queue="q"), {"exchange": "", "routing_key": "q"}),
        (exchange("fanout"), {"exchange": "", "routing_key": OWN}),
        (exchange("direct", "q", queue="q"), {"exchange": ""}),
    ],
)
def test_a_route_that_reads_what_it_writes(source: dict[str, Any], target: dict[str, Any]) -> None:
    assert found(source, target) is not None


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"topics": ["a", "b"]}, {"topic": "c"}),
        ({"topics": ["a"]}, {"topic": "{topic}-copy"}),
        ({"topics": ["a"]}, {"topic": "{header.h}"}),
        ({"topics": ["a"]}, {"topic": "aa"}),
        ({"pattern": "a"}, {"topic": "abc"}),
        ({"pattern": "a.*"}, {"topic": "copy-{topic}"}),
        ({"pattern": "(?!.*-copy$).*"}, {"topic": "{topic}-copy"}),
        ({"pattern": "orders-(eu|us)"}, {"topic": "orders-{header.region}"}),
        (exchange("fanout"), {"exchange": "other"}),
        (exchange("fanout"), {"exchange": "{header.to}"}),
        (exchange("fanout"), {"exchange": "", "routing_key": "other"}),
        (exchange("direct", "k"), {"exchange": "e", "routing_key": "copy.{routing_key}"}),
        (exchange("direct", "k"), {"exchange": "e", "routing_key": "l"}),
        (exchange("topic", "*.new"), {"exchange": "e", "routing_key": "a.b.new"}),
        (exchange("topic", "*"), {"exchange": "e", "routing_key": ""}),
        (exchange("topic", "order.*"), {"exchange": "e", "routing_key": "copy.{routing_key}"}),
        (exchange("topic", "order.new"), {"exchange": "e", "routing_key": "order.{header.state}"}),
        ({"queue": "q"}, {"exchange": "e", "routing_key": "q"}),
        ({"queue": "q"}, {"exchange": "", "routing_key": "{header.reply}"}),
        ({"queue": "q"}, {"exchange": "", "routing_key": "copy.{routing_key}"}),
        ({"queue": "q"}, {"exchange": "e"}),
        ({"queue": "q"}, {"exchange": "e", "routing_key": "{routing_key}"}),
        ({"queue": "q"}, {"exchange": "{exchange}", "routing_key": "copy.{routing_key}"}),
        (exchange("fanout", queue="q"), {"exchange": ""}),
    ],
)
def test_a_route_that_does_not(source: dict[str, Any], target: dict[str, Any]) -> None:
    assert found(source, target) is None


def test_between_systems_there_is_no_loop() -> None:
    start = FromTable.model_validate({"kafka": {"topics": ["t"]}}).settings
    end = ToTable.model_validate({"amqp": {"exchange": "t"}}).settings[0]
    assert loop(start, end, OWN) is None


@pytest.mark.parametrize(
    ("source", "target", "key", "text"),
    [
        ({"pattern": "a-.*"}, {"topic": "{topic}-b"}, "topic", "the pattern a-.* matches topic a-…-b"),
        ({"pattern": "logs.*"}, {"topic": "logs-all"}, "topic", "the pattern logs.* matches topic logs-all"),
        ({"topics": ["a"]}, {"topic": "a"}, "topic", "topic a is its own source"),
        ({"topics": ["a"]}, {"topic": "{topic}"}, "topic", "goes back to the topic that it came from"),
        (exchange("fanout"), {"exchange": "e"}, "exchange", "exchange e is its own source"),
        ({"queue": "q"}, {"exchange": "", "routing_key": "q"}, "routing_key", "into queue q, its own source"),
        (exchange("direct", "q", queue="q"), {"exchange": ""}, "exchange", "into queue q, its own source"),
        ({"queue": "q"}, {"exchange": ""}, "exchange", "what came to queue q by the default exchange goes back there"),
        (
            {"queue": "q"},
            {"exchange": "", "routing_key": "{routing_key}"},
            "routing_key",
            "what came to queue q by the default exchange goes back there",
        ),
    ],
)
def test_what_is_said_of_it(source: dict[str, Any], target: dict[str, Any], key: str, text: str) -> None:
    told = found(source, target)
    assert told is not None
    assert told.key == key
    assert text in told.text
    assert told.text.endswith("this route would read again what it writes")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("amqp://h", "amqp://H:5672/", True),
        ("amqp://u:p@h/", "amqp://h/%2f", True),
        ("amqp://h/a", "amqp://h/b", False),
        ("amqp://h:1", "amqp://h:2", False),
        ("kafka://a,b", "kafka://b,c", True),
        ("kafka://a", "kafka://b", False),
        (["amqp://a", "amqp://b"], "amqp://b", True),
        ("kafka://localhost", "kafka://127.0.0.1:9092", True),
        ("amqp://[::1]", "amqp://LocalHost/%2f", True),
        ("kafka://127.0.0.1", "kafka://a,[::1]", True),
        ("kafka://localhost:1", "kafka://127.0.0.1:2", False),
        ("kafka://localhost", "kafka://a", False),
    ],
)
def test_two_entries_for_one_broker(one: object, other: object, same: bool) -> None:
    entries = [BrokerSettings.model_validate({"url": url}) for url in (one, other)]
    assert same_broker(entries[0], entries[1]) is same_broker(entries[1], entries[0]) is same


WORDS = st.lists(st.sampled_from(["a", "b", ""]), max_size=4)


@given(words=WORDS, data=st.data())
def test_a_binding_key_made_from_a_routing_key_matches_it(words: list[str], data: st.DataObject) -> None:
    binding: list[str] = []
    at = 0
    while at < len(words):
        take = data.draw(st.sampled_from(["word", "*", "#"]))
        binding.append(words[at] if take == "word" else take)
        at += data.draw(st.integers(0, len(words) - at)) if take == "#" else 1
    assert _binds(binding, words)
    assert not _binds([*binding, "z"], words)
    assert _binds(["#"], words)
