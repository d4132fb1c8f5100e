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
    kind = "kafka" if "topic" in target else "redis" if "stream" in target else "amqp"
    return between(kind, source, target)


def between(kind: str, source: dict[str, Any], target: dict[str, Any]) -> Loop | None:
    start, end = FromTable.model_validate({kind: source}), ToTable.model_validate({kind: target})
    return loop(start.settings, end.settings[0], OWN)


def through_mqtt(topics: list[str], topic: str, **more: Any) -> Loop | None:
    return between("mqtt", {"topics": topics, **more}, {"topic": topic})


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
        ({"streams": ["a", "b"]}, {"stream": "b"}),
        ({"streams": ["a"]}, {"stream": "{stream}"}),
        ({"streams": ["a"]}, {"stream": "{address:x}"}),
        ({"streams": ["a", "copy:a"]}, {"stream": "copy:{stream}"}),
        ({"streams": ["a:new"]}, {"stream": "a:{header.state:new}"}),
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
        ({"streams": ["a", "b"]}, {"stream": "c"}),
        ({"streams": ["a"]}, {"stream": "copy:{stream}"}),
        ({"streams": ["a"]}, {"stream": "{key}"}),
        ({"streams": ["{stream}"]}, {"stream": "{{stream}}-"}),
    ],
)
def test_a_route_that_does_not(source: dict[str, Any], target: dict[str, Any]) -> None:
    assert found(source, target) is None


@pytest.mark.parametrize(
    ("topics", "topic"),
    [
        (["a", "b"], "b"),
        (["a/+"], "a/b"),
        (["a/#"], "a"),
        (["a/#"], "a/b/c"),
        (["#"], "copy"),
        (["+"], "{header.device}"),
        (["a/+"], "a/{header.device}"),
        (["#"], "copy/{topic}"),
        (["a/+"], "{topic}"),
        (["a/+"], "{address:x}"),
        (["a/#"], "{topic}/copy"),
        (["+/a", "+/a/copy"], "{topic}/copy"),
        (["#"], "x{topic}"),
        (["a/#"], "{topic}x/y"),
        (["a/+/b"], "a/{header.device:x}/b"),
        (["a/#", "copy/+/+/+"], "copy/{topic}"),
    ],
)
def test_a_route_that_reads_the_topics_it_writes(topics: list[str], topic: str) -> None:
    assert through_mqtt(topics, topic) is not None
    assert through_mqtt(topics, topic, share="group") is not None, "another replica would read it"


@pytest.mark.parametrize(
    ("topics", "topic"),
    [
        (["a", "b"], "c"),
        (["a/+"], "a"),
        (["a/+"], "a/b/c"),
        (["+"], "a/b"),
        (["a/+"], "copy/{topic}"),
        (["a/+"], "{topic}/copy"),
        (["a/#"], "copy/{topic}"),
        (["a/b"], "a/{header.device}"),
        (["$SYS/#"], "sys/{topic}"),
        (["+/+"], "{header.all}"),
    ],
)
def test_a_route_that_reads_other_topics(topics: list[str], topic: str) -> None:
    assert through_mqtt(topics, topic) is None


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
        ({"streams": ["a", "a:…"]}, {"stream": "a:…"}, "stream", "stream a:… is its own source"),
        ({"streams": ["a"]}, {"stream": "{stream}"}, "stream", "goes back to the stream that it came from"),
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


def test_what_is_said_of_a_loop_through_mqtt() -> None:
    assert through_mqtt(["a/#"], "{topic}/copy") == Loop(
        "topic", "topic a/copy is its own source: this route would read again what it writes"
    )
    assert through_mqtt(["a/+"], "a/x-{header.h}") == Loop(
        "topic", "topic a/x-… is its own source: this route would read again what it writes"
    )


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
        ("mqtt://u@h", "mqtt://H:1883/", True),
        ("mqtt://h", "mqtt://h:1884", False),
        ("redis://h", "redis://H:6379/0", True),
        ("redis://h/1", "redis://h/01", True),
        ("redis://h/1", "redis://h/2", False),
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
