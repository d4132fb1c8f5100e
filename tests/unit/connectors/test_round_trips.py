"""From one system through another and back: what comes home is what left, in every property and every type."""

import math

import pytest
from hypothesis import example, given, settings

from bridge.message import Header, Message, Type, Value
from connectors.kafka.codec import Encoder
from tests.unit.connectors.carriers import CARRIERS, Carrier
from tests.unit.connectors.genera import messages
from tests.unit.connectors.kafka.messages import decoded

UID = b"kafka:c/t/0/7@1700000000123"
amqp, kafka = CARRIERS["amqp"], CARRIERS["kafka"]


def crossed(message: Message) -> str:
    """All that crosses of a message, by its text, in which nan is nan."""
    properties = sorted(message.properties.items())
    return repr((message.body, message.uid, message.key, properties, tuple(message.headers)))


def of(*headers: Header, key: bytes | None = None, body: bytes | None = b"", **properties: object) -> Message:
    """A message by AMQP."""
    return Message(body, "u", "key", "ex", key, {"delivery_mode": 2, **properties}, headers)  # type: ignore[typeddict-item]


def deep(levels: int) -> Value:
    """Arrays in arrays with something in the innermost that JSON cannot tell."""
    value: Value = (("i8", 1),)
    for _ in range(levels - 1):
        value = (("array", value),)
    return value


@pytest.mark.parametrize("other", CARRIERS.values(), ids=CARRIERS)
@settings(max_examples=200)
@given(message=messages)
@example(message=of(("content-type", "string", "x"), ("amqp-priority", "i8", 1), ("amqp-priority", "string", "2")))
@example(message=of(("content-type", "void", None), content_type="y"))
@example(message=of(("amqp-message-id", "string", "x"), message_id="\udcff"))
@example(message=of(("amqp-exchange", "string", "x"), ("amqp-user-id", "string", "y"), ("amqp-user-id", "i8", 1)))
@example(message=of(("mqtt-retain", "bool", False), ("mqtt-response-topic", "string", b"\xff"), ("h:", "void", None)))
@example(message=of(("a", "string", "1"), ("b", "i8", 1), ("a", "i8", 1)))
@example(message=of(("a", "array", (("f32", 1.5), ("string", b"\xff"), ("string", "nan")))))
@example(message=of(("a", "array", deep(31))))
@example(message=of(timestamp=1_700_000_000_123))
@example(message=of(timestamp=((1 << 64) - 1) * 1000))
def test_from_amqp_and_back(message: Message, other: Carrier) -> None:
    assert crossed(amqp(other(message))) == crossed(amqp(message))


@pytest.mark.parametrize("source", CARRIERS.values(), ids=CARRIERS)
@pytest.mark.parametrize("other", CARRIERS.values(), ids=CARRIERS)
@settings(max_examples=50)
@given(message=messages)
@example(message=of(key=b"k"))
@example(message=of(key=b"\xff\0"))
@example(message=of(key=b"", body=None))
@example(message=of(("a", "void", None), ("a", "string", "1"), ("b", "bytes", b"\xff"), ("a", "string", "2"), key=b"k"))
@example(message=of(timestamp=1_700_000_000_123, key=b"k", body=None))
@example(message=of(priority=300, user_id="somebody", reply_to="amq.rabbitmq.reply-to", message_id="x" * 256))
def test_between_any_two(message: Message, source: Carrier, other: Carrier) -> None:
    """What a source gives, taken there once before: without places of AMQP, which are headers elsewhere."""
    first = source(message._replace(exchange=None, address=""))._replace(exchange=None, address="")
    back = source(other(first)._replace(exchange=None, address=""))
    assert crossed(back) == crossed(first)


@pytest.mark.parametrize("name", ["kafka", "mqtt", "redis"])
@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite(name: str, kind: Type, number: float) -> None:
    message = of(("a", kind, number), ("b", "table", (("c", kind, number), ("d", "array", ((kind, number),)))))
    assert repr(CARRIERS[name](message._replace(exchange=None)).headers) in {
        repr(message.headers),
        repr([*message.headers]),
    }
    text = str(number)
    inside: Value = (("c", "string", text), ("d", "array", (("string", text),)))
    assert amqp(message).headers == (("a", "string", text), ("b", "table", inside))


def test_a_record_that_went_through_amqp_is_what_it_was() -> None:
    given = [("b", b"1"), ("a", b"\xff"), ("b", None), ("c", b"2"), ("a", b"3")]
    headers: tuple[Header, ...] = tuple(kafka(Message(b"", "u")).headers)
    assert headers == ()
    sent = kafka_message(given, key=b"\xff", timestamp=1_700_000_000_123)
    record = Encoder().record(amqp(sent)._replace(exchange=None), amqp(sent).key)
    assert (record.key, record.value, record.timestamp) == (b"\xff", None, 1_700_000_000_123)
    said = [("amqp-delivery-mode", b"2"), ("amqp-timestamp", b"1700000000123")]
    assert record.headers == [*said, *given, ("fedbridge-uid", UID)]


def kafka_message(given: list[tuple[str, bytes | None]], key: bytes, timestamp: int) -> Message:
    """A tombstone with a uid that is read from a record."""
    return decoded([*given, ("fedbridge-uid", UID)], key=key, value=None, timestamp=timestamp)
