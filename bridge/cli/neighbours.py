"""Which routes of a configuration take each other's messages: the lines that `fedbridge check` prints of it. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bridge.cli.guarantees.view import several
from config import RouteSettings, Settings
from config.amqp import AmqpSourceSettings
from config.kafka import KafkaSourceSettings
from config.loops import same_broker
from config.mqtt import MqttSourceSettings
from config.names import Names
from config.redis import RedisSourceSettings
from config.settings import SourceSettings

_COPY = "for a copy of each, give one route two targets"


def shares(name: str, settings: Settings) -> Iterator[str]:
    """The lines about a route: one for each other enabled route that reads the same queue, group or share."""
    route = settings.routes[name]
    for other_name, other in settings.routes.items():
        if other_name == name or not (route.enabled and other.enabled) or not _meet(route, other, settings):
            continue
        text = _shared(_read(name, settings), _read(other_name, settings))
        if text is not None:
            yield f"  {'shares':<10} {text}"


class _Read(NamedTuple):
    """What a route reads; `own` is what its queue or group is called where the configuration does not name it."""

    route: str
    source: SourceSettings
    own: str


def _read(name: str, settings: Settings) -> _Read:
    own = Names(settings.bridge.name, name, settings.bridge.instance).group
    return _Read(name, settings.routes[name].source.settings, own)


def _meet(one: RouteSettings, other: RouteSettings, settings: Settings) -> bool:
    """Whether two routes read at one broker."""
    places = [settings.broker(source.broker, source.kind) for source in (one.source.settings, other.source.settings)]
    return same_broker(places[0], places[1])


def _shared(one: _Read, other: _Read) -> str | None:
    """What one route shares with another, and what that means; None if nothing."""
    mine, its = one.source, other.source
    if isinstance(mine, AmqpSourceSettings) and isinstance(its, AmqpSourceSettings):
        queue = _queue(mine, one.own)
        if queue is None or queue != _queue(its, other.own):
            return None
        if mine.exclusive or its.exclusive:
            what = ", and it is exclusive: one of them will fail; name another queue"
        else:
            what = f": each message goes to one of them; {_COPY}"
        return f"queue {queue} with route {other.route}{what}"
    if isinstance(mine, KafkaSourceSettings) and isinstance(its, KafkaSourceSettings):
        group = mine.group or one.own
        topics = _overlap(mine, its)
        same = group == (its.group or other.own)
        return _divided(topics, f"group {group}", other, "record", "a group") if same else None
    if isinstance(mine, RedisSourceSettings) and isinstance(its, RedisSourceSettings):
        group = mine.group or one.own
        streams = _common(mine.streams, its.streams, "stream")
        same = group == (its.group or other.own)
        return _divided(streams, f"group {group}", other, "entry", "a group") if same else None
    if isinstance(mine, MqttSourceSettings) and isinstance(its, MqttSourceSettings) and mine.share is not None:
        filters = _common(
            mine.topics, its.topics, "topic filter"
        )  # another one has messages of its own (MQTT 5, 4.8.2)
        return (
            _divided(filters, f"share {mine.share}", other, "message", "a share") if mine.share == its.share else None
        )
    return None


def _divided(what: str | None, by: str, other: _Read, noun: str, own: str) -> str | None:
    """The sentence about what two routes divide between them, as members of a group; None if nothing."""
    if what is None:
        return None
    return f"{what} and {by} with route {other.route}: each {noun} goes to one of them; {_COPY}, or each route {own}"


def _common(one: Sequence[str], other: Sequence[str], word: str) -> str | None:
    """The names that are in both, after a word for them."""
    both = sorted(set(one) & set(other))
    return several(both, word) if both else None


def _queue(source: AmqpSourceSettings, own: str) -> str | None:
    """The name of the queue that is read, None of a temporary one, which nobody else has."""
    return source.queue or (None if source.exclusive else own)


def _overlap(one: KafkaSourceSettings, other: KafkaSourceSettings) -> str | None:
    """The topics that both read; of two patterns it is tried whether one matches what the other may be about."""
    named = {topic for each in (one, other) for topic in each.topics or ()}
    if both := sorted(topic for topic in named if _reads(one, topic) and _reads(other, topic)):
        return f"topic {', '.join(both)}"
    if one.pattern is None or other.pattern is None:
        return None
    if one.pattern == other.pattern:
        return f"topics that match {one.pattern}"
    examples = [re.sub(r"\.[*+]\??", "x", pattern).replace("\\", "") for pattern in (one.pattern, other.pattern)]
    if any(_reads(one, example) and _reads(other, example) for example in examples):
        return f"topics that match {one.pattern} and {other.pattern}"
    return None


def _reads(source: KafkaSourceSettings, topic: str) -> bool:
    if source.pattern is None:
        return topic in (source.topics or ())
    return re.fullmatch(source.pattern, topic) is not None
