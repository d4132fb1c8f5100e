"""Settings from the environment and from secret files."""

from pathlib import Path

import pytest

from config import ConfigError, Settings, load

TOML = """\
[brokers.rabbit]
url = "amqp://localhost"
[brokers.kafka]
url = "kafka://localhost"
[routes.product-updates]
enabled = true
from.amqp = { exchange = "e", exchange_type = "topic", binding_keys = ["a", "b"] }
to.kafka = { topic = "t" }
[routes.two]
from.amqp.queue = "q"
to.kafka = [{ topic = "t" }, { name = "other", topic = "t" }]
"""
PREFIX = "FEDBRIDGE_ROUTES__PRODUCT_UPDATES__"


def loaded(tmp_path: Path, environ: dict[str, str], secrets: dict[str, str | bytes] | None = None) -> Settings:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, content in (secrets or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    file = tmp_path / "fedbridge.toml"
    file.write_text(TOML)
    return load(file, {"CREDENTIALS_DIRECTORY": str(folder)} | environ)


def problems(tmp_path: Path, environ: dict[str, str], secrets: dict[str, str | bytes] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, environ, secrets)
    return [str(problem).replace(str(tmp_path), "DIR") for problem in caught.value.problems]


def test_every_kind_of_value_comes_from_the_environment(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        {
            PREFIX + "ENABLED": "false",
            PREFIX + "WINDOW__MESSAGES": "10",
            PREFIX + "WINDOW__BYTES": "1MiB",
            PREFIX + "RETRY": '{"refusals": 2, "initial": "1s"}',
            PREFIX + "FROM__AMQP__BINDING_KEYS": '["x.*", "y"]',
            PREFIX + "TO__KAFKA__KEY": "{message_id}",
            "FEDBRIDGE_ROUTES__TWO__TO__KAFKA__OTHER__TOPIC": "changed",
            "FEDBRIDGE_ROUTES__TWO__TO__KAFKA__KAFKA__CREATE": "true",
            "FEDBRIDGE_BROKERS__RABBIT__URL": '["amqp://a", "amqp://b"]',
            "FEDBRIDGE_BROKERS__RABBIT__PASSWORD": '["$${no reference}"]',
            "FEDBRIDGE_BROKERS__RABBIT__HEARTBEAT": "3s",
            "FEDBRIDGE_BRIDGE__NAME": "shop",
        },
    )
    route = settings.routes["product-updates"]
    assert (route.enabled, route.window.messages, route.window.bytes) == (False, 10, 1 << 20)
    assert (route.retry.refusals, route.retry.initial) == (2, 1.0)
    assert route.source.model_dump()["amqp"]["binding_keys"] == ["x.*", "y"]
    assert route.targets.settings[0].model_dump()["key"] == "{message_id}"
    assert [target.model_dump()["topic"] for target in settings.routes["two"].targets.settings] == ["t", "changed"]
    assert [target.model_dump()["create"] for target in settings.routes["two"].targets.settings] == [True, False]
    assert settings.brokers["rabbit"].shown == "amqp://a:5672/, amqp://b:5672/"
    assert settings.brokers["rabbit"].login() == (None, '["$${no reference}"]')
    assert (settings.brokers["rabbit"].heartbeat, settings.bridge.name) == (3.0, "shop")


def test_the_arguments_of_a_queue_come_from_the_environment(tmp_path: Path) -> None:
    new = "FEDBRIDGE_ROUTES__NEW__"
    source = '{"queue": "q", "declare": true, "arguments": {"x-max-length": 1, "x-single-active-consumer": true}}'
    settings = loaded(
        tmp_path,
        {
            new + "FROM__AMQP": source,
            new + "FROM__AMQP__DECLARE": "yes",
            new + "FROM__AMQP__ARGUMENTS__X_MAX_LENGTH": "100",
            new + "FROM__AMQP__ARGUMENTS__X_SINGLE_ACTIVE_CONSUMER": "false",
            new + "FROM__AMQP__ARGUMENTS__X_MINE": "5",
            new + "TO__KAFKA__TOPIC": "t",
        },
    )
    assert settings.routes["new"].source.model_dump()["amqp"]["arguments"] == {
        "x-max-length": 100,
        "x-single-active-consumer": False,
        "x_mine": "5",
    }


def test_a_whole_route_may_come_from_the_environment(tmp_path: Path) -> None:
    new = "FEDBRIDGE_ROUTES__NEW__"
    settings = loaded(tmp_path, {new + "FROM__AMQP__QUEUE": "q", new + "TO__KAFKA__TOPIC": "t"})
    assert settings.routes["new"].source.model_dump()["amqp"]["queue"] == "q"


def test_an_exact_name_is_preferred_to_one_that_differs_in_a_dash(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(TOML + '[routes.product_updates]\nfrom.amqp.queue = "q"\nto.kafka.topic = "t"\n')
    settings = load(file, {PREFIX + "ENABLED": "false"})
    assert [route.enabled for route in settings.routes.values()] == [True, True, False]


def test_other_variables_are_not_settings(tmp_path: Path) -> None:
    loaded(tmp_path, {"FEDBRIDGE_CONFIG": "x", "FEDBRIDGE_DEBUG": "1", "FEDBRIDGE_TEST_AMQP_URL": "x",
                      "FEDBRIDGE_TEST_X__Y": "x", "OTHER__X": "1"})  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("ROUTS__X", "1", "$FEDBRIDGE_ROUTS__X: routs: unknown key (did you mean routes?)"),
        ("ROUTES__TWO__WINDOW__MESSAGES", "many", "$FEDBRIDGE_ROUTES__TWO__WINDOW__MESSAGES: "
         'routes.two.window.messages: is "many", not a whole number'),
        ("ROUTES__TWO__ENABLED", "maybe", "$FEDBRIDGE_ROUTES__TWO__ENABLED: routes.two.enabled: "
         'is "maybe", not true or false'),
        ("ROUTES__TWO__FROM__AMQP__BINDING_KEYS", "a,b", "$FEDBRIDGE_ROUTES__TWO__FROM__AMQP__BINDING_KEYS: "
         'routes.two.from.amqp.binding_keys: is "a,b", not a list'),
        ("ROUTES__TWO__FROM__AMQP__BINDING_KEYS", "[a", "$FEDBRIDGE_ROUTES__TWO__FROM__AMQP__BINDING_KEYS: "
         'routes.two.from.amqp.binding_keys: is "[a", not a list'),
        ("ROUTES__TWO__RETRY", '{"refusal": 1}', "$FEDBRIDGE_ROUTES__TWO__RETRY: routes.two.retry.refusal: "
         "unknown key (did you mean refusals?)"),
        ("BROKERS__NEW__PASSWORD", "SECRET", "$FEDBRIDGE_BROKERS__NEW__PASSWORD: brokers.new: needs url"),
        ("BROKERS__RABBIT", '{"url": "SECRET"', "$FEDBRIDGE_BROKERS__RABBIT: brokers.rabbit: is not a table"),
        ("ROUTES__TWO__FROM__AMQP__QUEUE__X", "1", "$FEDBRIDGE_ROUTES__TWO__FROM__AMQP__QUEUE__X: "
         "routes.two.from.amqp.queue.x: routes.two.from.amqp.queue is a single value"),
        ("ROUTES__TWO__TO__KAFKA__THIRD__TOPIC", "x", "$FEDBRIDGE_ROUTES__TWO__TO__KAFKA__THIRD__TOPIC: "
         "routes.two.to.kafka.third.topic: none of routes.two.to.kafka is named third"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, told: str) -> None:
    assert problems(tmp_path, {f"FEDBRIDGE_{variable}": value}) == [told]


def test_what_is_missing_in_a_table_of_the_file_is_told_there(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text("[routes.x]\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {"FEDBRIDGE_ROUTES__X__WINDOW__MESSAGES": "1"})
    assert {problem.where for problem in caught.value.problems} == {f"{file}:1:9"}


def test_secrets_in_files_and_in_folders(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        {"FEDBRIDGE_BROKERS__RABBIT__USERNAME": "from-environment"},
        {
            "brokers__rabbit__password": " spaces stay \n",
            "brokers/rabbit/username": "from-file",
            "ROUTES__PRODUCT_UPDATES/to/kafka__topic": "secret-topic",
            "keystore.p12": b"\xff\xfe",
            "log": b"\xff",
            "kubernetes.io/serviceaccount/token": "x",
            "brokers__rabbit__keystore": b"\xff",
            "..data/log__level": "debug",
        },
    )
    assert settings.brokers["rabbit"].login() == ("from-environment", " spaces stay ")
    assert settings.routes["product-updates"].targets.settings[0].model_dump()["topic"] == "secret-topic"
    assert settings.log.level == "info"


def test_a_secret_that_is_wrong_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, {"log__level": "loud"}) == [
        'DIR/secrets/log__level: log.level: is "loud", not one of debug, info, warning, error'
    ]


def test_a_secret_that_is_not_text_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, {"brokers__rabbit__password": b"\xff"}) == [
        "DIR/secrets/brokers__rabbit__password: brokers.rabbit.password: is not UTF-8 text"
    ]


def test_folders_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("brokers", "routes", "log"):
        (folder / name).symlink_to(folder)
    (folder / "log__level").write_text("debug")
    file = tmp_path / "fedbridge.toml"
    file.write_text(TOML)
    assert load(file, {}, folder).log.level == "debug"
