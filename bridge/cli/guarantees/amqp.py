"""What there is to say of RabbitMQ's queues and exchanges."""

from collections.abc import Iterator

from bridge.cli.guarantees.view import TEMPORARY, Fact, View
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.values import Kind


def reads(source: AmqpSourceSettings, view: View) -> str:
    """What is read, and how."""
    queue = f"queue {source.queue or view.own.group}"
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


def writes(target: AmqpSinkSettings, source: Kind) -> str:
    """Where messages of that kind of source are written."""
    exchange = f"exchange {target.exchange}" if target.exchange.text else "the default exchange"
    own = "the message's own routing key" if source == "amqp" else "an empty routing key"
    key = own if target.routing_key is None else f"routing key {target.routing_key}"
    return f"{exchange}, {key}"


def reading(source: AmqpSourceSettings, view: View) -> Iterator[Fact]:
    """What is promised of the messages of a queue."""
    if source.exclusive or source.auto_delete:
        ends = "its connection (exclusive)" if source.exclusive else "its last consumer (auto_delete)"
        yield "delivery", view.no_promise()
        yield "temporary", f"the queue ends with {ends}: {TEMPORARY}"
        yield "duplicates", view.duplicates(f"a lost connection to {view.targets}")
    else:
        yield "delivery", view.promise("acknowledged")
        again = "what RabbitMQ gives again has a new fedbridge-uid: compare message_id"
        yield "duplicates", view.duplicates("a crash or lost connection", again)


def writing(target: AmqpSinkSettings) -> Iterator[Fact]:
    """What is to be known of an exchange that is written to."""
    if target.persistent is False:
        yield "persistent", "no: a restart of its broker loses what waits in queues there"


def waiting(end: AmqpSourceSettings | AmqpSinkSettings) -> Iterator[Fact]:
    """What happens while an exchange is missing."""
    if not str(end.exchange or ""):
        return
    if end.exchange_durable is not None:
        kind = "durable" if end.exchange_durable else "non-durable"
        yield "exchange", f"{end.exchange} is created {kind} when it is missing"
    elif isinstance(end, AmqpSourceSettings):
        yield "exchange", f"{end.exchange} belongs to its publisher and is waited for (exchange_durable is not stated)"
    else:
        yield "exchange", f"{end.exchange} is waited for while it is missing (exchange_durable is not stated)"
