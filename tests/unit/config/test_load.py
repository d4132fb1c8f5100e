"""What is wrong with a configuration, as the operator reads it: the exact lines."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from config import ConfigError, load
from tests.unit.config.configurations import BROKERS, ROUTE, VALID, loads, problems


def test_what_is_valid_loads(tmp_path: Path) -> None:
    route = loads(tmp_path, VALID + 'window.messages = 10\nretry.initial = "1s"\n').routes["orders"]
    assert (route.window.messages, route.retry.initial, route.source.model_dump()["amqp"]["queue"]) == (
        10,
        1.0,
        "orders",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("exchnage = 1", "FILE:1:1: exchnage: unknown key (known are bridge, log, admin, brokers, routes)"),
        ("bridg.name = 'x'", "FILE:1:1: bridg: unknown key (did you mean bridge?)"),
        ("bridge.name = 'Big'", "FILE:1:8: bridge.name: is \"Big\", not a name of a-z, 0-9, _ and -, "
         "beginning with a letter or digit"),
        ("bridge.drain_timeout = 30", 'FILE:1:8: bridge.drain_timeout: a duration has a unit: "30s"?'),
        ("bridge.drain_timeout = 'soon'", 'FILE:1:8: bridge.drain_timeout: is "soon", not a duration; write for '
         'example "200ms", "30s", "20min" or "1h"'),
        ("bridge.instance = 5", "FILE:1:8: bridge.instance: is 5, not text"),
        ("bridge = 5", "FILE:1:1: bridge: is 5, not a table"),
        ("log.level = 'inf'", 'FILE:1:5: log.level: is "inf", not one of debug, info, warning, error '
         "(did you mean info?)"),
        ("log.level = 'WARN'", 'FILE:1:5: log.level: is "WARN", not one of debug, info, warning, error '
         "(did you mean warning?)"),
        ("log.level = []", "FILE:1:5: log.level: is a list, not one of debug, info, warning, error"),
        ("admin.listen = '0.0.0.0:9464'", "FILE:1:7: admin.listen: 0.0.0.0 is not a loopback address; use 127.0.0.1, "
         "or metrics_listen for metrics alone"),
        ("admin.listen = 'localhost'", 'FILE:1:7: admin.listen: is "localhost", not HOST:PORT; write for example '
         '"127.0.0.1:9464"'),
        ("admin.metrics_listen = ':1'", 'FILE:1:7: admin.metrics_listen: is ":1", not HOST:PORT; write for example '
         '"127.0.0.1:9464"'),
        ("bridge.\"e\\u001bvil\\n\" = 1", "FILE:1:8: bridge.e\\x1bvil\\n: unknown key "
         "(known are name, instance, drain_timeout)"),
    ],
)  # fmt: skip
def test_one_line_that_is_wrong(tmp_path: Path, line: str, told: str) -> None:
    assert problems(tmp_path, f"{line}\n{VALID}") == [told]


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        ("url = 'localhost'", "FILE:9:1: brokers.more.url: is not a broker's URL; write amqp://HOST:PORT/VHOST, "
         "kafka://HOST:PORT,HOST:PORT, mqtt://HOST:PORT or redis://HOST:PORT/DATABASE"),
        ("url = 'amqp://u:SECRET@h:x'", "FILE:9:1: brokers.more.url: a port is a number from 1 to 65535; write "
         "special characters in its user name and password as %XX, or put them into username and password"),
        ("url = ['kafka://a', 5]", "FILE:9:21: brokers.more.url[1]: is not text"),
        ("url = []", "FILE:9:1: brokers.more.url: is an empty list"),
        ("url = ['kafka://a', 'amqp://b']", "FILE:9:1: brokers.more.url: the URLs are of different kinds of broker"),
        ("username = 'u'", "FILE:8:10: brokers.more: needs url"),
        ("url = 'kafka://a'\npassword = 5", "FILE:10:1: brokers.more.password: is not text"),
        ("url = 'kafka://a'\npasswrod = 'SECRET'", "FILE:10:1: brokers.more.passwrod: unknown key "
         "(did you mean password?)"),
        ("url = 'amqp://a'\npassword_file = '/nowhere'", "FILE:10:1: brokers.more.password_file: /nowhere: the "
         "password cannot be read: No such file or directory"),
        ("url = 'kafka://a'\nusername = 'u'", "FILE:8:10: brokers.more: Kafka with a user name and password (SASL) "
         "does not work yet"),
        ("url = 'kafka://a'\nheartbeat = 'x'", 'FILE:10:1: brokers.more.heartbeat: is "x", not a duration; write for '
         'example "200ms", "30s", "20min" or "1h"'),
        ("url = 'kafka://a'\nheartbeat = '0s'", "FILE:10:1: brokers.more.heartbeat: is \"0s\", not above 0"),
    ],
)  # fmt: skip
def test_a_broker_that_is_wrong(tmp_path: Path, broker: str, told: str) -> None:
    named = VALID.replace('"orders" }', '"orders", broker = "kafka" }').replace(
        'queue = "orders", broker = "kafka"', 'queue = "orders", broker = "rabbit"'
    )
    lines = problems(tmp_path, f"{named}[brokers.more]\n{broker}\n")
    assert lines == [told]
    assert "SECRET" not in lines[0]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("from.amqp = { exchnage = 'x' }", ["FILE:6:15: routes.x.from.amqp.exchnage: unknown key "
         "(did you mean exchange?)"]),
        ("from.nats = { topics = ['x'] }", ["FILE:6:6: routes.x.from.nats: unknown key "
         "(known are amqp, kafka, mqtt, redis)"]),
        ("from.mqtt = { topics = ['x'] }", ["FILE:6:6: routes.x.from.mqtt: no mqtt broker is declared; name one with "
         "broker = …"]),
        ("from = {}", ["FILE:6:1: routes.x.from: a route has one source: from.amqp, from.kafka, from.mqtt or "
         "from.redis"]),
        ("from.kafka = { topics = ['x'] }\nfrom.amqp.queue = 'q'", ["FILE:6:1: routes.x.from: a route has one source: "
         "from.amqp, from.kafka, from.mqtt or from.redis"]),
        ("from.kafka = {}", ["FILE:6:6: routes.x.from.kafka: needs topics or a pattern"]),
        ("from.kafka = { topics = ['x'], pattern = 'x' }", ["FILE:6:6: routes.x.from.kafka: needs topics or a pattern, "
         "not both"]),
        ("from.kafka = { pattern = '(' }", ["FILE:6:16: routes.x.from.kafka.pattern: is \"(\", not a regular "
         "expression: missing ), unterminated subpattern at position 0"]),
        ("from.kafka = { topics = [] }", ["FILE:6:16: routes.x.from.kafka.topics: is an empty list"]),
        ("from.kafka = { topics = ['x'], start = 'first' }", ["FILE:6:32: routes.x.from.kafka.start: is \"first\", "
         "not one of earliest, latest"]),
        ("from.kafka = { topics = ['x'], broker = 'rabbit' }", ["FILE:6:32: routes.x.from.kafka.broker: "
         "brokers.rabbit is amqp, not kafka"]),
        ("from.amqp = {}", ["FILE:6:6: routes.x.from.amqp: needs a queue or an exchange"]),
        ("from.amqp = { exchange = 'x' }", ["FILE:6:6: routes.x.from.amqp: an exchange needs its exchange_type"]),
        ("from.amqp = { exchange = 'x', exchange_type = 'fanuot' }", ["FILE:6:31: routes.x.from.amqp.exchange_type: "
         'is "fanuot", not one of direct, fanout, topic, headers (did you mean fanout?)']),
        ("from.amqp = { queue = '' }", ["FILE:6:15: routes.x.from.amqp.queue: is empty"]),
        ("from.amqp = { queue = 'q', prefetch = 70000 }", ["FILE:6:28: routes.x.from.amqp.prefetch: is 70000, "
         "not 65535 or less"]),
        ("from.amqp = { queue = 'q', broker = 'rabit' }", ["FILE:6:28: routes.x.from.amqp.broker: "
         "there is no [brokers.rabit] (did you mean rabbit?)"]),
        ("from.amqp = { queue = 'q', broker = 'kafak' }", ["FILE:6:28: routes.x.from.amqp.broker: "
         "there is no [brokers.kafak] (of amqp there is rabbit)"]),
        ("from.amqp = { queue = 'q', broker = 'kafka' }", ["FILE:6:28: routes.x.from.amqp.broker: "
         "brokers.kafka is kafka, not amqp"]),
        ("from.amqp = { queue = 'q', declare = 'maybe' }", ["FILE:6:28: routes.x.from.amqp.declare: is \"maybe\", "
         "not true or false"]),
        ("from.amqp = { queue = 'q', declare = true, arguments = { x-max-length = '100', x-queue-type = 'quorm' } }",
         ["FILE:6:58: routes.x.from.amqp.arguments.x-max-length: is \"100\", not a whole number",
          "FILE:6:80: routes.x.from.amqp.arguments.x-queue-type: is \"quorm\", not one of classic, quorum, stream "
          "(did you mean quorum?)"]),
        ("from.amqp = { queue = 'q', declare = true, durable = false, arguments.x-queue-type = 'quorum' }",
         ["FILE:6:71: routes.x.from.amqp.arguments.x-queue-type: a quorum queue is always durable; leave out durable"]),
        ("source.amqp = { queue = 'q' }\nfrom.amqp = { queue = 'q' }", ["FILE:6:1: routes.x.source: unknown key "
         "(known are enabled, from, to, window, on_error, unroutable, trust, max_hops, retry, filter, map)"]),
        ("source.amqp = { queue = 'q' }", ["FILE:5:9: routes.x: needs from", "FILE:6:1: routes.x.source: unknown key "
         "(known are enabled, from, to, window, on_error, unroutable, trust, max_hops, retry, filter, map)"]),
        ("", ["FILE:5:9: routes.x: needs from"]),
    ],
)  # fmt: skip
def test_a_source_that_is_wrong(tmp_path: Path, route: str, told: list[str]) -> None:
    assert problems(tmp_path, f"{BROKERS}[routes.x]\n{route}\nto.kafka = {{ topic = 't' }}\n") == told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("to.kafka = { topci = 'x' }", ["FILE:7:4: routes.x.to.kafka: needs topic",
         "FILE:7:14: routes.x.to.kafka.topci: unknown key (did you mean topic?)"]),
        ("to.kafka = [{ topic = 'x' }, { name = 'b', topci = 'x' }]", ["FILE:7:30: routes.x.to.kafka[1]: needs topic",
         "FILE:7:44: routes.x.to.kafka[1].topci: unknown key (did you mean topic?)"]),
        ("to.kafka = 'x'", ["FILE:7:4: routes.x.to.kafka: is \"x\", not a table"]),
        ("to.kafka = []", ["FILE:7:1: routes.x.to: a route has at least one target: to.amqp, to.kafka, to.mqtt "
         "or to.redis"]),
        ("to.kafka = [{ topic = 'x' }, { topic = 'y' }]", ["FILE:7:1: routes.x.to: two targets are named kafka; "
         "give each a name of its own"]),
        ("to.kafka = { topic = 5 }", ["FILE:7:14: routes.x.to.kafka.topic: is 5, not text"]),
        ("to.kafka = { topic = 'x', key = '{mesage_id}' }", ["FILE:7:27: routes.x.to.kafka.key: unknown field "
         "{mesage_id} (did you mean {message_id}?)"]),
        ("to.kafka = [{ topic = 'x{key}' }]", ["FILE:7:15: routes.x.to.kafka[0].topic: a message from amqp has no "
         "{key}"]),
        ("to.kafka = { topic = 'x', broker = 'rabbit' }", ["FILE:7:27: routes.x.to.kafka.broker: brokers.rabbit is "
         "amqp, not kafka"]),
        ("to.kafka = { topic = 'x' }\nwindow.messages = 'many'", ["FILE:8:8: routes.x.window.messages: is \"many\", "
         "not a whole number"]),
        ("to.kafka = { topic = 'x' }\nwindow.messages = 1.5", ["FILE:8:8: routes.x.window.messages: is 1.5, "
         "not a whole number"]),
        ("to.kafka = { topic = 'x', max_in_flight = true }", ["FILE:7:27: routes.x.to.kafka.max_in_flight: is true, "
         "not a whole number"]),
        ("to.kafka = { topic = 'x', max_in_flight = 0 }", ["FILE:7:27: routes.x.to.kafka.max_in_flight: is 0, "
         "not 1 or more"]),
        ("to.kafka = { topic = 'x', create = 'yes' }\nenabled = 'no'", ["FILE:7:27: routes.x.to.kafka.create: "
         "is \"yes\", not true or false", "FILE:8:1: routes.x.enabled: is \"no\", not true or false"]),
        ("to.kafka = { topic = 'x' }\nenabled = 1", ["FILE:8:1: routes.x.enabled: is 1, not true or false"]),
        ("to.kafka = { topic = 'x' }\nwindow.messages = true", ["FILE:8:8: routes.x.window.messages: is true, "
         "not a whole number"]),
        ("to.kafka = { topic = 'x' }\nwindow.bytes = '1 parsec'", ["FILE:8:8: routes.x.window.bytes: is \"1 parsec\", "
         'not a size; write for example "32MiB"']),
        ("to.kafka = { topic = 'x' }\nretry = { initial = '5s', max = '1s' }", ["FILE:8:1: routes.x.retry: "
         "initial is above max"]),
        ("to.kafka = { topic = 'x' }\non_error = 'deadletter'", ["FILE:8:1: routes.x.on_error: is \"deadletter\", "
         "not one of dead_letter, stop, drop (did you mean dead_letter?)"]),
        ("to.kafka = { topic = '${NOPE}' }", ["FILE:7:14: routes.x.to.kafka.topic: ${NOPE} is not set in the "
         "environment; set it, or give a default: ${NOPE:…}"]),
    ],
)  # fmt: skip
def test_a_target_that_is_wrong(tmp_path: Path, target: str, told: list[str]) -> None:
    assert problems(tmp_path, f"{BROKERS}[routes.x]\nfrom.amqp.queue = 'q'\n{target}\n") == told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("to.amqp = { exchnage = 'x' }", ["FILE:7:4: routes.x.to.amqp: needs exchange",
         "FILE:7:13: routes.x.to.amqp.exchnage: unknown key (did you mean exchange?)"]),
        ("to.amqp = { queue = 'a\"b' }", ["FILE:7:4: routes.x.to.amqp: needs exchange", "FILE:7:13: "
         "routes.x.to.amqp.queue: unknown key (for a queue write exchange = \"\", routing_key = \"a\\\"b\")"]),
        ("to.amqp = [{ exchange = 'e', queue = ['q'] }]", ["FILE:7:30: routes.x.to.amqp[0].queue: unknown key "
         "(for a queue write exchange = \"\", routing_key = \"NAME\")"]),
        ("to.amqp = { exchange = '{routing_key}' }", ["FILE:7:13: routes.x.to.amqp.exchange: a message from kafka has "
         "no {routing_key}"]),
        ("to.amqp = { exchange = 'x', routing_key = '{stream}.{topic}.{key}' }", ["FILE:7:29: "
         "routes.x.to.amqp.routing_key: a message from kafka has no {stream}"]),
        ("to.amqp = [{ exchange = 'x', broker = 'kafka' }]", ["FILE:7:30: routes.x.to.amqp[0].broker: brokers.kafka is "
         "kafka, not amqp"]),
        ("to.amqp = { exchange = 'x', exchange_durable = true }", ["FILE:7:4: routes.x.to.amqp: exchange_durable "
         "creates a missing exchange, which needs its exchange_type"]),
        ("to.amqp = { exchange = '' }", ["FILE:7:13: routes.x.to.amqp.exchange: the default exchange needs a "
         "routing_key, the name of a queue: a message from kafka has none of its own"]),
        ("to.amqp = { exchange = '', routing_key = '' }", ["FILE:7:28: routes.x.to.amqp.routing_key: is empty, and the "
         "default exchange routes by the name of a queue"]),
        ("to.amqp = { exchange = '', routing_kye = 'q' }", ["FILE:7:28: routes.x.to.amqp.routing_kye: unknown key "
         "(did you mean routing_key?)"]),
        ("to.kafka = { topic = 'x', key = '{exchange}' }", ["FILE:7:27: routes.x.to.kafka.key: a message from kafka "
         "has no {exchange}"]),
        ("to.kafka = [{ topic = 'x' }, { name = 'y', topic = 't-{header.h}' }, { name = 'z', topic = 't' }]",
         ["FILE:7:84: routes.x.to.kafka[2].topic: topic t is its own source: this route would read again what it "
          "writes"]),
        ("to.kafka = { topic = 't' }\nto.amqp = { exchange = 'x', exchang_type = 'fanout' }", ["FILE:7:14: "
         "routes.x.to.kafka.topic: topic t is its own source: this route would read again what it writes",
         "FILE:8:29: routes.x.to.amqp.exchang_type: unknown key (did you mean exchange_type?)"]),
        ("to.kafka = { topic = 't', broker = 'other' }\n[brokers.other]\nurl = 'kafka://LOCALHOST:9092,b'",
         ["FILE:6:6: routes.x.from.kafka: more than one kafka broker is declared; name one with broker = …"]),
    ],
)  # fmt: skip
def test_a_target_of_kafka_that_is_wrong(tmp_path: Path, target: str, told: list[str]) -> None:
    assert problems(tmp_path, f"{BROKERS}[routes.x]\nfrom.kafka.topics = ['t']\n{target}\n") == told


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("kafka://LOCALHOST", ["FILE:9:32: routes.x.to.kafka.topic: topic t is its own source: this route would read "
         "again what it writes"]),
        ("kafka://localhost:9093", []),
    ],
)  # fmt: skip
def test_two_entries_of_one_url_are_one_broker(tmp_path: Path, url: str, told: list[str]) -> None:
    text = (
        f"{BROKERS}[brokers.other]\nurl = '{url}'\n[routes.x]\n"
        "from.kafka = { broker = 'kafka', topics = ['t'] }\nto.kafka = { broker = 'other', topic = 't' }\n"
    )
    if told:
        assert problems(tmp_path, text) == told
    else:
        (tmp_path / "fedbridge.toml").write_text(text)
        load(tmp_path / "fedbridge.toml", {}, tmp_path / "no-secrets")


def test_an_exchange_that_is_its_own_source_is_refused_at_its_place(tmp_path: Path) -> None:
    source = 'from.amqp = { exchange = "e", exchange_type = "fanout" }'
    for target, at in (('exchange = "e"', "exchange"), ('exchange = "", routing_key = "fedbridge.b.x"', "routing_key")):
        told = problems(tmp_path, f"bridge.name = 'b'\n{BROKERS}[routes.x]\n{source}\nto.amqp = {{ {target} }}\n")
        assert [line.split(": ")[1] for line in told] == [f"routes.x.to.amqp.{at}"]
        assert told[0].endswith("this route would read again what it writes")


def test_two_routes_of_one_name(tmp_path: Path) -> None:
    assert problems(tmp_path, VALID + ROUTE) == [
        "FILE:8:9: routes.orders: is there twice; the first is at line 5",
    ]


def test_a_key_that_is_there_twice_and_what_is_no_toml_besides(tmp_path: Path) -> None:
    assert problems(tmp_path, "log.level = 'info'\nlog.level = 'info'\n[routes\n") == [
        "FILE:2:5: log.level: is there twice; the first is at line 1",
    ]
    assert problems(tmp_path, "[log]\nlevel = = 1\n") == ["FILE:2:9: not TOML: invalid value"]
    assert problems(tmp_path, "[log]\nlevel = [1,\n") == ["FILE:3:1: not TOML: invalid value"]
    unquoted = VALID.replace('"amqp://localhost"', "amqp://localhost")
    assert problems(tmp_path, unquoted) == ['FILE:2:7: not TOML: invalid value; text is written in quotes: "…"']
    assert problems(tmp_path, unquoted + ROUTE) == problems(tmp_path, unquoted)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("{\n  topic = 'x'\n}", "FILE:1:13: not TOML: an inline table, { … }, stands on one line; write a [table] for "
         "several"),
        ("{ topic = 'x',  # more\n  key = 'y' }", "FILE:1:28: not TOML: an inline table, { … }, stands on one line; "
         "write a [table] for several"),
        ("{ topic = 'x'\n}", "FILE:1:25: not TOML: an inline table, { … }, stands on one line; write a [table] for "
         "several"),
        ("{ topic = 'x', }", "FILE:1:27: not TOML: an inline table has no comma before its }"),
        ("{ topic = 'x', = 1 }", "FILE:1:27: not TOML: invalid initial character for a key part"),
        ("1\n[", "FILE:2:2: not TOML: invalid initial character for a key part"),
    ],
)  # fmt: skip
def test_an_inline_table_stands_on_one_line(tmp_path: Path, table: str, told: str) -> None:
    assert problems(tmp_path, f"to.kafka = {table}\n") == [told]


def test_what_is_nested_too_deeply(tmp_path: Path) -> None:
    deep = f"x = {'[' * 5000}{']' * 5000}\n"
    assert problems(tmp_path, deep) == ["FILE: is nested too deeply"]
    assert problems(tmp_path, f"a = = 1\n{deep}") == ["FILE:1:5: not TOML: invalid value"]


def test_no_routes_and_no_brokers(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == ["FILE: no route is configured; write a [routes.NAME] with a from and a to"]
    assert problems(tmp_path, ROUTE) == [
        "FILE:2:6: routes.orders.from.amqp: no amqp broker is declared; name one with broker = …",
        "FILE:3:4: routes.orders.to.kafka: no kafka broker is declared; name one with broker = …",
    ]


def test_all_problems_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "[routes.b]\nx = 1\n[brokers.rabbit]\nurl = 'x'\n[routes.a]\nfrom.amqp.queue = 'q'\nto.kafka.topic = '{x}'\n"
    lines = problems(tmp_path, text, {"FEDBRIDGE_LOG__LEVEL": "loud", "FEDBRIDGE_ROUTS__X": "1"})
    assert [line.split(": ")[0] for line in lines] == [
        "FILE:1:9",
        "FILE:1:9",
        "FILE:2:1",
        "FILE:4:1",
        "FILE:7:10",
        "$FEDBRIDGE_LOG__LEVEL",
        "$FEDBRIDGE_ROUTS__X",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"log.level = 'loud'\nadmin.listen = '0.0.0.0:1'\n{BROKERS}[routes.x]\nfrom.amqp.queue = 'q'\n"
         "to.kafka = { topic = 't', key = '{stream}' }\nwindow.messages = 'many'\n",
         ["FILE:1:5: log.level", "FILE:2:7: admin.listen: 0.0.0.0 is not a loopback address",
          "FILE:9:27: routes.x.to.kafka.key: a message from amqp has no {stream}",
          "FILE:10:8: routes.x.window.messages"]),
        (f"x = 1\n{BROKERS}[routes.x]\nfrom.amqp = {{ queue = 'q', prefetch = 0, broker = 'rabit' }}\n"
         "to.kafka = { topci = 't', key = '{topic}', broker = 'rabbit' }\n",
         ["FILE:1:1: x", "FILE:7:28: routes.x.from.amqp.prefetch",
          "FILE:7:42: routes.x.from.amqp.broker: there is no [brokers.rabit]",
          "FILE:8:4: routes.x.to.kafka: needs topic", "FILE:8:14: routes.x.to.kafka.topci",
          "FILE:8:27: routes.x.to.kafka.key: a message from amqp has no {topic}",
          "FILE:8:44: routes.x.to.kafka.broker: brokers.rabbit is amqp, not kafka"]),
        (f"{BROKERS}username = 'u'\nheartbeat = 5\n[brokers.b]\npassword_file = '/nowhere'\n{ROUTE}",
         ["FILE:3:10: brokers.kafka: Kafka with a user name and password (SASL) does not work yet",
          "FILE:6:1: brokers.kafka.heartbeat", "FILE:7:10: brokers.b: needs url",
          "FILE:8:1: brokers.b.password_file: /nowhere: the password cannot be read"]),
        (f"{BROKERS}[brokers.more]\nurl = 'kafka://b'\nheartbeat = 5\n{ROUTE}",
         ["FILE:7:1: brokers.more.heartbeat",
          "FILE:10:4: routes.orders.to.kafka: more than one kafka broker is declared"]),
        (f"brokers.Bad.url = 'kafka://a'\n{VALID}", ["FILE:1:9: brokers.Bad: is not a name of a-z, 0-9, _ and -, "
         "beginning with a letter or digit", "FILE:8:4: routes.orders.to.kafka: more than one kafka broker"]),
        ("log.level = 'loud'", ["FILE: no route is configured", "FILE:1:5: log.level"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_beside_other_mistakes(tmp_path: Path, text: str, told: list[str]) -> None:
    lines = problems(tmp_path, text)
    assert [line[: len(start)] for line, start in zip(lines, told, strict=True)] == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (VALID.replace("kafka://localhost", "kafka:localhost"), ["FILE:4:1: brokers.kafka.url"]),
        (VALID.replace("kafka://localhost", "${NOPE}"), ["FILE:4:1: brokers.kafka.url"]),
        (VALID.replace('"kafka://localhost"', "['kafka://a', 'amqp://b']"), ["FILE:4:1: brokers.kafka.url"]),
        (VALID.replace("[brokers.kafka]", "[broker.kafka]"), ["FILE:3:2: broker"]),
        (VALID.replace("[brokers.kafka]", "[broker.kafka]").replace("{ topic", "{ broker = 'kafka', topic"),
         ["FILE:3:2: broker"]),
        (VALID.replace("[routes.", "[route."), ["FILE:5:2: route"]),
        ("brokers = 5\n" + ROUTE, ["FILE:1:1: brokers"]),
        ("routes = 5\n" + BROKERS, ["FILE:1:1: routes"]),
        (f"{VALID}[brokers.more]\nurl = 'kafka://b'\n".replace("{ topic", "{ brokr = 'more', topic"),
         ["FILE:7:14: routes.orders.to.kafka.brokr"]),
        (f"{VALID}[brokers.more]\nurl = 'kafka://b'\n".replace("{ topic", "{ broker = 5, topic"),
         ["FILE:7:14: routes.orders.to.kafka.broker"]),
        (VALID.replace('to.kafka = { topic = "orders" }', "to.kafka = 5"), ["FILE:7:4: routes.orders.to.kafka"]),
    ],
)  # fmt: skip
def test_what_another_mistake_explains_is_not_told(tmp_path: Path, text: str, told: list[str]) -> None:
    assert [line[: len(start)] for line, start in zip(problems(tmp_path, text), told, strict=True)] == told


def test_what_is_laid_over_need_not_be_expandable(tmp_path: Path) -> None:
    text = VALID.replace(
        '"amqp://localhost"', '"amqp://localhost"\nusername = "${USER_NAME}"\npassword = "${PASSWORD}"'
    )
    secrets, file = tmp_path / "secrets", tmp_path / "fedbridge.toml"
    secrets.mkdir()
    (secrets / "brokers__rabbit__username").write_text("me\n")
    file.write_text(text)
    assert load(file, {"FEDBRIDGE_BROKERS__RABBIT__PASSWORD": "pw"}, secrets).brokers["rabbit"].login() == ("me", "pw")
    assert load(file, {"FEDBRIDGE_BROKERS__RABBIT": '{"url": "amqp://h"}'}, tmp_path / "none").brokers["rabbit"].kind
    told = problems(tmp_path, text, {"FEDBRIDGE_BROKERS__RABBIT__PASSWORD": "pw"})
    assert told == [
        "FILE:3:1: brokers.rabbit.username: ${USER_NAME} is not set in the environment; set it, or give a default: "
        "${USER_NAME:…}"
    ]


def test_a_variable_that_misspells_a_name_is_told_the_name(tmp_path: Path) -> None:
    environ = {
        "FEDBRIDGE_ROUTES__ORDRS__ENABLED": "false",
        "FEDBRIDGE_BROKERS__B__X": "1",
        "FEDBRIDGE_BRIDGE__NAMES": "b",
    }
    assert problems(tmp_path, f"bridge.name = 'a'\n{VALID}", environ) == [
        "$FEDBRIDGE_BRIDGE__NAMES: bridge.names: unknown key (did you mean name?)",
        "$FEDBRIDGE_BROKERS__B__X: brokers.b: needs url",
        "$FEDBRIDGE_BROKERS__B__X: brokers.b.x: unknown key (known are url, id, username, password, password_file, "
        "heartbeat, connect_timeout, broker_timeout)",
        "$FEDBRIDGE_ROUTES__ORDRS__ENABLED: routes.ordrs: needs from (did you mean routes.orders?)",
        "$FEDBRIDGE_ROUTES__ORDRS__ENABLED: routes.ordrs: needs to (did you mean routes.orders?)",
    ]


@pytest.mark.parametrize(("name", "meant"), [(None, "rabbit"), ("rabbit", "rabbit")])
def test_the_name_of_the_broker_that_is_meant(tmp_path: Path, name: str | None, meant: str) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(VALID)
    settings = load(file, {})
    assert settings.broker_name(name, "amqp") == meant
    assert settings.broker(name, "amqp") is settings.brokers[meant]
    with pytest.raises(KeyError, match="there is no"):
        settings.broker_name("nope", "amqp")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        return str(caught.value).replace(str(tmp_path), "DIR")

    (tmp_path / "binary.toml").write_bytes(b"[log]\n\xff")
    assert told(tmp_path / "nope.toml") == "no configuration at DIR/nope.toml; write one or give -c"
    assert told(tmp_path / "binary.toml") == "DIR/binary.toml:2: is not UTF-8 text"
    (tmp_path / "empty").mkdir()
    assert told(tmp_path / "empty") == "no configuration in DIR/empty: no file there is named *.toml"


def test_a_directory_is_merged(tmp_path: Path) -> None:
    (tmp_path / "10.toml").write_text(BROKERS + "[log]\nlevel = 'debug'\n")
    (tmp_path / "20.toml").write_text(ROUTE + "[log]\nformat = 'json'\n")
    (tmp_path / "30.not-toml").write_text("nonsense")
    settings = load(tmp_path, {})
    assert (settings.log.level, settings.log.format, list(settings.routes)) == ("debug", "json", ["orders"])
    (tmp_path / "30.toml").write_text(ROUTE + "[log]\nlevel = 'info'\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert str(caught.value).replace(str(tmp_path), "DIR").splitlines() == [
        "DIR/30.toml:1:9: routes.orders: is there twice; the first is at DIR/20.toml:1:9",
        "DIR/30.toml:5:1: log.level: is there twice; the first is at DIR/10.toml:6:1",
    ]


def test_a_problem_is_told_where_it_is_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "10.toml").write_text(BROKERS + "[routes.a]\nx = 1\n")
    (tmp_path / "20.toml").write_text(ROUTE + "y = 2\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.where.removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "10.toml:5:9",
        "10.toml:5:9",
        "10.toml:6:1",
        "20.toml:4:1",
    ]


def test_references_are_expanded(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(
        VALID.replace('queue = "orders"', 'queue = "q", declare = true, arguments.x-max-length = "${MOST}"')
        + 'window.messages = "${MESSAGES}"\nenabled = "${ENABLED}"\n'
    )
    route = load(file, {"MESSAGES": "7", "ENABLED": "no", "MOST": "100"}).routes["orders"]
    assert (route.window.messages, route.enabled) == (7, False)
    assert route.source.model_dump()["amqp"]["arguments"] == {"x-max-length": 100}
    told = problems(tmp_path, file.read_text(), {"MESSAGES": "7", "ENABLED": "maybe", "MOST": "many"})
    assert told == [
        'FILE:6:54: routes.orders.from.amqp.arguments.x-max-length: is "many", not a whole number',
        'FILE:9:1: routes.orders.enabled: is "maybe", not true or false',
    ]


def test_the_password(tmp_path: Path) -> None:
    def login(broker: str) -> tuple[str | None, str | None]:
        file = tmp_path / "fedbridge.toml"
        file.write_text(VALID.replace('url = "amqp://localhost"', broker))
        settings = load(file, {})
        assert "url-pw" not in repr(settings)
        assert "key-pw" not in repr(settings)
        return settings.brokers["rabbit"].login()

    secret = tmp_path / "secret"
    secret.write_text("file-pw\n")
    url = 'url = "amqp://me:url-pw@localhost"'
    assert login('url = "amqp://localhost"') == (None, None)
    assert login(url) == ("me", "url-pw")
    assert login(f'{url}\nusername = "you"') == ("you", "url-pw")
    assert login(f'{url}\npassword_file = "{secret}"') == ("me", "file-pw")
    assert login(f'{url}\npassword_file = "{secret}"\npassword = "key-pw"') == ("me", "key-pw")


def test_a_rotated_password_is_read_again_and_a_lost_one_named(tmp_path: Path) -> None:
    secret, file = tmp_path / "secret", tmp_path / "fedbridge.toml"
    secret.write_text("old")
    file.write_text(VALID.replace('url = "amqp://localhost"', f'url = "amqp://h"\npassword_file = "{secret}"'))
    broker = load(file, {}).brokers["rabbit"]
    secret.write_text("new\n")
    assert broker.login() == (None, "new")
    secret.unlink()
    with pytest.raises(ConfigError, match=f"^{secret}: the password cannot be read: No such file or directory$"):
        broker.login()


toml = st.text(st.sampled_from("[]{}=.,\"'#\n ab1") | st.characters(exclude_categories=["Cs"]), max_size=40)


@given(toml)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_text_is_a_configuration_or_a_config_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fuzz.toml"
    file.write_bytes(text.encode())
    with pytest.raises(ConfigError):
        load(file, {}, tmp_path / "no-secrets")


KEYS = (
    "brokers",
    "routes",
    "x",
    "Bad",
    "from",
    "to",
    "amqp",
    "kafka",
    "mqtt",
    "redis",
    "broker",
    "topics",
    "streams",
    "group",
    "url",
    "topic",
    "key",
    "queue",
    "password_file",
)
values = st.recursive(
    st.sampled_from(
        ["x", "{key}", "{", "amqp://a", "kafka://a", "mqtt://a", "redis://a", "", "a/#", "a\0", 5, True, "${NOPE}"]
    ),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner) | st.lists(inner, max_size=2),
)


@given(values, values, values, values)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_values_of_any_shape_are_a_configuration_or_a_config_error(
    tmp_path: Path, broker: object, source: object, target: object, other: object
) -> None:
    environ = {
        f"FEDBRIDGE_{name}": json.dumps(value)
        for name, value in {
            "BROKERS__X": broker,
            "ROUTES__X__FROM__AMQP": source,
            "ROUTES__Y__FROM__MQTT": source,
            "ROUTES__Z__FROM__REDIS": source,
            "ROUTES__X__TO__KAFKA": target,
            "ROUTES__Y__TO__MQTT": target,
            "ROUTES__Z__TO__REDIS": target,
            "ROUTES__BAD NAME": other,
            "BROKERS__BAD NAME": other,
        }.items()
    }
    file = tmp_path / "fuzz.toml"
    file.write_text("")
    with pytest.raises(ConfigError):
        load(file, environ, tmp_path / "no-secrets")


def test_a_name_that_amqp_cannot_hold_is_told_where_it_stands(tmp_path: Path) -> None:
    long = "ö" * 150
    text = f"""{BROKERS}[routes.a]
from.amqp = {{ exchange = "e", exchange_type = "headers", bindings = [{{ a = 1 }}, {{ "{long}" = 1 }}] }}
to.amqp = [{{ name = "x", exchange = "e", routing_key = "k" }}, {{ name = "y", exchange = "{long}" }}]
"""
    told = problems(tmp_path, text)
    assert told == [
        f"FILE:6:83: routes.a.from.amqp.bindings[1].{long}: has 300 bytes, AMQP allows 255",
        "FILE:7:77: routes.a.to.amqp[1].exchange: has 300 bytes, AMQP allows 255",
    ]


def test_a_topic_that_cannot_be_is_told_where_it_stands(tmp_path: Path) -> None:
    text = f"""{BROKERS}[routes.a]
from.kafka = {{ topics = ["good", "bad topic!"] }}
to.kafka = {{ topic = "bad topic!x" }}
"""
    said = 'not a name that a topic can have; Kafka takes 1 to 249 of A-Z a-z 0-9 . _ -, but for "." and ".."'
    assert problems(tmp_path, text) == [
        f'FILE:6:34: routes.a.from.kafka.topics[1]: is "bad topic!", {said}',
        f'FILE:7:14: routes.a.to.kafka.topic: is "bad topic!x", {said}',
    ]
