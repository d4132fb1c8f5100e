"""The example files: they load, and the long one shows every setting there is."""

import re
from pathlib import Path

import pytest

from config import load
from config.amqp import AmqpSinkSettings
from config.cases import load_cases
from config.positions import index
from config.shape import keys_at
from tests.command import fedbridge

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


def test_the_example_of_the_readme_loads_and_no_single_order_stops_it(tmp_path: Path) -> None:
    (tmp_path / "fedbridge.toml").write_text(_readme()[0])
    settings = load(tmp_path / "fedbridge.toml", {"RABBIT_PASSWORD": "x"}, tmp_path / "no-secrets")
    for orders in (settings.routes["kiosk-orders"], load(FOLDER / "fedbridge.toml", {}).routes["orders"]):
        assert orders.unroutable == "hold"
        (target,) = orders.targets.settings
        assert isinstance(target, AmqpSinkSettings)
        assert target.routing_key is not None
        assert [field.default for field in target.routing_key.fields] == ["unknown"]


def test_the_brokers_of_the_readme_are_those_that_make_brokers_names(tmp_path: Path) -> None:
    routes, brokers = _readme()
    (tmp_path / "fedbridge.toml").write_text(brokers + routes[routes.index("[routes.") :])
    urls = {
        "FEDBRIDGE_TEST_AMQP_URL": "amqp://a:1/",
        "FEDBRIDGE_TEST_KAFKA_URL": "kafka://b:2",
        "FEDBRIDGE_TEST_MQTT_URL": "mqtt://c:3",
        "FEDBRIDGE_TEST_REDIS_URL": "redis://d:4/0",
    }
    settings = load(tmp_path / "fedbridge.toml", urls, tmp_path / "no-secrets")
    assert [broker.shown for broker in settings.brokers.values()] == list(urls.values())


def test_the_long_example_loads() -> None:
    routes = load(FOLDER / "fedbridge.example.toml", {}).routes
    legs = {(route.source.settings.kind, target.kind) for route in routes.values() for target in route.targets.settings}
    between = {(source, target) for source in ("amqp", "kafka") for target in ("amqp", "kafka")}
    assert legs == between | {
        ("mqtt", "kafka"),
        ("mqtt", "redis"),
        ("redis", "mqtt"),
        ("mqtt", "amqp"),
        ("amqp", "mqtt"),
    }


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


def test_the_tests_of_the_documentation_pass(tmp_path: Path) -> None:
    routes, tests = _tables("docs/testing-routes.md")
    (tmp_path / "fedbridge.toml").write_text(routes)
    (tmp_path / "cases.toml").write_text(tests)
    code, out, err = fedbridge("test", tmp_path / "cases.toml", "-c", tmp_path / "fedbridge.toml")
    assert (code, err, out.splitlines()[-1]) == (0, "", "4 tests: 4 ok, 0 failed"), out


def _tables(file: str) -> list[str]:
    return re.findall(r"(?s)```toml\n(.*?)```", (FOLDER.parent / file).read_text())


def _readme() -> list[str]:
    return _tables("README.md")


def _all_on() -> str:
    return re.sub(r"(?m)^#(?=[a-z])", "", (FOLDER / "fedbridge.example.toml").read_text())


def _general(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path without the names of brokers, routes and numbers of targets."""
    return tuple(
        part for at, part in enumerate(path) if not isinstance(part, int) and not (at == 1 and path[0] in NAMED)
    )


@pytest.mark.parametrize("name", ["fedbridge", "fedbridge.example"])
def test_the_tests_of_the_examples_pass_and_every_route_has_one(name: str) -> None:
    config, file = FOLDER / f"{name}.toml", FOLDER / f"{name}.tests.toml"
    code, out, err = fedbridge("test", file, "-c", config)
    assert (code, err) == (0, ""), out
    settings = load(config, {})
    _, cases = load_cases(file, settings)
    assert out.splitlines() == [
        *(f"ok      {case.name}" for case in cases),
        f"{len(cases)} tests: {len(cases)} ok, 0 failed",
    ]
    assert {case.route for case in cases} == set(settings.routes)
