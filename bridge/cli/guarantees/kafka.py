"""What there is to say of Kafka's topics."""

from collections.abc import Iterator

from bridge.cli.guarantees.view import Fact, View
from config.kafka import KafkaSinkSettings, KafkaSourceSettings
from config.values import Kind

_SESSION = 45  # seconds after which Kafka takes a static member for gone

_ALWAYS_THERE: dict[Kind, tuple[str, ...]] = {
    "amqp": ("routing_key", "exchange", "address"),
    "kafka": ("topic", "address"),
    "mqtt": ("topic", "address"),
    "redis": ("stream", "address"),
}
"""The template fields that every message of a kind of source has."""

HAVE_KEYS: tuple[Kind, ...] = ("kafka", "redis")
"""The kinds of source whose messages may have a key of their own."""


def reads(source: KafkaSourceSettings, view: View) -> str:
    """What is read, and how."""
    what = f"topics matching {source.pattern}" if source.topics is None else f"topic {', '.join(source.topics)}"
    return f"{what} as group {source.group or view.own.group}"


def writes(target: KafkaSinkSettings, keyed: bool) -> str:
    """Where messages are written; `keyed`: whether they may have a key of their own."""
    missing = "created when missing" if target.create else "must exist"
    own = "the message's own key" if keyed else "no key"
    key = own if target.key is None else f"key {target.key}"
    return f"topic {target.topic} ({missing}), {key}"


def reading(source: KafkaSourceSettings, view: View) -> Iterator[Fact]:
    """What is promised of the records of topics."""
    yield "delivery", view.promise("committed")
    why = "a crash, lost connection or rebalance"
    yield "duplicates", view.duplicates(why, "what comes again has the same fedbridge-uid")
    yield (
        "group",
        f"member {view.own.member} is static: back within its session of {_SESSION} s it has its partitions at once, "
        "and before that nobody else gets them; a second bridge of this instance fences the first off",
    )
    begin = "the earliest record" if source.start == "earliest" else "the end: what is there before is not relayed"
    yield "start", f"{source.start}: a group that is new begins at {begin}"


def writing() -> Iterator[Fact]:
    """What is to be known of a topic that is written to: retention goes by CreateTime, which is the message's own."""
    yield (
        "limits",
        "a message's timestamp is its record's, and the topic's retention.ms counts from there: what is older than "
        "that is deleted soon after it was delivered, read or not, and so LOST; message.timestamp.type = LogAppendTime "
        'at the topic prevents it, or map.remove = ["timestamp"] here',
    )


def order(source: Kind, target: KafkaSinkSettings, given: str, keyed: bool) -> str:
    """The order that is kept: Kafka has one per partition, and the key chooses the partition.

    `given` says what order there is at the source, `keyed` whether messages may have a key of their own.
    """
    if target.key is None and not keyed:
        better = ' (key = "{topic}" keeps that of each topic)' if source == "mqtt" else ""
        return f"kept only within a partition, since no key is set{better}"
    fields = () if target.key is None else target.key.fields
    always = _ALWAYS_THERE[source]
    if target.key is None or any(
        field.default is None and field.name not in always and not field.captured for field in fields
    ):
        return f"kept per key; without a key only within a partition{given}"
    return f"kept per key{given}"
