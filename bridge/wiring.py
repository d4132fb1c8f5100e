"""From settings to routes: the only module that knows both the core and the connectors."""

import socket
from functools import partial

from bridge.ports import OpenSink, OpenSource, Place
from bridge.relay import RelaySettings
from bridge.supervisor import RoutePlan
from config.settings import AmqpSourceSettings, KafkaSinkSettings, RouteSettings, Settings


def plan_routes(settings: Settings) -> list[RoutePlan]:
    """Give the plan of every enabled route, in the order of the file; the settings have been checked."""
    return [_plan(settings, name, route) for name, route in settings.routes.items() if route.enabled]


def instance_of(settings: Settings) -> str:
    """The name of this replica: `[bridge] instance`, else the host name."""
    return settings.bridge.instance or socket.gethostname()


def _plan(settings: Settings, name: str, route: RouteSettings) -> RoutePlan:
    place = Place(settings.bridge.name, instance_of(settings), name, route.window.messages, int(route.window.bytes))
    targets = route.targets.settings
    return RoutePlan(
        RelaySettings(
            name, {target.name: target.max_in_flight for target in targets}, route.window, route.retry, route.on_error
        ),
        _source(settings, route.source.settings, place),
        {target.name: _sink(settings, target, place) for target in targets},
    )


def _source(settings: Settings, source: AmqpSourceSettings, place: Place) -> tuple[str, OpenSource]:
    from connectors import amqp  # noqa: PLC0415 - a client library is loaded only where a route needs it

    broker = settings.broker(source.broker, "amqp")
    return settings.broker_name(source.broker, "amqp"), partial(amqp.open_source, broker, source, place)


def _sink(settings: Settings, target: KafkaSinkSettings, place: Place) -> tuple[str, OpenSink]:
    from connectors import kafka  # noqa: PLC0415 - a client library is loaded only where a route needs it

    broker = settings.broker(target.broker, "kafka")
    return settings.broker_name(target.broker, "kafka"), partial(kafka.open_sink, broker, target, place)
