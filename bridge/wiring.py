"""From settings to routes: the only module that knows both the core and the connectors."""
# ruff: noqa: PLC0415 - a client library is loaded only where a route needs it

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bridge.addresses import mismatches
from bridge.filters import compile_filter
from bridge.findings import End, Tell
from bridge.identities import Identities
from bridge.mapping import Rules
from bridge.ports import OpenSink, OpenSource, Place
from bridge.rehearsal import Rehearse
from bridge.relay import RelaySettings
from bridge.rules import compile_rules
from bridge.supervisor import RoutePlan
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.bonds import bound, pattern_of
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.settings import RouteSettings, Settings, SinkSettings, SourceSettings
from config.templates import Bond
from config.values import Kind


def plan_routes(settings: Settings) -> list[RoutePlan]:
    """Give the plan of every enabled route, in the order of the file; the settings have been checked."""
    known = Identities()
    return [_plan(settings, name, route, known) for name, route in settings.routes.items() if route.enabled]


def instance_of(settings: Settings) -> str:
    """The name of this replica: `[bridge] instance`, else the host name."""
    return settings.bridge.instance or socket.gethostname()


def place_in(settings: Settings, name: str, route: RouteSettings) -> Place:
    """The place of a route's connectors."""
    window = route.window
    return Place(
        settings.bridge.name,
        instance_of(settings),
        name,
        window.messages,
        int(window.bytes),
        route.trust,
        route.max_hops,
    )


def _plan(settings: Settings, name: str, route: RouteSettings, known: Identities) -> RoutePlan:
    def end(broker: str) -> Place:
        return place._replace(identified=partial(known.claim, broker))

    place = place_in(settings, name, route)
    targets = route.targets.settings
    return RoutePlan(
        RelaySettings(
            name,
            {target.name: target.max_in_flight for target in targets},
            route.window,
            route.retry,
            route.on_error,
            route.unroutable,
            _rules(route),
        ),
        _source(settings, route.source.settings, end),
        {target.name: _sink(settings, bound(target, route.source.settings), end) for target in targets},
    )


def _rules(route: RouteSettings) -> Rules:
    source = route.source.settings
    match = pattern_of(source)
    return Rules(
        compile_filter(route.filter),
        compile_rules(route.map, Bond(source.kind, match, source.kind)),
        None if match is None else mismatches(match),
    )


def rehearsals(settings: Settings, name: str) -> tuple[Rules, dict[str, Rehearse]]:
    """Give what a route does to messages, and by the names of its targets what those would get; no broker is asked."""
    route = settings.routes[name]
    targets = [bound(target, route.source.settings) for target in route.targets.settings]
    return _rules(route), {target.name: _rehearsal(settings, target, route.max_hops) for target in targets}


def _rehearsal(settings: Settings, target: SinkSettings, max_hops: int) -> Rehearse:
    if isinstance(target, AmqpSinkSettings):
        from connectors.amqp.rehearsal import rehearse as amqp

        return amqp(settings.brokers[settings.broker_name(target.broker, target.kind)], target, max_hops)
    if isinstance(target, KafkaSinkSettings):
        from connectors.kafka.rehearsal import rehearse as kafka

        return kafka(target, max_hops)
    if isinstance(target, MqttSinkSettings):
        from connectors.mqtt.rehearsal import rehearse as mqtt

        return mqtt(target, max_hops)
    from connectors.redis.rehearsal import rehearse as redis

    return redis(target, max_hops)


def _source(settings: Settings, source: SourceSettings, end: Callable[[str], Place]) -> tuple[str, OpenSource]:
    name = settings.broker_name(source.broker, source.kind)
    broker, place = settings.brokers[name], end(name)
    if isinstance(source, AmqpSourceSettings):
        from connectors import amqp

        return name, partial(amqp.open_source, broker, source, place)
    if isinstance(source, KafkaSourceSettings):
        from connectors import kafka

        return name, partial(kafka.open_source, broker, source, place, kafka.Claim())
    if isinstance(source, MqttSourceSettings):
        from connectors import mqtt

        return name, partial(mqtt.open_source, broker, source, place, mqtt.Past())
    from connectors import redis

    return name, partial(redis.open_source, broker, source, place, redis.Past())


def _sink(settings: Settings, target: SinkSettings, end: Callable[[str], Place]) -> tuple[str, OpenSink]:
    name = settings.broker_name(target.broker, target.kind)
    broker, place = settings.brokers[name], end(name)
    if isinstance(target, AmqpSinkSettings):
        from connectors import amqp

        return name, partial(amqp.open_sink, broker, target, place)
    if isinstance(target, KafkaSinkSettings):
        from connectors import kafka

        return name, partial(kafka.open_sink, broker, target, place, set())
    if isinstance(target, MqttSinkSettings):
        from connectors import mqtt

        return name, partial(mqtt.open_sink, broker, target, place, mqtt.Past())
    from connectors import redis

    return name, partial(redis.open_sink, broker, target, place)


def ends_of(settings: Settings) -> list[tuple[str, End]]:
    """The sources and targets of all enabled routes in order, each with its broker's name."""
    return [
        (settings.broker_name(end.broker, end.kind), End(f"routes.{name}.{key}", place_in(settings, name, route), end))
        for name, route in settings.routes.items()
        if route.enabled
        for key, end in _keyed(route)
    ]


def _keyed(route: RouteSettings) -> Iterator[tuple[str, SourceSettings | SinkSettings]]:
    """The source and the targets of a route, each with its path in the route's table."""
    yield f"from.{route.source.settings.kind}", route.source.settings
    seen: Counter[Kind] = Counter()
    for target in route.targets.settings:
        listed = isinstance(getattr(route.targets, target.kind), list)
        yield f"to.{target.kind}[{seen[target.kind]}]" if listed else f"to.{target.kind}", target
        seen[target.kind] += 1


async def survey(broker: BrokerSettings, ends: Sequence[End], tell: Tell) -> None:
    """Look at a broker for what its sources and targets need, without changing anything; see `connectors.*.survey`."""
    match broker.kind:
        case "amqp":
            from connectors.amqp.survey import survey as look
        case "kafka":
            from connectors.kafka.survey import survey as look
        case "mqtt":
            from connectors.mqtt.survey import survey as look
        case "redis":
            from connectors.redis.survey import survey as look

    await look(broker, ends, tell)
