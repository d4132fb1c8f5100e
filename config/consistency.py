"""What one model cannot see: whether the parts of a configuration fit each other."""

import ipaddress
from collections.abc import Iterator

from config.errors import ConfigError
from config.positions import Path
from config.settings import BrokerSettings, RouteSettings, Settings
from config.templates import TemplateField
from config.values import Kind, parse_listen

_OWN_FIELDS: dict[Kind, frozenset[str]] = {
    "amqp": frozenset({"routing_key", "exchange"}),
    "kafka": frozenset({"topic", "key"}),
}
"""The template fields that only messages of some kinds of source have; every other field exists for all."""
_SOME_FIELDS = frozenset({"routing_key", "exchange", "topic", "stream", "key"})


def contradictions(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Everything that does not fit, as the path of a setting and a sentence about it."""
    yield from _listeners(settings)
    for name, broker in settings.brokers.items():
        yield from _broker(("brokers", name), broker)
    if not settings.routes:
        yield (), "no route is configured; write a [routes.NAME] with a from and a to"
    for name, route in settings.routes.items():
        yield from _route(("routes", name), route, settings)


def _listeners(settings: Settings) -> Iterator[tuple[Path, str]]:
    for key, address in (("listen", settings.admin.listen), ("metrics_listen", settings.admin.metrics_listen)):
        if address is None:
            continue
        try:
            host, _ = parse_listen(address)
        except ValueError as error:
            yield ("admin", key), str(error)
            continue
        if key == "listen" and not _is_loopback(host):
            yield (
                ("admin", key),
                f"{host} is not a loopback address; use 127.0.0.1, or metrics_listen for metrics alone",
            )


def _broker(path: Path, broker: BrokerSettings) -> Iterator[tuple[Path, str]]:
    if len({url.kind for url in broker.urls}) > 1:
        yield (*path, "url"), "the URLs are of different kinds of broker"
    try:
        username, password = broker.login()
    except ConfigError as error:
        yield from (((*path, "password_file"), f"{problem.where}: {problem.text}") for problem in error.problems)
        return
    if broker.kind == "kafka" and (username is not None or password is not None):
        yield path, "Kafka with a user name and password (SASL) does not work yet"


def _route(path: Path, route: RouteSettings, settings: Settings) -> Iterator[tuple[Path, str]]:
    source = (*path, "from", route.source.kind)
    yield from _resolves(source, route.source.settings.broker, route.source.kind, settings)
    for number, target in enumerate(route.targets.settings):
        base: Path = (*path, "to", "kafka")
        if isinstance(route.targets.kafka, list):
            base = (*base, number)
        yield from _resolves(base, target.broker, "kafka", settings)
        for key, template in (("topic", target.topic), ("key", target.key)):
            for field in template.fields if template is not None else ():
                if not _exists(field, route.source.kind):
                    yield (*base, key), f"a message from {route.source.kind} has no {{{field.name}}}"


def _resolves(path: Path, name: str | None, kind: Kind, settings: Settings) -> Iterator[tuple[Path, str]]:
    try:
        settings.broker(name, kind)
    except KeyError as error:
        yield (path if name is None else (*path, "broker")), str(error.args[0])


def _exists(field: TemplateField, kind: Kind) -> bool:
    return field.name not in _SOME_FIELDS or field.name in _OWN_FIELDS[kind]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
