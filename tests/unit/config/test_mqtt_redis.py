"""What is wrong with sources and targets of MQTT and Redis, as the operator reads it."""

from pathlib import Path

import pytest

from config import load
from tests.unit.config.configurations import BROKERS, MORE, ROUTE, loads, problems


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("mqtt = {}", "mqtt: needs topics"),
        ("mqtt = { topics = [] }", "mqtt.topics: is an empty list"),
        ("mqtt = { topics = ['a', ''] }", "mqtt.topics[1]: is empty"),
        ("mqtt = { topics = ['a+'] }", "mqtt.topics[0]: + stands for a whole level: alone between slashes"),
        ("mqtt = { topics = ['a/#/b'] }", "mqtt.topics[0]: # stands for all further levels: alone, at the end, after "
         "a slash"),
        ("mqtt = { topics = ['a#'] }", "mqtt.topics[0]: # stands for all further levels: alone, at the end, after a "
         "slash"),
        ("mqtt = { topics = ['$share/g/a'] }", "mqtt.topics[0]: for a shared subscription write share = \"NAME\" and "
         "here the filter alone"),
        ("mqtt = { topics = [\"a\\u0000\"] }", "mqtt.topics[0]: holds the control character U+0000: brokers of "
         "MQTT refuse it"),
        ("mqtt = { topics = [\"a\\n\"] }", "mqtt.topics[0]: holds the control character U+000A: brokers of "
         "MQTT refuse it"),
        ("mqtt = { topics = ['LONG'] }", "mqtt.topics[0]: has 65536 bytes, and MQTT carries at most 65535"),
        ("mqtt = { topics = ['a', 'a'] }", "mqtt: topic filter a is there twice"),
        ("mqtt = { topics = ['a'], qos = 2 }", "mqtt.qos: is 2, not 0 or 1, the qualities of service there are here"),
        ("mqtt = { topics = ['a'], qos = true }", "mqtt.qos: is true, not 0 or 1, the qualities of service there are "
         "here"),
        ("mqtt = { topics = ['a'], share = 'a/b' }", "mqtt.share: the name of a share holds no /, + or #"),
        ("mqtt = { topics = ['a'], share = '' }", "mqtt.share: is empty"),
        ("mqtt = { topics = ['SHORT'], share = 's' }", "mqtt: share and topic filter have 65536 bytes "
         "together, and MQTT carries at most 65535"),
        ("mqtt = { topics = ['a'], client_id = '' }", "mqtt.client_id: is empty"),
        ("mqtt = { topics = ['a'], session_expiry = 60 }", "mqtt.session_expiry: a duration has a unit: \"60s\"?"),
        ("mqtt = { topics = ['a'], session_expiry = '50000d' }", "mqtt.session_expiry: MQTT counts the time of a "
         "session in whole seconds, up to 4294967295"),
        ("mqtt = { topics = ['a'], session_expiry = '500ms' }", "mqtt.session_expiry: MQTT counts the time of a "
         "session in whole seconds, up to 4294967295"),
        ("mqtt = { topics = ['a'], sesion_expiry = '1d' }", "mqtt.sesion_expiry: unknown key (did you mean "
         "session_expiry?)"),
        ("mqtt = { topics = ['a'], broker = 'redis' }", "mqtt.broker: brokers.redis is redis, not mqtt"),
        ("redis = {}", "redis: needs streams"),
        ("redis = { streams = [''] }", "redis.streams[0]: is empty"),
        ("redis = { streams = ['a', 'a'] }", "redis: stream a is there twice"),
        ("redis = { streams = ['a'], start = 'latest' }", 'redis.start: is "latest", not "0" (the beginning), "$" '
         '(the end) or the id of an entry, such as "1700000000000-0"'),
        ("redis = { streams = ['a'], start = '18446744073709551616' }", "redis.start: is \"18446744073709551616\", not "
         '"0" (the beginning), "$" (the end) or the id of an entry, such as "1700000000000-0"'),
        ("redis = { streams = ['a'], no_body = 'jsn' }", 'redis.no_body: is "jsn", not one of json, empty, dead_letter '
         "(did you mean json?)"),
        ("redis = { streams = ['a'], claim_idle = '0s' }", 'redis.claim_idle: is "0s", not above 0'),
        ("redis = { streams = ['a'], consumr = 'c' }", "redis.consumr: unknown key (did you mean consumer?)"),
    ],
)  # fmt: skip
def test_a_source_of_mqtt_or_redis_that_is_wrong(tmp_path: Path, source: str, told: str) -> None:
    source = source.replace("LONG", "x" * 65_536).replace("SHORT", "x" * (65_536 - len("$share/s/")))
    (line,) = problems(tmp_path, f"{MORE}[routes.x]\nfrom.{source}\nto.kafka.topic = 't'\n")
    place, _, text = line.partition(": routes.x.from.")
    assert text == told
    assert place.startswith("FILE:10:")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("mqtt = { topic = '' }", "mqtt.topic: is empty"),
        ("mqtt = { topic = 'a/#' }", "mqtt.topic: a message is published to one topic: + and # are for subscriptions"),
        ("mqtt = { topic = '{message_id}/+' }", "mqtt.topic: a message is published to one topic: + and # are for "
         "subscriptions"),
        ("mqtt = { topic = '{message_id:+}' }", "mqtt.topic: a message is published to one topic: + and # are for "
         "subscriptions"),
        ("mqtt = { topic = '$SYS/{message_id}' }", "mqtt.topic: a topic that begins with $ is the broker's own"),
        ("mqtt = { topic = '{message_id:$x}' }", "mqtt.topic: a topic that begins with $ is the broker's own"),
        ("mqtt = { topic = \"a\\u0000{message_id}\" }", "mqtt.topic: holds the control character U+0000: brokers "
         "of MQTT refuse it"),
        ("mqtt = { topic = \"a{message_id:\\uFFFF}\" }", "mqtt.topic: holds U+FFFF, which is no character: brokers of "
         "MQTT refuse it"),
        ("mqtt = { topic = 'LONG{message_id}x' }", "mqtt.topic: has 65536 bytes, and MQTT carries at most 65535"),
        ("mqtt = { topic = 't', qos = '2' }", 'mqtt.qos: is "2", not 0 or 1, the qualities of service there are here'),
        ("mqtt = { topic = 't', retain = 'maybe' }", 'mqtt.retain: is "maybe", not true or false'),
        ("mqtt = { topic = 't', max_in_flight = 65536 }", "mqtt.max_in_flight: is 65536, not 65535 or less"),
        ("mqtt = { topic = '{key}' }", "mqtt.topic: a message from amqp has no {key}"),
        ("mqtt = [{ topic = 't' }, { topic = 't', name = 'b', reatin = true }]", "mqtt[1].reatin: unknown key "
         "(did you mean retain?)"),
        ("redis = { stream = '' }", "redis.stream: is empty"),
        ("redis = { stream = 's', max_length = 0 }", "redis.max_length: is 0, not 1 or more"),
        ("redis = { stream = 's', max_len = 5 }", "redis.max_len: unknown key (did you mean max_length?)"),
        ("redis = { stream = '{stream}' }", "redis.stream: a message from amqp has no {stream}"),
    ],
)  # fmt: skip
def test_a_target_of_mqtt_or_redis_that_is_wrong(tmp_path: Path, target: str, told: str) -> None:
    target = target.replace("LONG", "x" * 65_535)
    (line,) = problems(tmp_path, f"{MORE}[routes.x]\nfrom.amqp.queue = 'q'\nto.{target}\n")
    place, _, text = line.partition(": routes.x.to.")
    assert text == told
    assert place.startswith("FILE:11:")


FIELDS = {"amqp": "routing_key exchange", "kafka": "topic key", "mqtt": "topic", "redis": "stream key"}
SOURCES = {"amqp": "queue = 'q'", "kafka": "topics = ['s']", "mqtt": "topics = ['s']", "redis": "streams = ['s']"}


@pytest.mark.parametrize("kind", FIELDS)
def test_the_fields_that_messages_of_each_kind_of_source_have(tmp_path: Path, kind: str) -> None:
    every = ("routing_key", "exchange", "topic", "stream", "key", "address", "message_id", "header.h")
    targets = ", ".join(f"{{ name = 't{at}', topic = 'x-{{{field}}}' }}" for at, field in enumerate(every))
    told = problems(tmp_path, f"{MORE}[routes.x]\nfrom.{kind} = {{ {SOURCES[kind]} }}\nto.mqtt = [{targets}]\n")
    lacking = [field for field in every[:5] if field not in FIELDS[kind].split()]
    assert [line.partition("topic: ")[2] for line in told] == [
        f"a message from {kind} has no {{{field}}}" for field in lacking
    ]


def test_a_loop_through_mqtt_or_redis_is_refused_at_its_place(tmp_path: Path) -> None:
    again = "its own source: this route would read again what it writes"
    for source, target, told in (
        ("mqtt = { topics = ['a/#'], share = 'g' }", "mqtt = [{ topic = 'b' }, { name = 'c', topic = 'a/{topic}' }]",
         f"FILE:11:43: routes.x.to.mqtt[1].topic: topic a/a is {again}"),
        ("redis = { streams = ['s'] }", "redis = { max_length = 5, stream = 's' }",
         f"FILE:11:30: routes.x.to.redis.stream: stream s is {again}"),
    ):  # fmt: skip
        assert problems(tmp_path, f"{MORE}[routes.x]\nfrom.{source}\nto.{target}\n") == [told]


@pytest.mark.parametrize("login", ["username = 'u'\npassword = 'p'", "password_file = 'FILE'", "password = 'p'"])
@pytest.mark.parametrize("kind", ["amqp", "mqtt", "redis"])
def test_logins_of_all_but_kafka_are_no_mistakes(tmp_path: Path, kind: str, login: str) -> None:
    (tmp_path / "secret").write_text("p\n")
    login = login.replace("FILE", str(tmp_path / "secret"))
    route = ROUTE.replace("queue = ", "broker = 'rabbit', queue = ")
    broker = loads(tmp_path, f"{BROKERS}[brokers.more]\nurl = '{kind}://localhost:1'\n{login}\n{route}").brokers["more"]
    assert broker.login() == ("u" if "username" in login else None, "p")


def test_a_window_is_no_larger_than_the_packet_identifiers_of_mqtt(tmp_path: Path) -> None:
    route = "[routes.x]\nfrom.mqtt.topics = ['t']\nto.mqtt.topic = 'u'\nwindow.messages = {}\n"
    assert problems(tmp_path, MORE + route.format(65536)) == [
        "FILE:12:8: routes.x.window.messages: is 65536, not 65535 or less"
    ]
    loads(tmp_path, MORE + route.format(65535))


def test_a_quality_of_service_may_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "fedbridge.toml"
    file.write_text(f"{MORE}[routes.x]\nfrom.mqtt.topics = ['t']\nto.mqtt = {{ topic = 'u', qos = '${{QOS}}' }}\n")
    environ = {"FEDBRIDGE_ROUTES__X__FROM__MQTT__QOS": "0", "QOS": "0"}
    route = load(file, environ, tmp_path / "no-secrets").routes["x"]
    assert (route.source.model_dump()["mqtt"]["qos"], route.targets.model_dump()["mqtt"]["qos"]) == (0, 0)
