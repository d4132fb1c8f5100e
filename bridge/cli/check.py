"""`fedbridge check`: every problem of a configuration, or what each of its routes guarantees and why."""

from collections.abc import Iterator
from pathlib import Path

import typer

from config import RouteSettings, Settings, load
from config.settings import AmqpSourceSettings, KafkaSinkSettings


def check(config: Path) -> None:
    """Print one block for each route on stdout; raises ConfigError with every problem if there is one."""
    settings = load(config)
    typer.echo("\n\n".join("\n".join(block(name, route, settings)) for name, route in settings.routes.items()))


def block(name: str, route: RouteSettings, settings: Settings) -> Iterator[str]:
    """The lines about one route: its name, where it reads and writes, and what it guarantees and why."""
    source, targets = route.source.settings, route.targets.settings
    origin = settings.broker_name(source.broker, "amqp")
    yield f"route {name}" + ("" if route.enabled else " (disabled: it does not run)")
    yield f"  from       {_source(name, source, settings)} at {origin} ({settings.brokers[origin].shown})"
    for target in targets:
        yield f"  to         {_target(target, settings)}"
    confirmers = " and ".join(dict.fromkeys(settings.broker_name(target.broker, "kafka") for target in targets))
    window = route.window.messages
    yield f"  delivery   at least once: acknowledged at {origin} only after {confirmers} confirmed"
    yield f"  duplicates at most window.messages ({window}) after a crash or lost connection"
    for target in targets:
        yield f"  order      {target.name}: {_order(target)}"
    yield f"  on_error   {_ON_ERROR[route.on_error]}"
    if (note := _waiting(source)) is not None:
        yield f"  exchange   {note}"


_ALWAYS_THERE = ("routing_key", "exchange", "address")
"""The template fields that every message from AMQP has."""

_ON_ERROR = {
    "dead_letter": "dead_letter: as long as there is no store for dead letters, a message that cannot be delivered "
    "stops the route and stays unacknowledged",
    "stop": "stop: a message that cannot be delivered stops the route and stays unacknowledged",
    "drop": "drop: a message that cannot be delivered is acknowledged, counted and LOST",
}


def _source(route: str, source: AmqpSourceSettings, settings: Settings) -> str:
    queue = source.queue or f"fedbridge.{settings.bridge.name}.{route}"
    if source.exchange is None:
        made = "created durable when missing" if source.declares else "must exist"
        return f"queue {queue} ({made})"
    made = "durable, created when missing" if source.declares else "must exist"
    keys = "" if source.exchange_type == "fanout" else f" with {', '.join(source.keys)}"
    return f"{source.exchange_type} exchange {source.exchange}{keys} through queue {queue} ({made})"


def _target(target: KafkaSinkSettings, settings: Settings) -> str:
    home = settings.broker_name(target.broker, "kafka")
    missing = "created when missing" if target.create else "must exist"
    key = "no key" if target.key is None else f"key {target.key}"
    return f"{target.name}: topic {target.topic} ({missing}), {key}, at {home} ({settings.brokers[home].shown})"


def _order(target: KafkaSinkSettings) -> str:
    """The order that the target keeps: Kafka has one per partition, and the key chooses the partition."""
    if target.key is None:  # messages from AMQP have no key of their own
        kept = "kept only within a partition, since no key is set"
    elif any(field.default is None and field.name not in _ALWAYS_THERE for field in target.key.fields):
        kept = "kept per key; without a key only within a partition"
    else:
        kept = "kept per key"
    if target.max_in_flight == 1:
        return f"{kept}; through refusals too (max_in_flight = 1)"
    return f"{kept}; a refused message may be overtaken by those in flight (max_in_flight = 1 prevents it)"


def _waiting(source: AmqpSourceSettings) -> str | None:
    """What happens while the exchange is missing."""
    if source.exchange is None:
        return None
    if source.exchange_durable is None:
        return f"{source.exchange} belongs to its publisher and is waited for (exchange_durable is not stated)"
    kind = "durable" if source.exchange_durable else "non-durable"
    return f"{source.exchange} is created {kind} when it is missing"
