"""The lines about one route, in order."""

from collections.abc import Iterator, Sequence

from bridge.cli.guarantees import amqp, kafka, mqtt, redis, rules
from bridge.cli.guarantees.view import Fact, View, together
from bridge.wiring import instance_of
from config import RouteSettings, Settings
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.names import Names
from config.settings import SinkSettings, SourceSettings
from config.values import Kind


def block(name: str, route: RouteSettings, settings: Settings) -> Iterator[str]:
    """The lines about one route: its name, where it reads and writes, and what it guarantees and why."""
    yield f"route {name}" + ("" if route.enabled else " (disabled: it does not run)")
    for label, text in _facts(route, settings, _view(name, route, settings)):
        yield f"  {label:<10} {text}"


def _facts(route: RouteSettings, settings: Settings, view: View) -> Iterator[Fact]:
    source, targets = route.source.settings, route.targets.settings
    keyed = route.map.keyed(source.kind in kafka.HAVE_KEYS)
    yield "from", f"{_reads(source, view)} at {_at(source, settings)}"
    for target in targets:
        yield "to", f"{target.name}: {_writes(target, source.kind, keyed)}, at {_at(target, settings)}"
    yield from rules.facts(route.filter, route.map)
    yield from _reading(source, view)
    for target in targets:
        yield "order", f"{target.name}: {_order(source.kind, target, keyed)}"
    yield "on_error", _ON_ERROR[route.on_error]
    if any(isinstance(target, AmqpSinkSettings) for target in targets):
        yield "unroutable", _UNROUTABLE[route.unroutable]
    for target in targets:
        for label, text in _writing(target):
            yield label, f"{target.name}: {text}"
    for end in (source, *targets):
        if isinstance(end, AmqpSourceSettings | AmqpSinkSettings):
            yield from amqp.waiting(end)


_ON_ERROR = {
    "dead_letter": "dead_letter: as long as there is no store for dead letters, a message that cannot be delivered "
    "stops the route and stays unacknowledged",
    "stop": "stop: a message that cannot be delivered stops the route and stays unacknowledged",
    "drop": "drop: a message that cannot be delivered is acknowledged, counted and LOST",
}
_UNROUTABLE = {
    "dead_letter": "dead_letter: a message that the exchange has no binding for cannot be delivered: as on_error says",
    "hold": "hold: a message that the exchange has no binding for waits, and the route with it, until there is one",
    "drop": "drop: a message that the exchange has no binding for is acknowledged, counted and LOST",
}
_ORDERED_BY: dict[Kind, str] = {"amqp": "", "kafka": "partition", "mqtt": "topic", "redis": "stream"}
"""Within what a source has an order; empty where it has one over all."""


def _view(name: str, route: RouteSettings, settings: Settings) -> View:
    source, targets = route.source.settings, route.targets.settings
    silent = [target for target in targets if isinstance(target, MqttSinkSettings) and target.qos == 0]
    asked = _brokers([target for target in targets if target not in silent], settings)
    told = _brokers(silent, settings)
    after = [f"{asked} confirmed"] if asked else []
    after += [f"it was sent to {told}"] if told else []
    return View(
        Names(settings.bridge.name, name, instance_of(settings)),
        settings.broker_name(source.broker, source.kind),
        _brokers(targets, settings),
        " and ".join(after),
        together(target.name for target in silent),
        route.window.messages,
    )


def _brokers(targets: Sequence[SinkSettings], settings: Settings) -> str:
    """The names of their brokers, each once."""
    return together(settings.broker_name(target.broker, target.kind) for target in targets)


def _at(end: SourceSettings | SinkSettings, settings: Settings) -> str:
    name = settings.broker_name(end.broker, end.kind)
    return f"{name} ({settings.brokers[name].shown})"


def _reads(source: SourceSettings, view: View) -> str:
    if isinstance(source, AmqpSourceSettings):
        return amqp.reads(source, view)
    if isinstance(source, KafkaSourceSettings):
        return kafka.reads(source, view)
    return mqtt.reads(source, view) if isinstance(source, MqttSourceSettings) else redis.reads(source, view)


def _reading(source: SourceSettings, view: View) -> Iterator[Fact]:
    if isinstance(source, AmqpSourceSettings):
        return amqp.reading(source, view)
    if isinstance(source, KafkaSourceSettings):
        return kafka.reading(source, view)
    return mqtt.reading(source, view) if isinstance(source, MqttSourceSettings) else redis.reading(source, view)


def _writes(target: SinkSettings, source: Kind, keyed: bool) -> str:
    if isinstance(target, AmqpSinkSettings):
        return amqp.writes(target, source)
    if isinstance(target, KafkaSinkSettings):
        return kafka.writes(target, keyed)
    return mqtt.writes(target, source) if isinstance(target, MqttSinkSettings) else redis.writes(target)


def _writing(target: SinkSettings) -> Iterator[Fact]:
    if isinstance(target, AmqpSinkSettings):
        return amqp.writing(target)
    if isinstance(target, MqttSinkSettings):
        return mqtt.writing(target)
    return kafka.writing() if isinstance(target, KafkaSinkSettings) else redis.writing(target)


def _order(source: Kind, target: SinkSettings, keyed: bool) -> str:
    """The order that a target keeps, of the order that its source has."""
    kept = _kept(source, target, keyed)
    if isinstance(target, MqttSinkSettings) and target.qos == 0:
        return kept
    if target.max_in_flight == 1:
        return f"{kept}; through refusals too (max_in_flight = 1)"
    return f"{kept}; a refused message may be overtaken by those in flight (max_in_flight = 1 prevents it)"


def _kept(source: Kind, target: SinkSettings, keyed: bool) -> str:
    ordered_by = _ORDERED_BY[source]
    given = f", of messages from one {ordered_by} of the source" if ordered_by else ""
    if isinstance(target, KafkaSinkSettings):
        return kafka.order(source, target, given, keyed)
    if isinstance(target, AmqpSinkSettings):
        place, name = "", target.exchange
    elif isinstance(target, MqttSinkSettings):
        place, name = "topic", target.topic
    else:
        place, name = "stream", target.stream
    if place and name.fields:
        return f"kept per {place}{given}"
    return f"kept per {ordered_by} of the source, one after the other" if ordered_by else "kept, one after the other"
