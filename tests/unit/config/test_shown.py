"""The settings as they are shown: all of them, loadable, and without secrets."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from config import load
from config.shown import effective, literal
from config.toml import dumps

BROKERS = """
[brokers.rabbit]
url = ["amqp://me:SECRET@a/shop", "amqp://b/shop"]
[brokers.kafka]
url = "kafka://a,b"
[brokers.mosquitto]
url = "mqtt://me:SECRET@m"
[brokers.redis]
url = "redis://:SECRET@r/3"
"""
ROUTES = {
    "exchange": 'from.amqp = { exchange = "e", exchange_type = "fanout" }\nto.kafka = { topic = "t" }',
    "queue": 'from.amqp = { queue = "q" }\nto.amqp = { exchange = "", routing_key = "r" }',
    "made": 'from.amqp = { queue = "q", declare = true, arguments = { x-max-length = 5 } }\n'
    'to.amqp = [{ name = "a", exchange = "x" }, { name = "b", exchange = "y", broker = "rabbit" }]',
    "temporary": 'from.amqp = { exchange = "e", exchange_type = "topic", exclusive = true }\n'
    'to.kafka = { topic = "t" }',
    "headers": 'from.amqp = { exchange = "e", exchange_type = "headers", bindings = [{ x-match = "any", a = 1 }] }\n'
    'to.kafka = { topic = "t", key = "a$${{y}}" }\nwindow.bytes = 1000\nretry.initial = "1.5s"',
    "topics": 'from.kafka = { topics = ["t"] }\nto.amqp = { exchange = "e" }\non_error = "drop"\nunroutable = "hold"',
    "pattern": 'from.kafka = { pattern = "a\\\\..*", group = "g" }\nto.kafka = { topic = "t", max_in_flight = 1 }',
    "filters": 'from.mqtt = { topics = ["a/+", "$SYS/#"], qos = 0, session_expiry = "0s" }\n'
    'to.redis = { stream = "{topic}", max_length = 5 }',
    "streams": 'from.redis = { streams = ["s"], start = "$", claim_idle = "90s" }\n'
    'to.mqtt = [{ name = "a", topic = "t" }, { name = "b", topic = "u", retain = false, qos = 0 }]',
    "session": 'from.mqtt = { topics = ["a"], client_id = "c", share = "s" }\nto.mqtt = { topic = "t" }',
    "rules": 'from.kafka = { topics = ["t"] }\nto.redis = { stream = "s" }\n'
    'filter = "headers.a == \'$x\' && \\"b\\" in headers"\n'
    'map.set = { "header.a" = true, "header.b.c" = 1.5, "header.d" = 7, key = "{topic:x}$${{y}}" }\n'
    'map.rename = { "header.e-*" = "header.*", "header.f" = "key" }\nmap.remove = ["header.g*", "type"]',
    "consumer": 'from.redis = { streams = ["s"], group = "g", consumer = "c", no_body = "empty" }\n'
    'to.redis = { stream = "t" }',
}


def shown(folder: Path, text: str) -> dict[str, Any]:
    file = folder / "fedbridge.toml"
    file.write_text(text)
    return effective(load(file, {}, folder / "no-secrets"), "node-1")


@pytest.mark.parametrize("route", ROUTES.values(), ids=list(ROUTES))
def test_what_is_shown_loads_again_and_shows_the_same(tmp_path: Path, route: str) -> None:
    first = shown(tmp_path, f"{BROKERS}\n[routes.x]\n{route}\n")
    written = dumps(literal(first))
    assert shown(tmp_path, written) == first
    assert "SECRET" not in written + json.dumps(first)


def test_what_was_left_out_is_filled_in(tmp_path: Path) -> None:
    for name, path, key, value in (
        ("exchange", "from.amqp", "queue", "fedbridge.fedbridge.x"),
        ("exchange", "from.amqp", "broker", "rabbit"),
        ("exchange", "from.amqp", "declare", True),
        ("queue", "from.amqp", "declare", False),
        ("topics", "from.kafka", "group", "fedbridge.fedbridge.x"),
        ("topics", "to.amqp", "broker", "rabbit"),
        ("pattern", "from.kafka", "group", "g"),
        ("temporary", "from.amqp", "queue", None),
        ("filters", "from.mqtt", "client_id", "fedbridge.fedbridge.x.source.node-1"),
        ("filters", "from.mqtt", "broker", "mosquitto"),
        ("filters", "from.mqtt", "session_expiry", "0s"),
        ("filters", "to.redis", "broker", "redis"),
        ("streams", "from.redis", "group", "fedbridge.fedbridge.x"),
        ("streams", "from.redis", "consumer", "node-1"),
        ("streams", "from.redis", "broker", "redis"),
        ("session", "from.mqtt", "client_id", "c"),
        ("session", "to.mqtt", "broker", "mosquitto"),
        ("consumer", "from.redis", "group", "g"),
        ("consumer", "from.redis", "consumer", "c"),
    ):
        table: Any = shown(tmp_path, f"{BROKERS}\n[routes.x]\n{ROUTES[name]}\n")["routes"]["x"]
        for part in path.split("."):
            table = table[part]
        assert table[key] == value, (name, path, key)
    made = shown(tmp_path, f"{BROKERS}\n[routes.x]\n{ROUTES['made']}\n")
    assert [target["broker"] for target in made["routes"]["x"]["to"]["amqp"]] == ["rabbit", "rabbit"]
    assert made["bridge"]["instance"] == "node-1"


@pytest.mark.parametrize(
    ("broker", "username", "password"),
    [
        ('url = "amqp://h"', None, None),
        ('url = "amqp://u:SECRET@h"', "u", "***"),
        ('url = "amqp://u@h"', "u", None),
        ('url = "amqp://u:SECRET@h"\nusername = "v"', "v", "***"),
        ('url = "amqp://h"\nusername = "v"\npassword = "SECRET"', "v", "***"),
        ('url = "amqp://u:SECRET@h"\npassword_file = "FILE"', "u", None),
    ],
)
def test_secrets_are_masked(tmp_path: Path, broker: str, username: str | None, password: str | None) -> None:
    (tmp_path / "secret").write_text("SECRET")
    broker = broker.replace("FILE", str(tmp_path / "secret"))
    table = shown(
        tmp_path, f"[brokers.kafka]\nurl = 'kafka://k'\n[brokers.x]\n{broker}\n[routes.x]\n{ROUTES['queue']}\n"
    )
    told = table["brokers"]["x"]
    assert (told["url"], told["username"], told["password"]) == ("amqp://h:5672/", username, password)
    assert "SECRET" not in json.dumps(table)


def test_logins_of_mqtt_and_redis_are_masked_too(tmp_path: Path) -> None:
    brokers = shown(tmp_path, f"{BROKERS}\n[routes.x]\n{ROUTES['queue']}\n")["brokers"]
    told = {name: tuple(brokers[name][key] for key in ("url", "username", "password")) for name in brokers}
    assert told["mosquitto"] == ("mqtt://m:1883", "me", "***")
    assert told["redis"] == ("redis://r:6379/3", None, "***")


def test_a_text_that_looks_like_a_reference_stays_text() -> None:
    assert literal({"a": ["${X}", "$$", "$5", 1]}) == {"a": ["$${X}", "$$$", "$5", 1]}


def test_durations_and_sizes_are_as_they_are_written(tmp_path: Path) -> None:
    table = tomllib.loads(dumps(shown(tmp_path, f"{BROKERS}\n[routes.x]\n{ROUTES['headers']}\n")))
    route = table["routes"]["x"]
    assert (route["window"]["bytes"], route["retry"]["initial"], route["retry"]["max"]) == (1000, "1500ms", "30s")
