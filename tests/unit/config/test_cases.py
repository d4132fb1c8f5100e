"""Tests of routes as they are written: every mistake with its place, all at once."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Properties
from config import ConfigError, load
from config.cases import CaseFile, CaseProperties, load_cases
from config.toml import dumps
from config.typed import TYPES
from tests.unit.config.configurations import MORE

ROUTES = f"""{MORE}
[routes.orders]
from.amqp = {{ queue = "orders" }}
to.kafka = {{ topic = "orders" }}
to.redis = {{ name = "refused", stream = "orders" }}
[routes.back]
from.mqtt = {{ topics = ["back"] }}
to.amqp = {{ exchange = "back" }}
"""
HEAD = '[[tests]]\nname = "a"\nroute = "orders"\n'


def problems(tmp_path: Path, text: str, *, routes: bool = True) -> list[str]:
    file, config = tmp_path / "tests.toml", tmp_path / "fedbridge.toml"
    file.write_text(text)
    config.write_text(ROUTES)
    with pytest.raises(ConfigError) as caught:
        load_cases(file, load(config, {}, tmp_path / "no-secrets") if routes else None)
    return [str(problem).replace(f"{file}", "FILE") for problem in caught.value.problems]


def test_the_properties_are_those_of_messages() -> None:
    assert list(CaseProperties.model_fields) == list(Properties.__annotations__)


def test_what_is_expected_is_told_apart_by_its_shape() -> None:
    tests = [
        {"name": "1", "route": "r", "message": {}, "expect": "filtered"},
        {"name": "2", "route": "r", "message": {}, "expect": {"refused": "bad_filter"}},
        {
            "name": "3",
            "route": "r",
            "message": {},
            "expect": {"refused": {"topic": "t"}, "x": {"refused": "bad_topic"}},
        },
    ]
    dumped = [test.expect for test in CaseFile.model_validate({"tests": tests}).tests]
    assert dumped[0] == "filtered"
    assert not isinstance(dumped[1], dict)
    assert isinstance(dumped[2], dict)
    assert list(dumped[2]) == ["refused", "x"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", ["FILE: needs tests"]),
        ("tests = []", ["FILE:1:1: tests: is an empty list"]),
        ("tests = 1", ["FILE:1:1: tests: is 1, not a list"]),
        ("tests = [1]", ["FILE:1:10: tests[0]: is 1, not a table"]),
        ("test = []", ["FILE: needs tests", "FILE:1:1: test: unknown key (did you mean tests?)"]),
        ("[[tests]]", [f"FILE:1:3: tests[0]: needs {key}" for key in ("name", "route", "message", "expect")]),
        (
            f'{HEAD}message = {{ bdy = "x", properties = {{ prio = 1, type = 2, priority = "1" }} }}\nexpect = "gone"',
            [
                "FILE:4:13: tests[0].message.bdy: unknown key (did you mean body?)",
                "FILE:4:39: tests[0].message.properties.prio: unknown key (did you mean priority?)",
                'FILE:4:49: tests[0].message.properties.type: is not text, or { base64 = "…" }',
                'FILE:5:1: tests[0].expect: is "gone", not one of filtered',
            ],
        ),
        (
            f'{HEAD}message.body = {{ none = false }}\nmessage.headers.a.type = "u7"\nexpect.kafka = 1',
            [
                "FILE:4:18: tests[0].message.body.none: is true and alone where there is none",
                f"FILE:5:19: tests[0].message.headers.a.type: is not one of {', '.join(TYPES)}",
                "FILE:6:8: tests[0].expect.kafka: is 1, not a table",
            ],
        ),
        (
            f'{HEAD}message = {{}}\nexpect = {{ kafak = "filtered", kafka = {{ topic = "t", uid = "u" }} }}',
            [
                "FILE:5:12: tests[0].expect.kafak: route orders has no target kafak (did you mean kafka?)",
                "FILE:5:55: tests[0].expect.kafka.uid: is not compared: leave it out",
            ],
        ),
        (
            '[[tests]]\nname = "a"\nroute = "order"\nmessage = {}\nexpect = {}',
            [
                "FILE:3:1: tests[0].route: there is no [routes.order] (did you mean orders?)",
                'FILE:5:1: tests[0].expect: is empty: write "filtered", { refused = … }, or what each target gets, by '
                "its name",
            ],
        ),
        (
            f'{HEAD}message = {{ topic = "t" }}\nexpect.refused = {{ topic = "t" }}',
            [
                "FILE:4:13: tests[0].message.topic: a message from amqp has exchange and routing_key",
                "FILE:5:20: tests[0].expect.refused.topic: a message to redis has stream",
            ],
        ),
        (
            '[[tests]]\nname = "a"\nroute = "back"\nmessage = {}\nexpect = "filtered"',
            ["FILE:4:1: tests[0].message: needs topic"],
        ),
        (
            '[[tests]]\nname = "a"\nroute = "back"\nmessage = { topic = "t", address = "t" }\nexpect = "filtered"',
            ["FILE:4:26: tests[0].message.address: is another word for topic: leave one out"],
        ),
        (
            f'{HEAD}message.headers = {{ fedbridge-uid = "x" }}\nexpect = "filtered"',
            [
                "FILE:4:21: tests[0].message.headers.fedbridge-uid: headers that begin with fedbridge- are "
                "the bridge's own; none is left once it is read"
            ],
        ),
    ],
)
def test_every_mistake_has_its_place(tmp_path: Path, lines: str, told: list[str]) -> None:
    assert problems(tmp_path, lines) == told


_WORDS = ["name", "route", "message", "expect", "headers", "body", "key", "properties", "type", "value", "base64"]
_KEYS = st.sampled_from([*_WORDS, "none", "refused", "kafka", "topic", "routing_key", "priority", "x"])
_LEAVES = st.sampled_from(["", "orders", "back", "filtered", "u8", "table", "array", "/w==", 1, -1, 1.5, True])
_ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=20
)


@given(st.dictionaries(_KEYS, _ANYTHING, max_size=5), _ANYTHING, _ANYTHING)
def test_whatever_is_written_is_tests_or_mistakes(test: dict[str, Any], message: Any, expect: Any) -> None:
    with TemporaryDirectory() as folder:
        file, config = Path(folder) / "tests.toml", Path(folder) / "fedbridge.toml"
        config.write_text(ROUTES)
        written = {"name": "a", "route": "orders", "message": message, "expect": expect, **test}
        file.write_text(dumps({"tests": [written]}))
        settings = load(config, {}, Path(folder) / "no-secrets")
        with suppress(ConfigError):
            _, (case,) = load_cases(file, settings)
            assert case.route in settings.routes


def test_without_routes_the_rest_is_still_told(tmp_path: Path) -> None:
    assert problems(
        tmp_path, '[[tests]]\nname = ""\nroute = "any"\nmessage.topic = 1\nexpect = "filtered"', routes=False
    ) == [
        "FILE:2:1: tests[0].name: is empty",
        'FILE:4:9: tests[0].message.topic: is not text, or { base64 = "…" }',
    ]


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_cases(Path("nowhere.toml"), None)


def test_a_number_that_python_does_not_read_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, f"tests = {'9' * 5000}") == ["FILE: has a number of too many digits"]
