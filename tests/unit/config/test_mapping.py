"""`map` as it is written: every mistake with its place."""

from pathlib import Path

import pytest

from config.mapping import MapSettings
from tests.unit.config.configurations import BROKERS, VALID, loads, problems

KNOWN = (
    "(known are content_type, content_encoding, delivery_mode, priority, correlation_id, reply_to, expiration, "
    'message_id, timestamp, type, user_id, app_id, cluster_id, key and "header.NAME")'
)


def test_what_is_right_is_kept_as_written(tmp_path: Path) -> None:
    rules = (
        loads(
            tmp_path,
            f"""{VALID}
map.set = {{ priority = 5, "header.on" = true, "header.rate" = 1.5, "header.from" = "{{address}}", timestamp = "17" }}
map.default = {{ message_id = "{{header.id}}", "header.region" = "eu", timestamp = "2026-01-31T23:59:59Z" }}
map.remove = ["reply_to", "header.x-internal-*", "key", "header.*a*"]
map.rename = {{ "header.old-*" = "header.new-*", "header.id" = "message_id", key = "header.k", type = "app_id" }}
""",
        )
        .routes["orders"]
        .map
    )
    assert rules.set["priority"] == 5
    assert rules.default["timestamp"] == "2026-01-31T23:59:59Z"
    assert rules.set["header.on"] is True
    assert rules.set["header.rate"] == 1.5
    assert list(rules.rename) == ["header.old-*", "header.id", "key", "type"], "in the order of the file"
    assert rules.remove == ["reply_to", "header.x-internal-*", "key", "header.*a*"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("set = { content_typ = 'a' }", "13: routes.orders.map.set.content_typ: unknown name content_typ "
         "(did you mean content_type?)"),
        ("set = { body = 'a' }", f"13: routes.orders.map.set.body: unknown name body {KNOWN}"),
        ("set = { tenant = 'a' }", f"13: routes.orders.map.set.tenant: unknown name tenant {KNOWN}"),
        ("set = { header = { tenant = 'a' } }", "13: routes.orders.map.set.header: the name of a header stands in "
         'quotes, with what is before it: "header.tenant"'),
        ("set = { 'header.' = 'a' }", '13: routes.orders.map.set.header.: a header needs its name, as in '
         '"header.x-tenant"'),
        ("set = { 'header.x*' = 'a' }", "13: routes.orders.map.set.header.x*: a name with * is for remove and rename"),
        ("set = { 'header.fedbridge-uid' = 'a' }", "13: routes.orders.map.set.header.fedbridge-uid: headers that begin "
         "with fedbridge- are the bridge's own"),
        ("set = { fedbridge-uid = 'a' }", "13: routes.orders.map.set.fedbridge-uid: headers that begin with fedbridge- "
         "are the bridge's own"),
        ("set = { 'header.a' = '{mesage_id}' }", "13: routes.orders.map.set.header.a: unknown field {mesage_id} "
         "(did you mean {message_id}?)"),
        ("set = { 'header.a' = '{topic}' }", "13: routes.orders.map.set.header.a: a message from amqp has no {topic}"),
        ("set = { 'header.a' = [1] }", "13: routes.orders.map.set.header.a: is a list, not text, a number, true or "
         "false"),
        ("set = { 'header.a' = nan }", "13: routes.orders.map.set.header.a: is nan, not a finite number"),
        ("set = { 'header.a' = 9223372036854775808 }", "13: routes.orders.map.set.header.a: is 9223372036854775808, "
         "not a whole number of 64 bits"),
        ("set = { content_type = 5 }", "13: routes.orders.map.set.content_type: is 5, not text"),
        ("set = { key = true }", "13: routes.orders.map.set.key: is true, not text"),
        ("set = { priority = 256 }", "13: routes.orders.map.set.priority: is 256, not a whole number from 0 to 255"),
        ("set = { priority = true }", "13: routes.orders.map.set.priority: is true, not a whole number"),
        ("set = { priority = 'high' }", '13: routes.orders.map.set.priority: is "high", not a whole number'),
        ("set = { delivery_mode = 0 }", "13: routes.orders.map.set.delivery_mode: is 0, not a whole number from 1 to "
         "2"),
        ("set = { timestamp = 1.5 }", "13: routes.orders.map.set.timestamp: is 1.5, not a whole number"),
        ("set = { timestamp = '2026-01-31T23:59:59' }", '13: routes.orders.map.set.timestamp: is '
         '"2026-01-31T23:59:59", not a time: it has no zone'),
        ("set = { timestamp = '2026-02-31T23:59:59Z' }", '13: routes.orders.map.set.timestamp: is '
         '"2026-02-31T23:59:59Z", not a time'),
        ("set = 5", "5: routes.orders.map.set: is 5, not a table"),
        ("default = { key = '{key' }", "17: routes.orders.map.default.key: character 1 of the template is a { that is "
         "never closed; a brace itself is written {{"),
        ("default = { message_id = '{stream}' }", "17: routes.orders.map.default.message_id: a message from amqp has "
         "no {stream}"),
        ("remove = ['key', 'address']", f"22: routes.orders.map.remove[1]: unknown name address {KNOWN}"),
        ("remove = ['header.fedbridge-*']", "15: routes.orders.map.remove[0]: headers that begin with fedbridge- are "
         "the bridge's own"),
        ("remove = [5]", "15: routes.orders.map.remove[0]: is 5, not text"),
        ("remove = 'key'", '5: routes.orders.map.remove: is "key", not a list'),
        ("rename = { 'header.a*' = 'header.b' }", "16: routes.orders.map.rename.header.a*: has 0 * in the new name for "
         "1 in the old one"),
        ("rename = { 'header.a*' = 'type' }", "16: routes.orders.map.rename.header.a*: has 0 * in the new name for 1 "
         "in the old one"),
        ("rename = { 'header.a' = 'header.*b*' }", "16: routes.orders.map.rename.header.a: has 2 * in the new name for "
         "0 in the old one"),
        ("rename = { 'header.a' = 'header.a' }", "16: routes.orders.map.rename.header.a: is the name it has"),
        ("rename = { 'header.a' = 'header.fedbridge-a' }", "16: routes.orders.map.rename.header.a: headers that begin "
         "with fedbridge- are the bridge's own"),
        ("rename = { typ = 'app_id' }", "16: routes.orders.map.rename.typ: unknown name typ (did you mean type?)"),
        ("rename = { key = 5 }", "16: routes.orders.map.rename.key: is 5, not text"),
        ("renme = {}", "5: routes.orders.map.renme: unknown key (did you mean rename?)"),
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong(tmp_path: Path, line: str, told: str) -> None:
    assert problems(tmp_path, f"{VALID}map.{line}\n") == [f"FILE:8:{told}"]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = f"""{VALID}
filter = "foo"
map.set = {{ a = 1, "header.b" = "{{x}}" }}
map.remove = ["c"]
[routes.orders.map.rename]
d = "type"
"header.e" = "f"
"""
    assert [line.partition(" ")[0] + line.split(" ")[1] for line in problems(tmp_path, text)] == [
        "FILE:9:11:routes.orders.filter:",
        "FILE:10:13:routes.orders.map.set.a:",
        "FILE:10:20:routes.orders.map.set.header.b:",
        "FILE:11:15:routes.orders.map.remove[0]:",
        "FILE:13:1:routes.orders.map.rename.d:",
        "FILE:14:1:routes.orders.map.rename.header.e:",
    ]


def test_a_key_that_rules_give_is_one_that_templates_may_name(tmp_path: Path) -> None:
    route = VALID.replace('topic = "orders" }', 'topic = "orders", key = "{key}" }')
    assert problems(tmp_path, route) == ["FILE:7:32: routes.orders.to.kafka.key: a message from amqp has no {key}"]
    for rule in ("set.key = 'a'", "default.key = 'a'", "rename = { type = 'key' }"):
        loads(tmp_path, f"{route}map.{rule}\n")


@pytest.mark.parametrize(
    ("rules", "own", "keyed"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"set": {"key": "a"}, "remove": ["key"]}, False, True),
        ({"default": {"key": "a"}, "remove": ["key"]}, False, True),
        ({"rename": {"type": "key"}}, False, True),
        ({"rename": {"type": "key"}, "remove": ["key"]}, True, False),
        ({"rename": {"key": "type"}}, True, False),
        ({"remove": ["key"]}, True, False),
    ],
)
def test_whether_messages_have_keys_after_rules(rules: dict[str, object], own: bool, keyed: bool) -> None:
    assert MapSettings.model_validate(rules).keyed(own) is keyed


def test_rules_of_the_environment(tmp_path: Path) -> None:
    environ = {"FEDBRIDGE_ROUTES__ORDERS__MAP__SET": '{"header.a": 5, "priority": "x"}'}
    assert problems(tmp_path, VALID, environ) == [
        '$FEDBRIDGE_ROUTES__ORDERS__MAP__SET: routes.orders.map.set.priority: is "x", not a whole number'
    ]
    assert BROKERS in VALID
