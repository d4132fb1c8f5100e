"""Whether a route would read again what it writes: its target is its own source. Pure.

A fixed name decides it alone. Of a template it is asked what it gives for the messages that this source has: `{topic}`,
`{stream}`, `{exchange}`, `{routing_key}` and `{address}` are known then, by binding keys and topic filters too, or of a
queue alone as the default exchange makes them, the common way into one; every other field is taken for a word that
nothing names, and for its default where it has one. What a template gives only for some messages may therefore still be
the source, and is not refused here; nor is a loop that takes several routes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.brokers import BrokerSettings
from config.filters import overlap
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from config.settings import SinkSettings, SourceSettings
from config.templates import Template

_WORD = "fedbridge-any-word"
"""What stands for a value that nobody knows: a legal topic, level of one, exchange and word of a routing key."""

_LOOPBACK = ("127.0.0.1", "::1")
"""Other names of localhost."""

_ANYTHING = re.compile(r"(?<!\\)\.[*+]\??")
_AGAIN = "this route would read again what it writes"


class Loop(NamedTuple):
    """The target's key that closes the loop, and a sentence."""

    key: str
    text: str


def same_broker(one: BrokerSettings, other: BrokerSettings) -> bool:
    """Whether two entries name one broker: they share an address, and AMQP's virtual host or Redis's database."""
    return bool(_places(one) & _places(other))


def loop(source: SourceSettings, target: SinkSettings, own_queue: str) -> Loop | None:
    """The loop of a route whose source and target are at one broker; None if there is none.

    `own_queue` is what the route's queue is called where the configuration does not name it.
    """
    if isinstance(source, AmqpSourceSettings) and isinstance(target, AmqpSinkSettings):
        return _amqp_loop(source, target, source.queue or own_queue)
    if isinstance(source, KafkaSourceSettings) and isinstance(target, KafkaSinkSettings):
        return _loop_through("topic", target.topic, *_topics(source), source.pattern)
    if isinstance(source, MqttSourceSettings) and isinstance(target, MqttSinkSettings):
        return _loop_through("topic", target.topic, *_filtered(source))
    if isinstance(source, RedisSourceSettings) and isinstance(target, RedisSinkSettings):
        return _loop_through("stream", target.stream, source.streams, source.streams.__contains__)
    return None


def _amqp_loop(source: AmqpSourceSettings, target: AmqpSinkSettings, queue: str) -> Loop | None:
    if _is_field(target.exchange, "exchange") and (
        target.routing_key is None or _is_field(target.routing_key, "routing_key", "address")
    ):
        return Loop("exchange", f"the message goes back to where it came from: {_AGAIN}")
    for came_through, came_by in _arrivals(source, queue):
        for exchange, key in _written(target, came_through, came_by):
            if exchange == "" and key == queue:
                where = "exchange" if target.routing_key is None else "routing_key"
                if came_through == "":
                    return Loop(where, f"what came to queue {queue} by the default exchange goes back there: {_AGAIN}")
                return Loop(where, f"the default exchange puts it into queue {queue}, its own source: {_AGAIN}")
            if exchange and exchange == source.exchange and routed(source, key):
                return Loop("exchange", f"exchange {exchange} is its own source: {_AGAIN}")
    return None


def _loop_through(
    noun: str, name: Template, read: Sequence[str], reads: Callable[[str], bool], pattern: str | None = None
) -> Loop | None:
    """The loop through a topic or a stream: the `noun` of the target's key, of the field and of the sentence.

    `read` are some that the source reads, and `reads` tells of any: by a `pattern`, if that is what it reads by.
    """
    if _is_field(name, noun, "address"):
        return Loop(noun, f"the message goes back to the {noun} that it came from: {_AGAIN}")
    for came_by in read:
        for written in _renderings(name, {noun: came_by, "address": came_by}):
            if reads(written):
                shown = f"{noun} {written.replace(_WORD, '…')}"
                what = f"{shown} is its own source" if pattern is None else f"the pattern {pattern} matches {shown}"
                return Loop(noun, f"{what}: {_AGAIN}")
    return None


def _places(broker: BrokerSettings) -> frozenset[tuple[str, int, str]]:
    return frozenset((_host(host), port, url.path) for url in broker.urls for host, port in url.addresses)


def _host(name: str) -> str:
    return "localhost" if name in _LOOPBACK else name.lower()


def _topics(source: KafkaSourceSettings) -> tuple[Sequence[str], Callable[[str], bool]]:
    """Topics that the source reads, and whether it reads a topic.

    Of a pattern one topic is tried that it matches: with a word where it says `.*` or `.+`.
    """
    if source.pattern is None:
        topics = list(source.topics or ())
        return topics, topics.__contains__
    pattern = re.compile(source.pattern)
    example = re.sub(r"\\(.)", r"\1", _ANYTHING.sub(_WORD, source.pattern))
    return [example if pattern.fullmatch(example) else _WORD], lambda name: pattern.fullmatch(name) is not None


def _filtered(source: MqttSourceSettings) -> tuple[Sequence[str], Callable[[str], bool]]:
    """Topics that the source reads, and whether it reads a topic: a topic is a filter too, without wildcards.

    Of `#` the topic above it is tried, and those one and two levels below.
    """
    examples: list[str] = []
    for each in source.topics:
        levels = [_WORD if level == "+" else level for level in each.split("/")]
        if levels[-1] == "#":
            examples += ["/".join(levels[:-1] + [_WORD] * below) for below in (0, 1, 2)]
        else:
            examples.append("/".join(levels))
    return examples, lambda name: any(overlap(each, name) for each in source.topics)


def _arrivals(source: AmqpSourceSettings, queue: str) -> Iterator[tuple[str, str]]:
    """The exchanges and routing keys with which messages come: by each binding, or into a queue that is named alone."""
    if source.exchange is None:
        yield _WORD, _WORD
        yield "", queue
    elif source.exchange_type == "topic":
        for binding in source.keys:
            yield source.exchange, ".".join(_WORD if word in ("*", "#") else word for word in binding.split("."))
    else:
        for binding in source.keys if source.exchange_type == "direct" else [_WORD]:
            yield source.exchange, binding


def _written(target: AmqpSinkSettings, came_through: str, came_by: str) -> Iterator[tuple[str, str]]:
    """The exchanges and routing keys to which a message is published that came with these."""
    known = {"routing_key": came_by, "address": came_by, "exchange": came_through}
    for exchange in _renderings(target.exchange, known):
        for key in [came_by] if target.routing_key is None else _renderings(target.routing_key, known):
            yield exchange, key


def routed(source: AmqpSourceSettings, key: str) -> bool:
    """Whether a source's exchange gives a message with this routing key to the source's queue.

    A headers exchange does: it sees the headers that the message came with.
    """
    if source.exchange_type == "direct":
        return key in source.keys
    if source.exchange_type == "topic":
        return any(_binds(binding.split("."), key.split(".") if key else []) for binding in source.keys)
    return True


def _binds(binding: Sequence[str], words: Sequence[str]) -> bool:
    """Whether a topic exchange's binding key matches: `*` is one word, `#` any number of them."""
    if not binding:
        return not words
    if binding[0] == "#":
        return any(_binds(binding[1:], words[taken:]) for taken in range(len(words) + 1))
    return bool(words) and binding[0] in ("*", words[0]) and _binds(binding[1:], words[1:])


def _is_field(template: Template, *names: str) -> bool:
    return len(template.parts) == 1 and any(field.name in names for field in template.fields)


def _renderings(template: Template, known: Mapping[str, str]) -> Iterator[str]:
    """What a template gives where all other fields are there, and where all are missing that have a default."""
    for missing in (False, True):
        yield "".join(
            part
            if isinstance(part, str)
            else known.get(part.name, part.default if missing and part.default is not None else _WORD)
            for part in template.parts
        )
