"""`fedbridge check`, `version` and the exit codes, as a shell sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import fedbridge
from tests.unit.bridge.guarantees import ON_ERROR, OVERTAKEN, RETENTION

ROOT = Path(__file__).parents[3]


def test_a_valid_configuration_says_what_it_guarantees() -> None:
    code, out, err = fedbridge("check", "-c", ROOT / "config" / "fedbridge.toml", FEDBRIDGE_BRIDGE__INSTANCE="node")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "route product-updates",
        "  from       fanout exchange product_updates through queue fedbridge.fedbridge.product-updates "
        "(durable, created when missing) at rabbit (amqp://localhost:5672/)",
        "  to         kafka: topic product-updates (must exist), key {message_id}, at kafka (kafka://localhost:9092)",
        "  to         mqtt: topic shop/product-updates with QoS 1, at mosquitto (mqtt://localhost:1883)",
        "  to         redis: stream product-updates, at redis (redis://localhost:6379/0)",
        "  delivery   at least once: acknowledged at rabbit only after kafka, mosquitto and redis confirmed",
        "  duplicates at most window.messages (4000) after a crash or lost connection; what RabbitMQ gives again "
        "has a new fedbridge-uid: compare message_id",
        f"  order      kafka: kept per key; without a key only within a partition; {OVERTAKEN}",
        f"  order      mqtt: kept, one after the other; {OVERTAKEN}",
        f"  order      redis: kept, one after the other; {OVERTAKEN}",
        ON_ERROR,
        f"  limits     kafka: {RETENTION}",
        "  limits     mqtt: confirmed means that the broker has taken it, whether anybody subscribes or not; "
        "what it keeps for subscribers that are away is its own to limit (Mosquitto: max_queued_messages, 1000)",
        "  mqtt 3.1.1 mqtt: a broker that speaks it alone is given topic and body, and no properties; what it "
        "refuses is LOST without a word",
        "  durable    redis: as Redis is set up: confirmed means in its memory; without appendonly a restart "
        "loses it, with appendfsync everysec a crash the last second, a failover what the replica had not got",
        "  exchange   product_updates belongs to its publisher and is waited for (exchange_durable is not stated)",
        "",
        "route orders",
        "  from       topic orders as group fedbridge.fedbridge.orders at kafka (kafka://localhost:9092)",
        "  to         amqp: exchange orders, routing key order.{header.region:unknown}, at rabbit "
        "(amqp://localhost:5672/)",
        "  delivery   at least once: committed at kafka only after rabbit confirmed",
        "  duplicates at most window.messages (4000) after a crash, lost connection or rebalance; what comes "
        "again has the same fedbridge-uid",
        "  group      member fedbridge.orders.node is static: back within its session of 45 s it has its "
        "partitions at once, and before that nobody else gets them; a second bridge of this instance fences the "
        "first off",
        "  start      earliest: a group that is new begins at the earliest record",
        f"  order      amqp: kept per partition of the source, one after the other; {OVERTAKEN}",
        ON_ERROR,
        "  unroutable hold: a message that the exchange has no binding for waits, and the route with it, until there "
        "is one",
        "  exchange   orders is waited for while it is missing (exchange_durable is not stated)",
        "",
        "route kiosk-orders",
        "  from       topic shop/+/orders with QoS 1 as client fedbridge.fedbridge.kiosk-orders.source.node at "
        "mosquitto (mqtt://localhost:1883)",
        "  to         amqp: exchange orders, routing key order.kiosk, at rabbit (amqp://localhost:5672/)",
        "  delivery   at least once: acknowledged at mosquitto only after rabbit confirmed",
        "  duplicates at most window.messages (4000) after a crash or lost connection; what the broker gives "
        "again has a new fedbridge-uid; Mosquitto 2.0.11 may give more again where more waits there than fits "
        "window.bytes",
        "  session    kept by the broker for 1d while the bridge is away, with what is published meanwhile "
        "(but for QoS 0, unless Mosquitto has queue_qos0_messages true); "
        "after that, or if the broker loses it, that is LOST (counted as session_lost)",
        "  qos        1: what is published with QoS 0 comes with 0 all the same, and does not come again",
        "  share      none: each replica of the bridge relays every message; with a share they divide them",
        "  retained   retained messages come once, when a subscription is new",
        "  limits     a broker keeps only so much for a client that is slow or away: Mosquitto drops what is "
        "beyond max_queued_messages (1000) without a word; set it to 1000000 there (0 is no limit, but before 2.0.22 "
        "it then ends connections)",
        "  mqtt 3.1.1 a broker that speaks it alone gives topic and body, and no properties; retained messages "
        "come again at every start, and a second client of this id is not told from a lost connection",
        f"  order      amqp: kept per topic of the source, one after the other; {OVERTAKEN}",
        ON_ERROR,
        "  unroutable dead_letter: a message that the exchange has no binding for cannot be delivered: as "
        "on_error says",
        "  exchange   orders is waited for while it is missing (exchange_durable is not stated)",
        "",
        "route app-orders",
        "  from       stream orders as consumer node of group fedbridge.fedbridge.app-orders at redis "
        "(redis://localhost:6379/0)",
        "  to         amqp: exchange orders, routing key order.app, at rabbit (amqp://localhost:5672/)",
        "  delivery   at least once: acknowledged at redis only after rabbit confirmed",
        "  duplicates at most window.messages (4000) after a crash or lost connection, or when another consumer "
        "takes entries over; what comes again has the same fedbridge-uid; a crash or failover of Redis itself brings "
        "again all that was acknowledged since it last saved or replicated that, however much it is",
        "  group      what another consumer has not touched for 1min is taken over; each replica needs a "
        "consumer's name of its own",
        "  start      0: a group that is created begins with all that is there",
        '  no_body    json: an entry without a field "body" is relayed with its fields as a JSON object for a body',
        "  trimmed    what is trimmed or deleted before it was read is LOST in silence, while it was pending "
        "LOST and counted as trimmed; a stream or group that goes while the bridge runs is made again, read from "
        "its beginning, and counted as group_lost",
        f"  order      amqp: kept per stream of the source, one after the other; {OVERTAKEN}",
        ON_ERROR,
        "  unroutable dead_letter: a message that the exchange has no binding for cannot be delivered: as "
        "on_error says",
        "  exchange   orders is waited for while it is missing (exchange_durable is not stated)",
    ]


def test_brokers_that_are_away_are_told_beside_what_is_guaranteed(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(
        "[brokers.rabbit]\nurl = 'amqp://127.0.0.1:1'\n[brokers.kafka]\nurl = 'kafka://127.0.0.1:1'\n"
        "[routes.x]\nfrom.kafka.topics = ['t']\nto.amqp.exchange = 'e'\n"
        "[routes.y]\nenabled = false\nfrom.kafka.topics = ['t']\nto.amqp.exchange = 'e'\n"
    )
    code, out, err = fedbridge("check", "--connect", "-c", file)
    assert (code, err) == (69, "")
    assert [line for line in out.splitlines() if line.startswith(("  at ", "    away"))] == [
        "  at kafka, for from.kafka:",
        "    away       kafka://127.0.0.1:1 cannot be reached: is Kafka running there?",
        "  at rabbit, for to.amqp:",
        "    away       amqp://127.0.0.1:1/: Connect call failed ('127.0.0.1', 1), while connecting",
    ]
    assert out.splitlines()[-4:] == [
        "",
        "2 things keep routes from working:",
        "  away       kafka: kafka://127.0.0.1:1 cannot be reached: is Kafka running there?",
        "  away       rabbit: amqp://127.0.0.1:1/: Connect call failed ('127.0.0.1', 1), while connecting",
    ]


def test_every_problem_is_on_stderr_and_the_code_is_78(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text("[log]\nlevl = 1\n[routes.x]\n")
    code, out, err = fedbridge("check", "-c", file)
    assert (code, out) == (78, "")
    assert err.splitlines() == [
        f"{file}:2:1: log.levl: unknown key (did you mean level?)",
        f"{file}:3:9: routes.x: needs from",
        f"{file}:3:9: routes.x: needs to",
    ]


def test_the_configuration_is_found_by_the_environment(tmp_path: Path) -> None:
    code, _, err = fedbridge("check", FEDBRIDGE_CONFIG=str(tmp_path / "nope"))
    assert (code, err) == (78, f"no configuration at {tmp_path / 'nope'}; write one or give -c\n")


def test_a_command_nobody_knows_is_usage() -> None:
    assert fedbridge("chek")[0] == 2


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_the_version_is_that_of_the_distribution(tmp_path: Path, argument: str) -> None:
    installed = tmp_path / "fedbridge-1.2.3.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: fedbridge\nVersion: 1.2.3\n")
    assert fedbridge(argument, PYTHONPATH=str(tmp_path)) == (0, "1.2.3\n", "")


def test_help_needs_no_heavy_module() -> None:
    code = "import sys\nfrom bridge.cli import app\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"pydantic", "aio_pika", "aiokafka", "aiohttp", "bridge.cli.check"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        ("KeyboardInterrupt", 130, ""),
        ("RuntimeError('two\\nlines')", 70, "bug: RuntimeError: two lines; please report it "
         "(FEDBRIDGE_DEBUG=1 shows where)\n"),
    ],
)  # fmt: skip
def test_what_escapes_a_command_is_a_code_and_a_line(raised: str, code: int, told: str) -> None:
    script = f"from bridge.cli import app, main\n@app.command()\ndef fail() -> None:\n    raise {raised}\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script, "fail"], cwd=ROOT, capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", told)


def test_the_traceback_of_a_bug_is_shown_to_who_asks() -> None:
    script = (
        "from bridge.cli import app, main\n@app.command()\ndef fail() -> None:\n    raise RuntimeError('x')\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "fail"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"FEDBRIDGE_DEBUG": "1"},
    )  # fmt: skip
    assert done.returncode == 70
    assert "Traceback" in done.stderr
