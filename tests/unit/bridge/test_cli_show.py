"""`fedbridge show` and `fedbridge schema`, as a shell sees them."""

import json
import tomllib
from pathlib import Path

from tests.command import fedbridge

ROOT = Path(__file__).parents[3]
TOML = """
[bridge]
instance = "node-1"
[brokers.rabbit]
url = "amqp://me:SECRET@localhost"
[brokers.kafka]
url = "kafka://localhost"
[routes.x]
from.kafka = { topics = ["t"] }
to.amqp = { exchange = "e", routing_key = "{topic}" }
"""


def test_what_is_in_effect_is_shown_without_secrets_and_loads_again(tmp_path: Path) -> None:
    file, again = tmp_path / "fedbridge.toml", tmp_path / "again.toml"
    file.write_text(TOML)
    environ = {"FEDBRIDGE_BROKERS__RABBIT__PASSWORD": "SECRET2", "FEDBRIDGE_ROUTES__X__ON_ERROR": "drop"}
    code, out, err = fedbridge("show", "-c", file, **environ)
    assert (code, err) == (0, "")
    assert "SECRET" not in out
    shown = tomllib.loads(out)
    assert (
        shown["brokers"]["rabbit"] | {"url": "amqp://localhost:5672/", "username": "me", "password": "***"}
        == (shown["brokers"]["rabbit"])
    )
    assert shown["routes"]["x"]["on_error"] == "drop"
    assert shown["routes"]["x"]["from"]["kafka"]["group"] == "fedbridge.fedbridge.x"
    again.write_text(out)
    assert fedbridge("show", "-c", again) == (0, out, "")


def test_as_json_it_has_what_is_not_set_too(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(TOML)
    code, out, _ = fedbridge("show", "-o", "json", "-c", file)
    assert code == 0
    assert "SECRET" not in out
    assert json.loads(out)["routes"]["x"]["to"]["amqp"]["persistent"] is None
    assert fedbridge("show", "-o", "xml", "-c", file)[0] == 2


def test_a_configuration_that_is_wrong_is_told_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(TOML + "x = 1\n")
    code, out, err = fedbridge("show", "-c", file)
    assert (code, out) == (78, "")
    assert "routes.x.x: unknown key" in err


def test_the_schema_is_the_one_that_is_kept() -> None:
    assert fedbridge("schema") == (0, (ROOT / "config" / "fedbridge.schema.json").read_text(), "")
