"""What targets would get of messages, by the real encoders and decoders."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given

from bridge.message import Header, Message, Outcome, Properties, Verdict
from bridge.names import PATH, UID
from bridge.rehearsal import Rehearse
from config.amqp import AmqpSinkSettings
from config.brokers import BrokerSettings
from config.kafka import KafkaSinkSettings
from config.mqtt import MqttSinkSettings
from config.redis import RedisSinkSettings
from connectors.amqp import rehearsal as amqp
from connectors.kafka import rehearsal as kafka
from connectors.mqtt import rehearsal as mqtt
from connectors.redis import rehearsal as redis
from tests.unit.connectors.kafka.messages import messages


def to_amqp(**more: Any) -> Rehearse:
    broker = BrokerSettings.model_validate({"url": "amqp://me:secret@host/"})
    settings = {"exchange": "x", "routing_key": "{header.to:k}", **more}
    return amqp.rehearse(broker, AmqpSinkSettings.model_validate(settings), 8)


def to_kafka(**more: Any) -> Rehearse:
    return kafka.rehearse(KafkaSinkSettings.model_validate({"topic": "{header.to:t}", **more}), 8)


def to_mqtt(**more: Any) -> Rehearse:
    return mqtt.rehearse(MqttSinkSettings.model_validate({"topic": "{header.to:t}", **more}), 8)


def to_redis(**more: Any) -> Rehearse:
    return redis.rehearse(RedisSinkSettings.model_validate({"stream": "{header.to:s}", **more}), 8)


TARGETS: list[Callable[..., Rehearse]] = [to_amqp, to_kafka, to_mqtt, to_redis]
FULL: Properties = {"content_type": "text/plain", "priority": 5, "message_id": "m", "expiration": "1500", "type": "t"}
TYPED: tuple[Header, ...] = (("a", "string", "x"), ("n", "i32", 7), ("list", "i64", 1), ("list", "bool", True))


@pytest.mark.parametrize("target", TARGETS)
@given(message=messages)
def test_every_message_is_one_or_refused_with_a_reason(target: Callable[..., Rehearse], message: Message) -> None:
    found = _rehearsals[target](message)
    if isinstance(found, Outcome):
        assert found.verdict is Verdict.REJECTED
        assert found.reason
    elif target is not to_amqp:
        assert found.body == message.body


_rehearsals = {target: target() for target in TARGETS}


@pytest.mark.parametrize("target", [to_kafka, to_mqtt, to_redis])
def test_body_key_properties_and_typed_headers_are_there(target: Callable[..., Rehearse]) -> None:
    found = target()(Message(b"b", "u", "from", None, b"key", FULL, TYPED))
    assert isinstance(found, Message)
    assert (found.body, found.key, dict(found.properties), list(found.headers)) == (b"b", b"key", FULL, list(TYPED))


def test_amqp_gets_the_properties_it_takes() -> None:
    properties: Properties = {**FULL, "user_id": "me", "timestamp": 1_700_000_000_000}
    found = to_amqp()(Message(b"b" * 200_000, "u", "from", "here", None, properties, TYPED[:2]))
    assert isinstance(found, Message)
    assert (found.exchange, found.address) == ("x", "k")
    assert found.body == b"b" * 200_000, "in several frames"
    assert found.properties == {**properties, "delivery_mode": 2}
    assert list(found.headers) == list(TYPED[:2])


def test_what_settings_say_is_done() -> None:
    message = Message(b"b", "u", properties={"message_id": "m"})
    found = [
        to_amqp(persistent=False)(message),
        to_kafka(key="{message_id}")(message),
        to_mqtt(retain=True, qos=0)(message),
        to_redis(max_length=5)(message),
    ]
    transient, keyed, retained, trimmed = cast("list[Message]", found)
    assert transient.properties.get("delivery_mode") == 1
    assert keyed.key == b"m"
    assert ("mqtt-retain", "bool", True) in retained.headers
    assert trimmed.address == "s"
    assert {each.body for each in cast("list[Message]", found)} == {b"b"}


@pytest.mark.parametrize("target", TARGETS)
def test_identity_and_path_are_those_of_the_message(target: Callable[..., Rehearse]) -> None:
    found = target()(Message(b"", "u-1", path='["b/a"]'))
    assert isinstance(found, Message)
    assert found.uid == "u-1"
    assert {name for name, _, _ in found.headers}.isdisjoint({UID, PATH})


@pytest.mark.parametrize(
    ("rehearse", "to", "reason"),
    [
        (to_amqp(), "x" * 256, "too_large"),
        (to_kafka(), "a/b", "bad_topic"),
        (to_kafka(), "__offsets", "bad_topic"),
        (to_mqtt(), "a/#", "bad_topic"),
        (to_mqtt(), "$SYS/a", "bad_topic"),
        (to_redis(), "", "bad_stream"),
        (to_amqp(routing_key="{message_id}"), "", "missing_field"),
        (to_amqp(exchange="{message_id}"), "", "missing_field"),
        (to_kafka(topic="{message_id}"), "", "missing_field"),
        (to_mqtt(topic="{message_id}"), "", "missing_field"),
        (to_redis(stream="{message_id}"), "", "missing_field"),
    ],
)
def test_what_the_target_forbids_is_refused(rehearse: Rehearse, to: str, reason: str) -> None:
    found = rehearse(Message(b"", "u", headers=(("to", "string", to),)))
    assert isinstance(found, Outcome)
    assert (found.verdict, found.reason) == (Verdict.REJECTED, reason)


@pytest.mark.parametrize("target", TARGETS)
def test_a_message_that_was_in_too_many_places_is_refused(target: Callable[..., Rehearse]) -> None:
    path = "[" + ",".join(f'"b/{number}"' for number in range(9)) + "]"
    found = target()(Message(b"", "u", path=path))
    assert isinstance(found, Outcome)
    assert found.reason == "too_many_hops"


def test_a_key_that_no_bytes_stand_for_is_refused() -> None:
    found = to_kafka(key="{message_id}")(Message(b"", "u", properties={"message_id": "\ud800"}))
    assert isinstance(found, Outcome)
    assert found.reason == "unencodable"
