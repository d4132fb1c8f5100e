"""`fedbridge test`, as a shell sees it."""

from pathlib import Path

from tests.command import fedbridge

ROUTES = """\
[brokers.rabbit]
url = "amqp://localhost"
[brokers.kafka]
url = "kafka://localhost"
[brokers.mosquitto]
url = "mqtt://localhost"
[routes.orders]
from.amqp = { exchange = "orders", exchange_type = "topic", match = "order.{region}" }
to.kafka = { topic = "orders-{region}", key = "{header.tenant}" }
to.mqtt = { topic = "orders/{header.floor:ground}" }
filter = "properties.priority > 2"
map.set = { "header.tenant" = "{message_id}" }
map.remove = ["header.secret-*"]
"""
GIVEN = 'message = { routing_key = "order.eu", properties = { priority = 5, message_id = "acme" } }'


def case(expect: str, given: str = GIVEN, name: str = "a test") -> str:
    return f'[[tests]]\nname = "{name}"\nroute = "orders"\n{given}\n{expect}\n'


def run(tmp_path: Path, *cases: str, routes: str = ROUTES) -> tuple[int, list[str], list[str]]:
    """Exit code, and lines of stdout and stderr, with FILE and CONFIG for the paths."""
    file, config = tmp_path / "cases.toml", tmp_path / "fedbridge.toml"
    file.write_text("".join(cases))
    config.write_text(routes)
    code, out, err = fedbridge("test", file, "-c", config)
    lines, said = (text.replace(str(file), "FILE").replace(str(config), "CONFIG").splitlines() for text in (out, err))
    return code, lines, said


def test_filter_match_rules_templates_and_targets_are_tested(tmp_path: Path) -> None:
    headers = 'headers = { amqp-exchange = "orders", amqp-routing-key = "order.eu", tenant = "acme" }'
    properties = 'properties = { priority = 5, message_id = "acme" }'
    result = run(
        tmp_path,
        case(
            f'expect.kafka = {{ topic = "orders-eu", key = "acme", {properties}, {headers} }}\n'
            f'expect.mqtt = {{ topic = "orders/ground", {properties}, {headers} }}',
            GIVEN.replace(" } }", ' }, headers = { secret-a = "x" } }'),
            "carried",
        ),
        case('expect = "filtered"', GIVEN.replace("5", "2"), "not wanted"),
        case('expect.refused = "bad_filter"', GIVEN.replace("priority = 5", "app_id = 'x'"), "cannot be judged"),
        case('expect.refused = "no_match"', GIVEN.replace("order.eu", "order.eu.x"), "elsewhere"),
        case('expect.kafka.refused = "missing_field"', GIVEN.replace("message_id", "app_id"), "without an id"),
        case('expect.kafka.refused = "bad_topic"', GIVEN.replace("order.eu", f"order.{'x' * 250}"), "too long"),
        case('expect.mqtt.refused = "bad_topic"', GIVEN.replace(" } }", ' }, headers.floor = "#" }'), "a wildcard"),
    )
    assert result == (
        0,
        [
            "ok      carried",
            "ok      not wanted",
            "ok      cannot be judged",
            "ok      elsewhere",
            "ok      without an id",
            "ok      too long",
            "ok      a wildcard",
            "7 tests: 7 ok, 0 failed",
        ],
        [],
    )


def test_a_failure_shows_what_differs_field_by_field(tmp_path: Path) -> None:
    message = 'topic = "orders-eu", key = "other", body = { none = true }, headers.tenant = { type = "u8", value = 1 }'
    code, out, err = run(tmp_path, case(f"expect.kafka = {{ {message} }}"), case('expect.mqtt = "filtered"', name="b"))
    assert (code, err) == (1, [])
    assert out == [
        "FAILED  a test (FILE:1:3)",
        "    kafka",
        "      key",
        '        expected  "other"',
        '        got       "acme"',
        "      body",
        "        expected  {none = true}",
        '        got       ""',
        "      headers.tenant",
        '        expected  {type = "u8", value = 1}',
        '        got       "acme"',
        "      properties.priority",
        "        expected  nothing",
        "        got       5",
        "      properties.message_id",
        "        expected  nothing",
        '        got       "acme"',
        "      headers.amqp-exchange",
        "        expected  nothing",
        '        got       "orders"',
        "      headers.amqp-routing-key",
        "        expected  nothing",
        '        got       "order.eu"',
        "FAILED  b (FILE:6:3)",
        "    mqtt",
        "      expected  filtered",
        '      got       a message: {topic = "orders/ground", body = "", '
        'properties = {priority = 5, message_id = "acme"}, '
        'headers = {amqp-exchange = "orders", amqp-routing-key = "order.eu", tenant = "acme"}}',
        "2 tests: 0 ok, 2 failed",
    ]


def test_a_refusal_says_why_and_counts_for_every_target(tmp_path: Path) -> None:
    code, out, _ = run(
        tmp_path, case('expect.refused = "bad_topic"\n', GIVEN.replace("order.eu", "x")), case('expect = "filtered"')
    )
    no_match = "refused, no_match (address 'x' does not match order.{region})"
    assert code == 1
    assert out[:7] == [
        "FAILED  a test (FILE:1:3)",
        "    kafka",
        "      expected  refused, bad_topic",
        f"      got       {no_match}",
        "    mqtt",
        "      expected  refused, bad_topic",
        f"      got       {no_match}",
    ]


def test_the_order_of_headers_counts_where_it_is_written(tmp_path: Path) -> None:
    given = GIVEN.replace(" } }", " }, headers = { a = 1, b = 2 } }")
    names = ["amqp-exchange", "amqp-routing-key", "b", "a", "tenant"]
    values = ['"orders"', '"order.eu"', "2", "1", '"acme"']
    listed = ", ".join(f'{{ name = "{name}", value = {value} }}' for name, value in zip(names, values, strict=True))
    tabled = ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
    common = 'topic = "orders/ground", properties = { priority = 5, message_id = "acme" }'
    code, out, _ = run(
        tmp_path,
        case(f"expect.mqtt = {{ {common}, headers = {{ {tabled} }} }}", given, "any order"),
        case(f"expect.mqtt = {{ {common}, headers = [{listed}] }}", given, "this order"),
    )
    assert code == 1
    assert out == [
        "ok      any order",
        "FAILED  this order (FILE:6:3)",
        "    mqtt",
        "      headers, in their order",
        '        expected  ["amqp-exchange", "amqp-routing-key", "b", "a", "tenant"]',
        '        got       ["amqp-exchange", "amqp-routing-key", "a", "b", "tenant"]',
        "2 tests: 1 ok, 1 failed",
    ]


def test_of_a_long_value_the_place_of_the_difference_is_shown(tmp_path: Path) -> None:
    body, other = f"{'x' * 200}y{'x' * 200}", f"{'x' * 200}z{'x' * 200}"
    given = (
        f'message = {{ routing_key = "order.eu", body = "{other}", properties = {{ priority = 5, message_id = "m" }} }}'
    )
    _, out, _ = run(tmp_path, case(f'expect.mqtt = {{ topic = "orders/ground", body = "{body}" }}', given))
    assert out[2:5] == [
        "      body",
        f"        expected  …{'x' * 40}y{'x' * 39}…",
        f"        got       …{'x' * 40}z{'x' * 39}…",
    ]


def test_nothing_of_a_test_reaches_the_terminal_as_control(tmp_path: Path) -> None:
    code, out, _ = run(tmp_path, case('expect = "filtered"', GIVEN.replace("5", "1"), "\\u001b[31mred\\nand more"))
    assert (code, out[0]) == (0, "ok      \\x1b[31mred\\nand more")


def test_every_mistake_is_told_of_tests_and_configuration_together(tmp_path: Path) -> None:
    bad = case('expect = "filtered"').replace("route", "rout")
    code, out, err = run(tmp_path, bad, routes=ROUTES.replace("topic = ", "topik = ", 1).replace("> 2", "> ("))
    assert (code, out) == (78, [])
    assert [line.partition(":")[0] for line in err] == ["CONFIG", "CONFIG", "CONFIG", "FILE", "FILE"]
    assert err[-2:] == [
        "FILE:1:3: tests[0]: needs route",
        "FILE:3:1: tests[0].rout: unknown key (did you mean route?)",
    ]


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    code, out, err = fedbridge("test", tmp_path / "none.toml", "-c", tmp_path / "no.toml")
    assert (code, out) == (78, "")
    assert err.splitlines() == [
        f"no configuration at {tmp_path / 'no.toml'}; write one or give -c",
        f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory",
    ]
    assert fedbridge("test")[0] == 2
