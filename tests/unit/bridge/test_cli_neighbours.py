"""What `fedbridge check` says of routes that take each other's messages."""

from pathlib import Path

import pytest

from bridge.cli.neighbours import shares
from config import load
from tests.command import fedbridge

BROKERS = """
[brokers.rabbit]
url = "amqp://localhost"
[brokers.again]
url = "amqp://LOCALHOST:5672/"
[brokers.other]
url = "amqp://localhost/other"
[brokers.kafka]
url = "kafka://a,b"
[brokers.far]
url = "kafka://c"
[brokers.mosquitto]
url = "mqtt://m"
[brokers.mosquitto-again]
url = "mqtt://M:1883"
[brokers.redis]
url = "redis://r"
[brokers.redis-7]
url = "redis://r/7"
"""
COPY = "for a copy of each, give one route two targets"


def told(tmp_path: Path, one: str, other: str, *, more: str = "") -> list[list[str]]:
    """What is said of the routes a and b."""
    file = tmp_path / "fedbridge.toml"
    target = 'to.kafka = { broker = "far", topic = "{address}-copy" }'
    file.write_text(f"{BROKERS}[routes.a]\nfrom.{one}\n{target}\n[routes.b]\n{more}from.{other}\n{target}\n")
    settings = load(file, {}, tmp_path / "no-secrets")
    return [list(shares(name, settings)) for name in ("a", "b")]


@pytest.mark.parametrize(
    ("one", "other", "queue"),
    [
        ("amqp = { broker = 'rabbit', queue = 'q' }", "amqp = { broker = 'rabbit', queue = 'q' }", "q"),
        ("amqp = { broker = 'rabbit', queue = 'q' }", "amqp = { broker = 'again', queue = 'q' }", "q"),
        ("amqp = { broker = 'rabbit', queue = 'q' }",
         "amqp = { broker = 'rabbit', queue = 'q', exchange = 'e', exchange_type = 'fanout' }", "q"),
        ("amqp = { broker = 'rabbit', exchange = 'e', exchange_type = 'fanout' }",
         "amqp = { broker = 'rabbit', queue = 'fedbridge.fedbridge.a' }", "fedbridge.fedbridge.a"),
    ],
)  # fmt: skip
def test_two_routes_that_read_one_queue(tmp_path: Path, one: str, other: str, queue: str) -> None:
    assert told(tmp_path, one, other) == [
        [f"  shares     queue {queue} with route {name}: each message goes to one of them; {COPY}"] for name in "ba"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("amqp = { broker = 'rabbit', queue = 'q' }", "amqp = { broker = 'rabbit', queue = 'p' }"),
        ("amqp = { broker = 'rabbit', queue = 'q' }", "amqp = { broker = 'other', queue = 'q' }"),
        ("amqp = { broker = 'rabbit', exchange = 'e', exchange_type = 'fanout' }",
         "amqp = { broker = 'rabbit', exchange = 'e', exchange_type = 'fanout' }"),
        ("amqp = { broker = 'rabbit', exchange = 'e', exchange_type = 'fanout', exclusive = true }",
         "amqp = { broker = 'rabbit', queue = 'fedbridge.fedbridge.a' }"),
        ("amqp = { broker = 'rabbit', queue = 'q' }", "kafka = { broker = 'kafka', topics = ['q'] }"),
        ("kafka = { broker = 'kafka', topics = ['t'] }", "kafka = { broker = 'kafka', topics = ['t'] }"),
        ("kafka = { broker = 'kafka', topics = ['t'], group = 'g' }",
         "kafka = { broker = 'kafka', topics = ['u'], group = 'g' }"),
        ("kafka = { broker = 'kafka', topics = ['t'], group = 'g' }",
         "kafka = { broker = 'far', topics = ['t'], group = 'g' }"),
        ("kafka = { broker = 'kafka', pattern = 't-.*', group = 'g' }",
         "kafka = { broker = 'kafka', pattern = 'u-.*', group = 'g' }"),
        ("mqtt = { broker = 'mosquitto', topics = ['t'] }", "mqtt = { broker = 'mosquitto', topics = ['t'] }"),
        ("mqtt = { broker = 'mosquitto', topics = ['t'], share = 's' }",
         "mqtt = { broker = 'mosquitto', topics = ['t'], share = 'other' }"),
        ("mqtt = { broker = 'mosquitto', topics = ['t'], share = 's' }",
         "mqtt = { broker = 'mosquitto', topics = ['#'], share = 's' }"),
        ("redis = { broker = 'redis', streams = ['s'] }", "redis = { broker = 'redis', streams = ['s'] }"),
        ("redis = { broker = 'redis', streams = ['s'], group = 'g' }",
         "redis = { broker = 'redis', streams = ['t'], group = 'g' }"),
        ("redis = { broker = 'redis', streams = ['s'], group = 'g' }",
         "redis = { broker = 'redis-7', streams = ['s'], group = 'g' }"),
    ],
)  # fmt: skip
def test_two_routes_that_do_not(tmp_path: Path, one: str, other: str) -> None:
    assert told(tmp_path, one, other) == [[], []]


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ("topics = ['t', 'u', 'v'], group = 'g'", "topics = ['v', 'u'], group = 'g'", "topic u, v"),
        ("topics = ['t'], group = 'fedbridge.fedbridge.b'", "topics = ['t']", "topic t"),
        ("pattern = 't-.*', group = 'g'", "topics = ['u', 't-1'], group = 'g'", "topic t-1"),
        ("pattern = 't-.*', group = 'g'", "pattern = 't-eu.+', group = 'g'", "topics that match t-.* and t-eu.+"),
        ("pattern = '(a|b)', group = 'g'", "pattern = '(a|b)', group = 'g'", "topics that match (a|b)"),
    ],
)
def test_two_routes_of_one_group(tmp_path: Path, one: str, other: str, what: str) -> None:
    group = "g" if "'g'" in one else "fedbridge.fedbridge.b"
    assert told(tmp_path, f"kafka = {{ broker = 'kafka', {one} }}", f"kafka = {{ broker = 'kafka', {other} }}")[0] == [
        f"  shares     {what} and group {group} with route b: each record goes to one of them; {COPY}, "
        "or each route a group"
    ]


@pytest.mark.parametrize(
    ("one", "other", "streams"),
    [
        ("streams = ['s'], group = 'g'", "streams = ['s'], group = 'g', consumer = 'two'", "stream s"),
        ("streams = ['s', 't', 'u'], group = 'g'", "streams = ['u', 't'], group = 'g', consumer = 'c'", "streams t, u"),
        ("streams = ['s'], consumer = 'c'", "streams = ['s'], group = 'fedbridge.fedbridge.a'", "stream s"),
    ],
)
def test_two_routes_of_one_redis_group(tmp_path: Path, one: str, other: str, streams: str) -> None:
    group = "g" if "'g'" in one else "fedbridge.fedbridge.a"
    assert told(tmp_path, f"redis = {{ broker = 'redis', {one} }}", f"redis = {{ broker = 'redis', {other} }}") == [
        [
            f"  shares     {streams} and group {group} with route {name}: each entry goes to one of them; {COPY}, "
            "or each route a group"
        ]
        for name in "ba"
    ]


@pytest.mark.parametrize(
    ("one", "other", "topics"),
    [("['t']", "['t']", "topic filter t"), ("['t/#', 'u', 'v']", "['v', 't/+', 't/#']", "topic filters t/#, v")],
)
def test_two_routes_of_one_mqtt_share(tmp_path: Path, one: str, other: str, topics: str) -> None:
    assert told(
        tmp_path,
        f"mqtt = {{ broker = 'mosquitto', share = 's', topics = {one} }}",
        f"mqtt = {{ broker = 'mosquitto-again', share = 's', topics = {other} }}",
    ) == [
        [
            f"  shares     {topics} and share s with route {name}: each message goes to one of them; {COPY}, "
            "or each route a share"
        ]
        for name in "ba"
    ]


def test_a_route_that_does_not_run_takes_nothing(tmp_path: Path) -> None:
    source = "amqp = { broker = 'rabbit', queue = 'q' }"
    assert told(tmp_path, source, source, more="enabled = false\n") == [[], []]


def test_an_exclusive_queue_is_for_one_of_them(tmp_path: Path) -> None:
    one = "amqp = { broker = 'rabbit', queue = 'q' }"
    other = "amqp = { broker = 'rabbit', queue = 'q', exclusive = true }"
    assert told(tmp_path, one, other)[0] == [
        "  shares     queue q with route b, and it is exclusive: one of them will fail; name another queue"
    ]


def test_check_prints_it(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    route = "from.amqp.queue = 'q'\nto.kafka.topic = 't'\n"
    file.write_text(
        "[brokers.rabbit]\nurl = 'amqp://a'\n[brokers.kafka]\nurl = 'kafka://a'\n"
        f"[routes.a]\n{route}[routes.b]\n{route}[routes.c]\nfrom.amqp.queue = 'p'\nto.kafka.topic = 't'\n"
    )
    code, out, err = fedbridge("check", "-c", file)
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line.startswith("  shares")] == [
        f"  shares     queue q with route {name}: each message goes to one of them; {COPY}" for name in "ba"
    ]
