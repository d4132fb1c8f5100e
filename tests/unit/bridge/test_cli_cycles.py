"""What `fedbridge check` says of routes that bring messages back."""

from pathlib import Path

import pytest

from bridge.cli.cycles import cycles
from config import load
from tests.command import fedbridge

BROKERS = """
[brokers.rabbit]
url = "amqp://localhost"
[brokers.kafka]
url = "kafka://a"
[brokers.k2]
url = "kafka://b"
[brokers.mosquitto]
url = "mqtt://m"
[brokers.redis]
url = "redis://r"
"""
OUT = "from.amqp = { exchange = 'e', exchange_type = 'fanout' }\nto.kafka = { broker = 'kafka', topic = 't' }\n"
BACK = "from.kafka = { broker = 'kafka', topics = ['t'] }\nto.amqp = { exchange = 'e' }\n"


def told(tmp_path: Path, **routes: str) -> dict[str, list[str]]:
    """What is said of each route of which something is."""
    file = tmp_path / "fedbridge.toml"
    file.write_text(BROKERS + "".join(f"[routes.{name}]\n{route}" for name, route in routes.items()))
    settings = load(file, {}, tmp_path / "no-secrets")
    return {name: lines for name in routes if (lines := list(cycles(name, settings)))}


def line(way: str) -> list[str]:
    return [f"  cycle      by {way} a message may come back: the loop guard (fedbridge-path) sends it round once"]


def test_two_routes_that_face_each_other(tmp_path: Path) -> None:
    assert told(tmp_path, out=OUT, back=BACK) == {"out": line("back"), "back": line("out")}


def test_a_ring_of_three_and_a_route_beside_it(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        a="from.mqtt = { topics = ['s/#'] }\nto.redis = { stream = 'x' }\n",
        b="from.redis = { streams = ['x'] }\nto.kafka = { broker = 'kafka', topic = 't' }\n",
        c="from.kafka = { broker = 'kafka', topics = ['t'] }\nto.mqtt = { topic = 's/{header.place:here}' }\n",
        beside="from.kafka = { broker = 'kafka', topics = ['t'] }\nto.mqtt = { topic = 'elsewhere' }\n",
    )
    assert found == {"a": line("b, then c"), "b": line("c, then a"), "c": line("a, then b")}


@pytest.mark.parametrize(
    "back",
    [
        BACK.replace("'e'", "'other'"),
        BACK.replace("['t']", "['u']"),
        "enabled = false\n" + BACK,
    ],
)
def test_routes_that_do_not_bring_anything_back(tmp_path: Path, back: str) -> None:
    assert told(tmp_path, out=OUT, back=back) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from.kafka = { broker = 'kafka', topics = ['t1'] }\nto.mqtt = { topic = 'in/{topic}' }",
         "from.mqtt = { topics = ['in/#'], match = 'in/{name}' }\nto.kafka = { broker = 'kafka', topic = '{name}' }"),
        ("from.kafka = { broker = 'kafka', topics = ['t1'] }\nto.mqtt = { topic = 'in/{topic}' }",
         "from.mqtt = { topics = ['in/#'] }\nto.kafka = { broker = 'kafka', topic = 't1' }"),
        ("from.amqp = { exchange = 'ev', exchange_type = 'topic' }\nto.mqtt = { topic = 'x/{address...}' }",
         "from.mqtt = { topics = ['x/a/#'], match = 'x/{rest...}' }\n"
         "to.amqp = { exchange = 'ev', routing_key = '{rest...}' }"),
        ("from.amqp = { exchange = 'ev', exchange_type = 'topic', binding_keys = ['a/b.*'] }\n"
         "to.mqtt = { topic = '{address...}' }",
         "from.mqtt = { topics = ['a.b/c'] }\nto.amqp = { exchange = 'ev', routing_key = '{address...}' }"),
        ("from.amqp = { queue = 'fq' }\nto.mqtt = { topic = 'm' }",
         "from.mqtt = { topics = ['m'] }\nto.amqp = { exchange = 'fx', routing_key = 'k' }"),
        ("from.amqp = { queue = 'fq' }\nto.mqtt = { topic = 'm' }",
         "from.mqtt = { topics = ['m'] }\nto.amqp = { exchange = '', routing_key = '{header.queue}' }"),
        ("from.kafka = { broker = 'kafka', pattern = 't.*' }\nto.mqtt = { topic = '{address...}' }",
         "from.mqtt = { topics = ['#'] }\nto.kafka = { broker = 'kafka', topic = '{address...}' }"),
    ],
)  # fmt: skip
def test_what_comes_back_is_what_the_writer_makes_of_its_own_addresses(tmp_path: Path, one: str, other: str) -> None:
    assert told(tmp_path, a=one + "\n", b=other + "\n") == {"a": line("b"), "b": line("a")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from.kafka = { broker = 'kafka', topics = ['a'] }\nto.kafka = { broker = 'k2', topic = '{topic}' }",
         "from.kafka = { broker = 'k2', topics = ['z'] }\nto.kafka = { broker = 'kafka', topic = '{topic}' }"),
        ("from.kafka = { broker = 'kafka', topics = ['a'] }\nto.mqtt = { topic = 'x/{address...}' }",
         "from.mqtt = { topics = ['x/b/#'] }\nto.kafka = { broker = 'kafka', topic = 'a' }"),
        ("from.kafka = { broker = 'kafka', topics = ['a'] }\nto.mqtt = { topic = 'x/a' }",
         "from.mqtt = { topics = ['x/#'], match = 'x/{one}/{two}' }\nto.kafka = { broker = 'kafka', topic = 'a' }"),
        ("from.kafka = { broker = 'kafka', topics = ['a'] }\nto.mqtt = { topic = 'x' }",
         "from.mqtt = { topics = ['x'] }\nto.kafka = { broker = 'kafka', topic = 'b-{header.name}' }"),
        ("from.amqp = { queue = 'fq' }\nto.mqtt = { topic = 'm' }",
         "from.mqtt = { topics = ['m'] }\nto.amqp = { exchange = '', routing_key = 'other' }"),
        ("from.amqp = { exchange = 'ev', exchange_type = 'topic', binding_keys = ['a.#'] }\n"
         "to.mqtt = { topic = 'm/x' }",
         "from.mqtt = { topics = ['m/+'], match = 'm/{name}' }\n"
         "to.amqp = { exchange = 'ev', routing_key = 'b.{name}' }"),
    ],
)  # fmt: skip
def test_what_the_writer_does_not_make_of_them_does_not(tmp_path: Path, one: str, other: str) -> None:
    assert told(tmp_path, a=one + "\n", b=other + "\n") == {}


def test_it_is_told_by_the_command(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(f"{BROKERS}[routes.out]\n{OUT}[routes.back]\n{BACK}")
    code, text, _ = fedbridge("check", "-c", str(file))
    assert code == 0
    assert line("back")[0] in text.splitlines()
