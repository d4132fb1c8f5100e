"""`fedbridge check`, `version` and the exit codes, as a shell sees them."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.guarantees import block
from config import load
from tests.command import fedbridge

ROOT = Path(__file__).parents[3]


def lines(tmp_path: Path, route: str) -> list[str]:
    file = tmp_path / "fedbridge.toml"
    file.write_text(
        '[brokers.rabbit]\nurl = "amqp://me:SECRET@localhost"\n[brokers.main]\nurl = "kafka://a,b"\n[routes.x]\n'
        + route
    )
    settings = load(file, {})
    return list(block("x", settings.routes["x"], settings))


def facts(told: list[str], label: str) -> list[str]:
    """What stands behind a label."""
    return [line[13:] for line in told if line.startswith(f"  {label} ")]


ON_ERROR = (
    "  on_error   dead_letter: as long as there is no store for dead letters, a message that cannot be delivered "
    "stops the route and stays unacknowledged"
)
OVERTAKEN = "a refused message may be overtaken by those in flight (max_in_flight = 1 prevents it)"


def test_a_valid_configuration_says_what_it_guarantees() -> None:
    code, out, err = fedbridge("check", "-c", ROOT / "config" / "fedbridge.toml", FEDBRIDGE_BRIDGE__INSTANCE="node")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "route product-updates",
        "  from       fanout exchange product_updates through queue fedbridge.fedbridge.product-updates "
        "(durable, created when missing) at rabbit (amqp://localhost:5672/)",
        "  to         kafka: topic product-updates (must exist), key {message_id}, at kafka (kafka://localhost:9092)",
        "  delivery   at least once: acknowledged at rabbit only after kafka confirmed",
        "  duplicates at most window.messages (4000) after a crash or lost connection",
        f"  order      kafka: kept per key; without a key only within a partition; {OVERTAKEN}",
        ON_ERROR,
        "  exchange   product_updates belongs to its publisher and is waited for (exchange_durable is not stated)",
        "",
        "route orders",
        "  from       topic orders as group fedbridge.fedbridge.orders at kafka (kafka://localhost:9092)",
        "  to         amqp: exchange orders, routing key order.{header.region:unknown}, at rabbit "
        "(amqp://localhost:5672/)",
        "  delivery   at least once: committed at kafka only after rabbit confirmed",
        "  duplicates at most window.messages (4000) after a crash, lost connection or rebalance; what comes again has "
        "the same fedbridge-uid",
        "  group      member fedbridge.orders.node is static: back within its session of 45 s it has its partitions at "
        "once, and before that nobody else gets them; a second bridge of this instance fences the first off",
        "  start      earliest: a group that is new begins at the earliest record",
        f"  order      amqp: kept per partition of the source, one after the other; {OVERTAKEN}",
        ON_ERROR,
        "  unroutable hold: a message that the exchange has no binding for waits, and the route with it, until there "
        "is one",
        "  exchange   orders is waited for while it is missing (exchange_durable is not stated)",
    ]


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
        "  duplicates at most window.messages (7) after a crash or lost connection",
        "  order      a: kept only within a partition, since no key is set; through refusals too (max_in_flight = 1)",
        f"  order      b: kept per key; {OVERTAKEN}",
        "  on_error   drop: a message that cannot be delivered is acknowledged, counted and LOST",
        "  exchange   e is created non-durable when it is missing",
    ]


def test_a_queue_alone_must_exist(tmp_path: Path) -> None:
    told = lines(tmp_path, "on_error = 'stop'\nfrom.amqp.queue = 'q'\nto.kafka.topic = 't'\n")
    assert told[1] == "  from       queue q (must exist) at rabbit (amqp://localhost:5672/)"
    assert told[-1] == "  on_error   stop: a message that cannot be delivered stops the route and stays unacknowledged"


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


def test_brokers_that_are_given_are_not_taken_for_brokers_that_were_left_up(tmp_path: Path) -> None:
    for package in ("bridge", "config"):
        shutil.copytree(ROOT / package, tmp_path / package)

    def told(port: int) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "demo", "--brokers-only"],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "FEDBRIDGE_TEST_AMQP_URL": f"amqp://127.0.0.1:{port}/",
                "FEDBRIDGE_TEST_KAFKA_URL": f"kafka://127.0.0.1:{port}",
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as answers:
            port = answers.getsockname()[1]
            code, out, err = told(port)
        assert (code, out.splitlines()) == (
            0,
            [
                f"export FEDBRIDGE_TEST_AMQP_URL=amqp://127.0.0.1:{port}/",
                f"export FEDBRIDGE_TEST_KAFKA_URL=kafka://127.0.0.1:{port}",
            ],
        )
        assert "FEDBRIDGE_TEST_AMQP_URL and FEDBRIDGE_TEST_KAFKA_URL are set: nothing was started" in err
    assert not (tmp_path / ".cache" / "fedbridge" / "running.json").exists()
