"""The JSON schema: current, and right about files that are valid or not."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from config.schema import schema, text

FOLDER = Path(__file__).parents[3] / "config"
Json = Any
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "examples", "writeOnly"}
OF_ANY: dict[str, Callable[[Json, Json, Json], bool]] = {
    "$ref": lambda argument, value, root: fits(value, root["$defs"][argument.removeprefix("#/$defs/")], root),
    "anyOf": lambda argument, value, root: any(fits(value, each, root) for each in argument),
    "type": lambda argument, value, root: (
        isinstance(value, TYPES[argument]) and (argument == "boolean" or not isinstance(value, bool))
    ),
    "enum": lambda argument, value, root: value in argument,
}
OF_TYPE: dict[str, tuple[str, Callable[[Json, Json, Json], bool]]] = {
    "required": ("object", lambda argument, value, root: set(argument) <= value.keys()),
    "properties": (
        "object",
        lambda argument, value, root: all(fits(value[key], argument[key], root) for key in argument if key in value),
    ),
    "patternProperties": (
        "object",
        lambda argument, value, root: all(
            fits(value[key], argument[pattern], root)
            for pattern in argument
            for key in value
            if re.search(pattern, key)
        ),
    ),
    "propertyNames": ("object", lambda argument, value, root: all(fits(key, argument, root) for key in value)),
    "minProperties": ("object", lambda argument, value, root: len(value) >= argument),
    "maxProperties": ("object", lambda argument, value, root: len(value) <= argument),
    "items": ("array", lambda argument, value, root: all(fits(inner, argument, root) for inner in value)),
    "minItems": ("array", lambda argument, value, root: len(value) >= argument),
    "pattern": ("string", lambda argument, value, root: re.search(argument, value) is not None),
    "minLength": ("string", lambda argument, value, root: len(value) >= argument),
    "maxLength": ("string", lambda argument, value, root: len(value) <= argument),
    "minimum": ("number", lambda argument, value, root: value >= argument),
    "maximum": ("number", lambda argument, value, root: value <= argument),
    "exclusiveMinimum": ("number", lambda argument, value, root: value > argument),
}
ROUTE = "[routes.x]\nfrom.amqp = { queue = 'q' }\nto.kafka = { topic = 't' }\n"


def fits(value: Json, made: Mapping[str, Json], root: Mapping[str, Json]) -> bool:
    """Whether a value is valid by the keywords that the schema uses; one that is unknown here is an error."""
    for keyword, argument in made.items():
        if keyword in OF_ANY:
            if not OF_ANY[keyword](argument, value, root):
                return False
        elif keyword in OF_TYPE:
            kind, holds = OF_TYPE[keyword]
            if isinstance(value, TYPES[kind]) and not holds(argument, value, root):
                return False
        elif keyword == "additionalProperties":
            if isinstance(value, dict) and not all(
                fits_other(value[key], argument, root) for key in others(value, made)
            ):
                return False
        else:
            assert keyword in SAYS_NOTHING, f"{keyword} is not known here"
    return True


def others(value: Mapping[str, Json], made: Mapping[str, Json]) -> list[str]:
    """The keys that no other keyword is about."""
    patterns = made.get("patternProperties", {})
    return [
        key
        for key in value
        if key not in made.get("properties", {}) and not any(re.search(pattern, key) for pattern in patterns)
    ]


def fits_other(value: Json, argument: Json, root: Mapping[str, Json]) -> bool:
    return argument is not False and fits(value, argument, root)


def valid(document: str) -> bool:
    made = schema()
    return fits(tomllib.loads(document), made, made)


def test_the_schema_that_is_kept_is_current() -> None:
    assert (FOLDER / "fedbridge.schema.json").read_text() == text(), "make it anew with: fedbridge schema"


def test_the_example_files_fit() -> None:
    for name in ("fedbridge.toml", "fedbridge.example.toml"):
        document = (FOLDER / name).read_text()
        assert valid(document)
        assert valid(re.sub(r"(?m)^#(?=[a-z\[])", "", document)), f"{name} with every setting switched on"


@pytest.mark.parametrize(
    "document",
    [
        ROUTE,
        "log.level = '${LEVEL}'\nbridge.drain_timeout = '${SECONDS}s'\n" + ROUTE,
        ROUTE + "enabled = '${ENABLED}'\nwindow = { messages = '${N}', bytes = '1MiB' }\n",
        ROUTE + "window.bytes = 5\nretry.initial = '1.5 s'\n",
        "[brokers.a]\nurl = ['kafka://a:1,b:2', '${OTHER}']\npassword = 'x'\n" + ROUTE,
        "[routes.x]\nfrom.kafka = { pattern = 'x' }\nto.amqp = [{ exchange = '', routing_key = '{topic}' }]\n",
        "[routes.x]\nfrom.mqtt = { topics = ['a/#'], qos = 0 }\nto.mqtt = { topic = 't', qos = '${QOS}' }\n",
        "[routes.x]\nfrom.redis = { streams = ['s'], start = '$' }\nto.redis = [{ stream = 's', max_length = 9 }]\n",
        "[routes.x]\nfrom.amqp.bindings = [{ x-match = 'any', n = 1, s = 'x', b = true, f = 1.5 }]\nto.amqp = []\n",
    ],
)
def test_what_may_be_written_fits(document: str) -> None:
    assert valid(document)


@pytest.mark.parametrize(
    "document",
    [
        "x = 1",
        "log.level = 'loud'",
        "bridge.drain_timeout = 30",
        "bridge.drain_timeout = 'soon'",
        "bridge.name = 'Big'",
        "brokers.a = {}",
        "brokers.a.url = 'localhost'",
        "[routes.x]\nfrom.amqp.queue = 'q'\n",
        "[routes.x]\nfrom = {}\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.amqp.queue = 'q'\nfrom.kafka.topics = ['t']\nto.kafka.topic = 't'\n",
        "[routes.x]\nsource.amqp.queue = 'q'\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.mqtt = { topics = [] }\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.mqtt = { topics = ['t'], qos = 2 }\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.redis = { streams = ['s'], no_body = 'xml' }\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.redis = { streams = [''] }\nto.kafka.topic = 't'\n",
        "[routes.x]\nfrom.amqp.queue = 'q'\nto.redis = { stream = 's', max_length = 0 }\n",
        "[routes.x]\nfrom.amqp.queue = 'q'\nto.mqtt = { topic = 't', max_in_flight = 70000 }\n",
        ROUTE + "window.messages = 0\n",
        ROUTE + "window.messages = 1.5\n",
        ROUTE + "window.bytes = true\n",
        ROUTE.replace("topic", "topci"),
        ROUTE.replace("queue = 'q'", "queue = ''"),
        ROUTE.replace("routes.x", "routes.X"),
    ],
)
def test_what_may_not_be_written_does_not(document: str) -> None:
    assert not valid(document)


def test_every_key_is_described() -> None:
    made = schema()
    tables = [made, *made["$defs"].values()]
    assert not [
        key for table in tables for key, value in table.get("properties", {}).items() if "description" not in value
    ]
