"""`fedbridge check`, `version` and the exit codes, as a shell sees them."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.check import block
from config import load

ROOT = Path(__file__).parents[3]


def fedbridge(*arguments: str | Path, **environ: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def lines(tmp_path: Path, route: str) -> list[str]:
    file = tmp_path / "fedbridge.toml"
    file.write_text(
        '[brokers.rabbit]\nurl = "amqp://me:SECRET@localhost"\n[brokers.main]\nurl = "kafka://a,b"\n[routes.x]\n'
        + route
    )
    settings = load(file, {})
    return list(block("x", settings.routes["x"], settings))


def test_a_valid_configuration_says_what_it_guarantees() -> None:
    code, out, err = fedbridge("check", "-c", ROOT / "config" / "fedbridge.toml")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "route product-updates",
        "  from       fanout exchange product_updates through queue fedbridge.fedbridge.product-updates "
        "(durable, created when missing) at rabbit (amqp://localhost:5672/)",
        "  to         kafka: topic product-updates (must exist), key {message_id}, at kafka (kafka://localhost:9092)",
        "  delivery   at least once: acknowledged at rabbit only after kafka confirmed",
        "  duplicates at most window.messages (4000) after a crash or lost connection",
        "  order      kafka: kept per key; without a key only within a partition; a refused message may be overtaken "
        "by those in flight (max_in_flight = 1 prevents it)",
        "  on_error   dead_letter: as long as there is no store for dead letters, a message that cannot be delivered "
        "stops the route and stays unacknowledged",
        "  exchange   product_updates belongs to its publisher and is waited for (exchange_durable is not stated)",
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
        "  order      b: kept per key; a refused message may be overtaken by those in flight "
        "(max_in_flight = 1 prevents it)",
        "  on_error   drop: a message that cannot be delivered is acknowledged, counted and LOST",
        "  exchange   e is created non-durable when it is missing",
    ]


def test_a_queue_alone_must_exist(tmp_path: Path) -> None:
    told = lines(tmp_path, "on_error = 'stop'\nfrom.amqp.queue = 'q'\nto.kafka.topic = 't'\n")
    assert told[1] == "  from       queue q (must exist) at rabbit (amqp://localhost:5672/)"
    assert told[-1] == "  on_error   stop: a message that cannot be delivered stops the route and stays unacknowledged"


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
