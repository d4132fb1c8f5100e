"""What `fedbridge check` says of routes between AMQP and Kafka."""

from pathlib import Path

import pytest

from tests.unit.bridge.guarantees import OVERTAKEN, RETENTION, facts, lines


def test_two_targets_and_what_they_say(tmp_path: Path) -> None:
    told = lines(
        tmp_path,
        "enabled = false\non_error = 'drop'\nwindow.messages = 7\n"
        "from.amqp = { exchange = 'e', exchange_type = 'topic', exchange_durable = false,"
        "queue = 'q', declare = false }\n"
        "to.kafka = [{ name = 'a', topic = 't', max_in_flight = 1, create = true },\n"
        "{ name = 'b', topic = 't', key = '{header.x:none}-{routing_key}' }]\n",
    )
    assert "SECRET" not in "".join(told)
    assert told == [
        "route x (disabled: it does not run)",
        "  from       topic exchange e with # through queue q (must exist) at rabbit (amqp://localhost:5672/)",
        "  to         a: topic t (created when missing), no key, at main (kafka://a:9092,b:9092)",
        "  to         b: topic t (must exist), key {header.x:none}-{routing_key}, at main (kafka://a:9092,b:9092)",
        "  delivery   at least once: acknowledged at rabbit only after main confirmed",
        "  duplicates at most window.messages (7) after a crash or lost connection; what RabbitMQ gives again has a "
        "new fedbridge-uid: compare message_id",
        "  order      a: kept only within a partition, since no key is set; through refusals too (max_in_flight = 1)",
        f"  order      b: kept per key; {OVERTAKEN}",
        "  on_error   drop: a message that cannot be delivered is acknowledged, counted and LOST",
        f"  limits     a: {RETENTION}",
        f"  limits     b: {RETENTION}",
        "  exchange   e is created non-durable when it is missing",
    ]


def test_a_queue_alone_must_exist(tmp_path: Path) -> None:
    told = lines(tmp_path, "on_error = 'stop'\nfrom.amqp.queue = 'q'\nto.kafka.topic = 't'\n")
    assert told[1] == "  from       queue q (must exist) at rabbit (amqp://localhost:5672/)"
    assert facts(told, "on_error") == [
        "stop: a message that cannot be delivered stops the route and stays unacknowledged"
    ]


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        ("queue = 'q', declare = true", "queue q (created durable when missing)"),
        ("queue = 'q', declare = true, durable = false", "queue q (created not durable when missing)"),
        ("exchange = 'e', exchange_type = 'direct', binding_keys = ['a', 'b']",
         "direct exchange e with a, b through queue fedbridge.fedbridge.x (durable, created when missing)"),
        ("exchange = 'e', exchange_type = 'headers', bindings = [{ x-match = 'any', n = 1 }, { r = 'eu' }]",
         "headers exchange e with x-match=any, n=1 or r=eu through queue fedbridge.fedbridge.x "
         "(durable, created when missing)"),
        ("exchange = 'e', exchange_type = 'fanout', exclusive = true",
         "fanout exchange e through temporary queue (exclusive)"),
        ("queue = 'q', exclusive = true", "temporary queue q (exclusive)"),
    ],
)  # fmt: skip
def test_every_kind_of_queue(tmp_path: Path, table: str, shown: str) -> None:
    told = lines(tmp_path, f"from.amqp = {{ {table} }}\nto.kafka.topic = 't'\n")
    assert facts(told, "from") == [f"{shown} at rabbit (amqp://localhost:5672/)"]


@pytest.mark.parametrize(
    ("table", "ends"),
    [
        ("queue = 'q', exclusive = true", "its connection (exclusive)"),
        ("queue = 'q', declare = true, auto_delete = true", "its last consumer (auto_delete)"),
    ],
)
def test_what_a_temporary_queue_costs(tmp_path: Path, table: str, ends: str) -> None:
    told = lines(tmp_path, f"from.amqp = {{ {table} }}\nto.kafka.topic = 't'\n")
    assert facts(told, "delivery") == ["acknowledged at rabbit only after main confirmed; NOT at least once, since:"]
    assert facts(told, "temporary") == [
        f"the queue ends with {ends}: messages published while the bridge is away are lost, and what is in hand when "
        "the connection is lost exists nowhere else: it is worked off, and LOST if the bridge ends before that"
    ]


def test_from_kafka_to_everything(tmp_path: Path) -> None:
    told = lines(
        tmp_path,
        "unroutable = 'hold'\nfrom.kafka = { pattern = 't.*', group = 'g', start = 'latest' }\n"
        "to.amqp = [{ name = 'a', exchange = '', routing_key = 'q', max_in_flight = 1 },\n"
        "{ name = 'b', exchange = 'e', persistent = false, exchange_type = 'fanout', exchange_durable = true }]\n"
        "to.kafka = [{ name = 'c', topic = 'u' }, { name = 'd', topic = 'u', key = '{topic}' }]\n",
    )
    assert facts(told, "from") == ["topics matching t.* as group g at main (kafka://a:9092,b:9092)"]
    assert facts(told, "to") == [
        "a: the default exchange, routing key q, at rabbit (amqp://localhost:5672/)",
        "b: exchange e, an empty routing key, at rabbit (amqp://localhost:5672/)",
        "c: topic u (must exist), the message's own key, at main (kafka://a:9092,b:9092)",
        "d: topic u (must exist), key {topic}, at main (kafka://a:9092,b:9092)",
    ]
    assert facts(told, "delivery") == ["at least once: committed at main only after rabbit and main confirmed"]
    assert facts(told, "start") == [
        "latest: a group that is new begins at the end: what is there before is not relayed"
    ]
    assert facts(told, "order") == [
        "a: kept per partition of the source, one after the other; through refusals too (max_in_flight = 1)",
        f"b: kept per partition of the source, one after the other; {OVERTAKEN}",
        f"c: kept per key; without a key only within a partition, of messages from one partition of the source; "
        f"{OVERTAKEN}",
        f"d: kept per key, of messages from one partition of the source; {OVERTAKEN}",
    ]
    assert facts(told, "unroutable") == [
        "hold: a message that the exchange has no binding for waits, and the route with it, until there is one"
    ]
    assert facts(told, "persistent") == ["b: no: a restart of its broker loses what waits in queues there"]
    assert facts(told, "exchange") == ["e is created durable when it is missing"]


def test_from_rabbitmq_to_rabbitmq(tmp_path: Path) -> None:
    told = lines(tmp_path, "unroutable = 'drop'\nfrom.amqp.queue = 'q'\nto.amqp.exchange = '{header.to}'\n")
    assert facts(told, "to") == [
        "amqp: exchange {header.to}, the message's own routing key, at rabbit (amqp://localhost:5672/)"
    ]
    assert facts(told, "order") == [f"amqp: kept, one after the other; {OVERTAKEN}"]
    assert facts(told, "unroutable") == [
        "drop: a message that the exchange has no binding for is acknowledged, counted and LOST"
    ]


def test_filter_and_rules_are_said_in_the_order_in_which_they_work(tmp_path: Path) -> None:
    told = lines(
        tmp_path,
        "from.amqp.queue = 'q'\nto.kafka.topic = 't'\nfilter = '''headers.region ==\n  \"eu\"'''\n"
        "map.set = { key = '{message_id}', priority = 5 }\nmap.default = { type = 'x' }\n"
        "map.remove = ['header.x-*', 'reply_to']\nmap.rename = { 'header.a' = 'type', 'header.b-*' = 'header.*' }\n",
    )
    assert "  to         kafka: topic t (must exist), the message's own key, at main (kafka://a:9092,b:9092)" in told
    assert facts(told, "filter    ") == [
        'headers.region == "eu": where this is false the message is acknowledged, counted as filtered, not relayed',
        "for a message without headers and JSON members it fails (there is no 'region'): as on_error says",
    ]
    assert facts(told, "map       ") == [
        "renames header.a to type; renames header.b-* to header.*; removes header.x-*, reply_to; "
        "gives where it is missing type; sets key, priority"
    ]
    assert facts(told, "order     ") == [f"kafka: kept per key; without a key only within a partition; {OVERTAKEN}"]


def test_a_key_that_rules_remove_is_none(tmp_path: Path) -> None:
    told = lines(tmp_path, "from.kafka.topics = ['q']\nto.kafka.topic = 't'\nmap.remove = ['key']\n")
    assert "  to         kafka: topic t (must exist), no key, at main (kafka://a:9092,b:9092)" in told
