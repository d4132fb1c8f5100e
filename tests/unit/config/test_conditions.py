"""Filters as they are written: what is right, and what is said of what is not, with its place."""

import builtins
from pathlib import Path
from typing import Any

import cel
import pytest

from config.conditions import FUNCTIONS, SAMPLE, failure, members
from config.mapping import PROPERTIES
from tests.unit.config.configurations import BROKERS, VALID, loads, problems


def told(tmp_path: Path, written: str, environ: dict[str, str] | None = None) -> list[str]:
    return problems(tmp_path, f"{VALID}filter = {written}\n", environ)


@pytest.mark.parametrize(
    "text",
    [
        "properties.type == 'order.created' && headers['region'] in ['eu', 'uk']",
        "true",
        "headers.x == 1",
        "headers.x.y.exists(v, v.z.all(w, w == v))",
        "json.total > 5 || json[0].a",
        "type(headers.x) == int // topic",
        "'topic == 1'.size() == 1 || r'\\d' != \"it's topic\" || '''a topic \\''' ''' == ''",
        "headers.map(name, name.startsWith('x')).size() > 0",
        "int(properties.message_id) % 2 == 0",
        "timestamp(properties.type) > timestamp('2026-01-01T00:00:00Z')",
        "address.matches('^a') && has(headers.filter)",
        "json > 5",
    ],
)
def test_what_is_right_is_kept_as_written(tmp_path: Path, text: str) -> None:
    written = text.replace("\\", "\\\\").replace('"', '\\"')
    assert loads(tmp_path, f'{VALID}filter = "{written}"\n').routes["orders"].filter == text


@pytest.mark.parametrize(
    ("written", "column", "text"),
    [
        ('"properties.type = 1"', 27, "cannot be read as CEL: token recognition error at: '= '"),
        ("'uid =='", 17, "cannot be read as CEL: mismatched input the end"),
        ('"uid == \\"a\\" and true"', 24, "cannot be read as CEL: mismatched input 'and'"),
        ('"uid == \\u0027\\U0001F600\\u0027 and true"', 41, "cannot be read as CEL: mismatched input 'and'"),
        ("'headers[\"x'", 19, "cannot be read as CEL: token recognition error at: '\"x'"),
        ('"(uid == key"', 22, "cannot be read as CEL: missing ')' at the end"),
        ('""', 11, "cannot be read as CEL: mismatched input the end"),
        ('"1 + 1"', 1, "gives a number, not true or false"),
        ('"uid"', 1, "gives text, not true or false"),
        ('"[uid]"', 1, "gives a list, not true or false"),
        ("\"properties.priority > 'high'\"", 1, "cannot be evaluated: an operation does not fit the types of its "
         "values, such as text compared with a number"),
        ("\"properties.priority.startsWith('h')\"", 1, "cannot be evaluated: startsWith does not fit the type of the "
         "value it is given"),
        ("\"uid.matches('(')\"", 1, "cannot be evaluated: Function 'matches' error: '(' not a valid regex:"),
        ("\"headers.a == 'x' || tpoic == 1\"", 31, "unknown name tpoic (known are address, exchange, routing_key, key, "
         "uid, body, json, headers, properties)"),
        ("\"header.a == 'x'\"", 11, "unknown name header (did you mean headers?)"),
        ("\"'topic' == topic\"", 22, "unknown name topic (did you mean address?)"),
        ('"message_id == uid"', 11, "unknown name message_id (did you mean properties.message_id?)"),
        ("\"uid.startWith('a')\"", 15, "unknown function startWith (did you mean startsWith?)"),
        ("\"headers.x-y == 1\"", 21, "unknown name y (known are address, exchange, routing_key, key, uid, body, "
         "json, headers, properties)"),
        ("5", 1, "is 5, not text"),
        ("\"key == 'a'\"", 1, "a message from amqp has no key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, written: str, column: int, text: str) -> None:
    assert told(tmp_path, written) == [f"FILE:8:{column}: routes.orders.filter: {text}"]


def test_every_unknown_name_is_told_in_a_text_of_several_lines(tmp_path: Path) -> None:
    written = '"""\nheadrs.a == 1 \\\n   && foo == 1 &&\n  uid.lower() == \'a\'"""'
    assert told(tmp_path, written) == [
        "FILE:9:1: routes.orders.filter: unknown name headrs (did you mean headers?)",
        "FILE:10:7: routes.orders.filter: unknown name foo "
        "(known are address, exchange, routing_key, key, uid, body, json, headers, properties)",
        "FILE:11:7: routes.orders.filter: unknown function lower",
    ]


def test_a_text_that_is_put_together_is_told_by_its_key_and_the_character(tmp_path: Path) -> None:
    (line,) = told(tmp_path, "'${WHAT} && foo'", {"WHAT": "true"})
    assert line.startswith("FILE:8:1: routes.orders.filter: unknown name foo (known are ")
    assert line.endswith("(at character 9 of it)")


def test_a_filter_of_the_environment_is_told_by_its_variable(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, VALID, {"FEDBRIDGE_ROUTES__ORDERS__FILTER": "true &&& false"})
    assert line == (
        "$FEDBRIDGE_ROUTES__ORDERS__FILTER: routes.orders.filter: cannot be read as CEL: token recognition error at: "
        "'& ' (at character 8 of it)"
    )


def test_what_a_kind_of_source_never_has_is_told(tmp_path: Path) -> None:
    text = f"""{BROKERS}
[routes.back]
from.kafka.topics = ["t"]
to.amqp.exchange = "e"
filter = "exchange == 'a' || routing_key == 'b' || key == 'c'"
"""
    assert problems(tmp_path, text) == [
        "FILE:9:1: routes.back.filter: a message from kafka has no exchange",
        "FILE:9:1: routes.back.filter: a message from kafka has no routing_key",
    ]


def test_without_the_package_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "cel":
            raise ImportError(name)
        return import_(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert told(tmp_path, '"true"') == [
        "FILE:8:1: routes.orders.filter: needs the extra package for CEL: pip install 'fedbridge[cel]'"
    ]


def test_what_a_message_without_headers_does_is_known() -> None:
    assert failure("headers.region == 'eu'") == "there is no 'region'"
    assert failure("has(headers.region) && headers.region == 'eu'") is None


def test_the_sample_has_every_property_and_the_functions_are_there() -> None:
    assert SAMPLE["properties"].keys() == set(PROPERTIES)
    calls = {
        "contains": "'a'.contains('a')", "startsWith": "'a'.startsWith('a')", "endsWith": "'a'.endsWith('a')",
        "matches": "'a'.matches('a')", "size": "size('a')", "timestamp": "timestamp('2026-01-01T00:00:00Z')",
        "duration": "duration('1h')", "dyn": "dyn(1)", "type": "type(1)", "bytes": "bytes('a')",
    }  # fmt: skip
    for name in FUNCTIONS:
        of_time = f"timestamp('2026-01-01T00:00:00Z').{name}()"
        cel.evaluate(of_time if name.startswith("get") else calls.get(name, f"{name}('1')"))


@pytest.mark.parametrize(
    ("text", "looked_at"),
    [
        ("uid == 'headers.a'", frozenset()),
        (
            "headers.region == 'a' || headers['b-c'] == 1 && has( headers . d ) || \"e f\" in headers",
            {"region", "b-c", "d", "e f"},
        ),
        ("json.headers.a == 1 && headers.b.c == 2", {"b"}),
        ("headers[uid] == 1", None),
        ("headers.a == 1 && size(headers) > 2", None),
        ("headers.size() > 1", None),
        ("headers.exists(name, name == 'a')", None),
        ("headers['a' + uid] == 1", None),
        ("headers['it\\'s'] == 1", None),
        ("uid in headers || 'a' in headers", None),
        ("'a' + 'b' in headers", None),
        ("!('a' in headers) && (uid == '1' ||'b' in headers ? 'c' in headers : 'd' in headers)", {"a", "b", "c", "d"}),
        ("[headers][0].a == 1", None),
    ],
)
def test_what_of_the_headers_a_filter_looks_at(text: str, looked_at: set[str] | None) -> None:
    assert members(text, "headers") == looked_at
