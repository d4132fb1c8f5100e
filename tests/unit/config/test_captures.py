"""Captures of `match` in templates: every mistake at its place, all at once."""

from pathlib import Path

import pytest

from config.bonds import bound, pattern_of
from config.patterns import Pattern
from config.templates import Template
from tests.unit.config.configurations import MORE, loads, problems

KNOWN = (
    "known are routing_key, exchange, topic, stream, key, address, message_id, correlation_id, reply_to, content_type, "
    "timestamp and header.NAME"
)


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    text = f"""{MORE}[routes.a]
from.mqtt = {{ topics = ["s/#"], match = "s/{{site}}/{{device...}}" }}
to.amqp = {{ exchange = "e", routing_key = "{{sites}}.{{device}}" }}
to.kafka = {{ topic = "{{site:x}}", key = "{{colour}}", max_topics = 0 }}
[routes.b]
from.amqp = {{ queue = "q", match = "a.{{x" }}
to.mqtt = {{ topic = "{{x}}/{{topic}}" }}
[routes.c]
from.amqp = {{ queue = "r" }}
to.mqtt = {{ topic = "{{x}}" }}
[routes.d]
from.redis = {{ streams = ["s"], mach = "{{x}}" }}
to.mqtt = {{ topic = "{{x}}" }}
[routes.e]
from.kafka = {{ topics = ["s"], match = "{{a...}}.{{b...}}" }}
to.mqtt = {{ topic = "{{topic...}}" }}
"""
    assert problems(tmp_path, text) == [
        "FILE:11:29: routes.a.to.amqp.routing_key: unknown field {sites} (did you mean {site}?)",
        "FILE:11:29: routes.a.to.amqp.routing_key: {device} is {device...} in match, so write {device...}",
        "FILE:12:14: routes.a.to.kafka.topic: {site} is always there and needs no default",
        "FILE:12:34: routes.a.to.kafka.key: unknown field {colour} "
        + f"({KNOWN.replace('known are', 'known are site, device...,')})",
        "FILE:12:52: routes.a.to.kafka.max_topics: is 0, not 1 or more",
        "FILE:14:28: routes.b.from.amqp.match: character 3 of the pattern is a { that is never closed; a brace itself "
        "is written {{",
        "FILE:15:13: routes.b.to.mqtt.topic: a message from amqp has no {topic}",
        f"FILE:18:13: routes.c.to.mqtt.topic: unknown field {{x}} ({KNOWN})",
        "FILE:20:33: routes.d.from.redis.mach: unknown key (did you mean match?)",
        "FILE:23:32: routes.e.from.kafka.match: {a...} and {b...} both take several segments, and only one capture can",
        "FILE:24:13: routes.e.to.mqtt.topic: {topic...} is not a list of segments; {address...} is, or a capture of "
        "match",
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('mqtt = { topics = ["q/#"], match = "{a}/b" }', "{a}/b"),
        ('amqp = { queue = "q", match = "{a}.b" }', "{a}.b"),
        ('kafka = { topics = ["q"], match = "{a}.b" }', "{a}.b"),
        ('redis = { streams = ["q"], match = "{a}:b" }', "{a}:b"),
    ],
)
def test_targets_are_bound_to_their_source(tmp_path: Path, source: str, text: str) -> None:
    route = loads(
        tmp_path,
        f"""{MORE}[routes.a]
from.{source}
to.mqtt = {{ topic = "x/{{a}}" }}
to.kafka = {{ topic = "x.{{address...}}", key = "{{a}}" }}
to.redis = {{ stream = "x:{{address}}" }}
to.amqp = {{ exchange = "x", routing_key = "{{a}}" }}
""",
    ).routes["a"]
    origin = route.source.settings
    match = Pattern.parse(text, origin.kind)
    assert pattern_of(origin) == match
    bonds = {
        (target.kind, name): template.bond
        for target in route.targets.settings
        for name, template in dict(bound(target, origin)).items()
        if isinstance(template, Template)
    }
    kind = origin.kind
    assert bonds == {
        ("amqp", "exchange"): None,
        ("amqp", "routing_key"): (kind, match, "amqp"),
        ("kafka", "topic"): (kind, match, "kafka"),
        ("kafka", "key"): (kind, match, kind),
        ("mqtt", "topic"): (kind, match, "mqtt"),
        ("redis", "stream"): None,
    }
