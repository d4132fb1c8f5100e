"""What a route guarantees, and why: the lines that `fedbridge check` prints of it. Pure."""

from collections.abc import Iterator

from bridge.wiring import instance_of
from config import RouteSettings, Settings
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from config.settings import SinkSettings, SourceSettings


def block(name: str, route: RouteSettings, settings: Settings) -> Iterator[str]:
    """The lines about one route: its name, where it reads and writes, and what it guarantees and why."""
    yield f"route {name}" + ("" if route.enabled else " (disabled: it does not run)")
    for label, text in _facts(name, route, settings):
        yield f"  {label:<10} {text}"


def _facts(name: str, route: RouteSettings, settings: Settings) -> Iterator[tuple[str, str]]:
    source, targets = route.source.settings, route.targets.settings
    yield "from", f"{_source(name, source, settings)} at {_at(source, settings)}"
    for target in targets:
        yield "to", f"{target.name}: {_target(source, target)}, at {_at(target, settings)}"
    yield from _delivery(name, route, settings)
    for target in targets:
        yield "order", f"{target.name}: {_order(source, target)}"
    yield "on_error", _ON_ERROR[route.on_error]
    if any(isinstance(target, AmqpSinkSettings) for target in targets):
        yield "unroutable", _UNROUTABLE[route.unroutable]
    for target in targets:
        if isinstance(target, AmqpSinkSettings) and target.persistent is False:
            yield "persistent", f"{target.name}: no: a restart of its broker loses what waits in queues there"
    for end in (source, *targets):
        if (note := _waiting(end)) is not None:
            yield "exchange", note


_ALWAYS_THERE = {
    "amqp": ("routing_key", "exchange", "address"),
    "kafka": ("topic", "address"),
    "mqtt": ("topic", "address"),
    "redis": ("stream", "address"),
}
"""The template fields that every message of a kind of source has."""

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
_SESSION = 45  # seconds after which Kafka takes a static member for gone


def _at(end: SourceSettings | SinkSettings, settings: Settings) -> str:
    name = settings.broker_name(end.broker, end.kind)
    return f"{name} ({settings.brokers[name].shown})"


def _source(route: str, source: SourceSettings, settings: Settings) -> str:
    own = f"fedbridge.{settings.bridge.name}.{route}"
    if isinstance(source, MqttSourceSettings):
        return f"topics {', '.join(source.topics)}"
    if isinstance(source, RedisSourceSettings):
        return f"streams {', '.join(source.streams)} as group {source.group or own}"
    if isinstance(source, KafkaSourceSettings):
        what = f"topics matching {source.pattern}" if source.topics is None else f"topic {', '.join(source.topics)}"
        return f"{what} as group {source.group or own}"
    queue = f"queue {source.queue or own}"
    if source.exclusive:
        queue = "temporary queue" if source.queue is None else f"temporary queue {source.queue}"
        made = "exclusive"
    elif source.declares:
        kept = "durable" if source.durable else "not durable"
        made = f"created {kept} when missing" if source.exchange is None else f"{kept}, created when missing"
    else:
        made = "must exist"
    if source.exchange is None:
        return f"{queue} ({made})"
    return f"{source.exchange_type} exchange {source.exchange}{_bound(source)} through {queue} ({made})"


def _bound(source: AmqpSourceSettings) -> str:
    if source.exchange_type == "fanout":
        return ""
    if source.exchange_type != "headers":
        return f" with {', '.join(source.keys)}"
    return " with " + " or ".join(
        ", ".join(f"{key}={value}" for key, value in binding.items()) for binding in source.bindings
    )


def _target(source: SourceSettings, target: SinkSettings) -> str:
    if isinstance(target, KafkaSinkSettings):
        missing = "created when missing" if target.create else "must exist"
        own = "no key" if source.kind == "amqp" else "the message's own key"
        key = own if target.key is None else f"key {target.key}"
        return f"topic {target.topic} ({missing}), {key}"
    if isinstance(target, MqttSinkSettings):
        return f"topic {target.topic}"
    if isinstance(target, RedisSinkSettings):
        return f"stream {target.stream}"
    exchange = f"exchange {target.exchange}" if target.exchange.text else "the default exchange"
    own = "the message's own routing key" if source.kind == "amqp" else "an empty routing key"
    key = own if target.routing_key is None else f"routing key {target.routing_key}"
    return f"{exchange}, {key}"


def _delivery(name: str, route: RouteSettings, settings: Settings) -> Iterator[tuple[str, str]]:
    source, window = route.source.settings, route.window.messages
    origin = settings.broker_name(source.broker, source.kind)
    confirmers = " and ".join(
        dict.fromkeys(settings.broker_name(target.broker, target.kind) for target in route.targets.settings)
    )
    if isinstance(source, MqttSourceSettings | RedisSourceSettings):
        yield "delivery", f"acknowledged at {origin} only after {confirmers} confirmed"
    elif isinstance(source, KafkaSourceSettings):
        yield "delivery", f"at least once: committed at {origin} only after {confirmers} confirmed"
        yield (
            "duplicates",
            f"at most window.messages ({window}) after a crash, lost connection or rebalance; "
            "what comes again has the same fedbridge-uid",
        )
        member = f"{settings.bridge.name}.{name}.{instance_of(settings)}"
        yield (
            "group",
            f"member {member} is static: back within its session of {_SESSION} s it has its partitions at once, "
            "and before that nobody else gets them; a second bridge of this instance fences the first off",
        )
        begin = "the earliest record" if source.start == "earliest" else "the end: what is there before is not relayed"
        yield "start", f"{source.start}: a group that is new begins at {begin}"
    elif source.exclusive or source.auto_delete:
        yield "delivery", f"acknowledged at {origin} only after {confirmers} confirmed; NOT at least once, since:"
        yield "temporary", _temporary(source)
        yield "duplicates", f"at most window.messages ({window}) after a lost connection to {confirmers}"
    else:
        yield "delivery", f"at least once: acknowledged at {origin} only after {confirmers} confirmed"
        yield "duplicates", f"at most window.messages ({window}) after a crash or lost connection"


def _temporary(source: AmqpSourceSettings) -> str:
    ends = "its connection (exclusive)" if source.exclusive else "its last consumer (auto_delete)"
    return (
        f"the queue ends with {ends}: messages published while the bridge is away are lost, and what is in hand when "
        "the connection is lost exists nowhere else: it is worked off, and LOST if the bridge ends before that"
    )


def _order(source: SourceSettings, target: SinkSettings) -> str:
    """The order that a target keeps, of the order that its source has."""
    if isinstance(target, KafkaSinkSettings):
        kept = _order_in_kafka(source, target)
    elif isinstance(source, AmqpSourceSettings):
        kept = "kept, one after the other"
    else:
        kept = "kept per partition of the source, one after the other"
    if target.max_in_flight == 1:
        return f"{kept}; through refusals too (max_in_flight = 1)"
    return f"{kept}; a refused message may be overtaken by those in flight (max_in_flight = 1 prevents it)"


def _order_in_kafka(source: SourceSettings, target: KafkaSinkSettings) -> str:
    """Kafka has one order per partition, and the key chooses the partition."""
    from_queue = isinstance(source, AmqpSourceSettings)
    given = "" if from_queue else ", of messages from one partition of the source"
    if target.key is None and from_queue:  # messages from AMQP have no key of their own
        return "kept only within a partition, since no key is set"
    fields = () if target.key is None else target.key.fields
    if target.key is None or any(
        field.default is None and field.name not in _ALWAYS_THERE[source.kind] for field in fields
    ):
        return f"kept per key; without a key only within a partition{given}"
    return f"kept per key{given}"


def _waiting(end: SourceSettings | SinkSettings) -> str | None:
    """What happens while an exchange is missing."""
    name = getattr(end, "exchange", None)
    if isinstance(end, AmqpSourceSettings):
        whose = "belongs to its publisher and is waited for"
    elif isinstance(end, AmqpSinkSettings):
        whose = "is waited for while it is missing"
    else:
        return None
    if not name or not str(name):
        return None
    if end.exchange_durable is None:
        return f"{name} {whose} (exchange_durable is not stated)"
    kind = "durable" if end.exchange_durable else "non-durable"
    return f"{name} is created {kind} when it is missing"
