"""The example files: they load, and the long one shows every setting there is."""

import re
from pathlib import Path

from config import load
from config.positions import index
from config.shape import keys_at

NAMED = ("brokers", "routes")
FOLDER = Path(__file__).parents[3] / "config"


def test_the_story_loads() -> None:
    routes = load(FOLDER / "fedbridge.toml", {}).routes
    updates = routes["product-updates"]
    assert (updates.source.model_dump()["amqp"]["exchange"], updates.source.model_dump()["amqp"]["exchange_type"]) == (
        "product_updates",
        "fanout",
    )
    assert [target.kind for target in updates.targets.settings] == ["kafka", "mqtt", "redis"]
    back = [route for name, route in routes.items() if name != "product-updates"]
    assert [route.source.settings.kind for route in back] == ["kafka", "mqtt", "redis"]
    assert [target.model_dump()["exchange"] for route in back for target in route.targets.settings] == ["orders"] * 3


def test_the_long_example_loads() -> None:
    routes = load(FOLDER / "fedbridge.example.toml", {}).routes
    legs = {(route.source.settings.kind, target.kind) for route in routes.values() for target in route.targets.settings}
    between = {(source, target) for source in ("amqp", "kafka") for target in ("amqp", "kafka")}
    assert legs == between | {("mqtt", "kafka"), ("mqtt", "redis"), ("redis", "mqtt")}


def test_the_long_example_loads_with_every_setting_switched_on(tmp_path: Path) -> None:
    secret = tmp_path / "rabbit"
    secret.write_text("x")
    file = tmp_path / "all.toml"
    file.write_text(_all_on().replace("/run/secrets/rabbit", str(secret)))
    load(file, {})


def test_the_long_example_shows_every_setting() -> None:
    shown = set(index(_all_on()).at)
    tables = [path for path in shown if keys_at(path)] + [()]
    here = {(*_general(path), key) for path in tables for key in keys_at(path)}
    assert here <= {_general(path) for path in shown}


def _all_on() -> str:
    return re.sub(r"(?m)^#(?=[a-z])", "", (FOLDER / "fedbridge.example.toml").read_text())


def _general(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path without the names of brokers, routes and numbers of targets."""
    return tuple(
        part for at, part in enumerate(path) if not isinstance(part, int) and not (at == 1 and path[0] in NAMED)
    )
