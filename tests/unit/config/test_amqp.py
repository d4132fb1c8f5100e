"""`from.amqp` and `to.amqp`: which keys go together, and what follows from what is left out."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.amqp import AmqpSinkSettings, AmqpSourceSettings

FANOUT = {"exchange": "e", "exchange_type": "fanout"}
HEADERS = {"exchange": "e", "exchange_type": "headers"}


@pytest.mark.parametrize(
    ("table", "declares"),
    [
        ({"queue": "q"}, False),
        ({"queue": "q", "declare": True}, True),
        (FANOUT, True),
        (FANOUT | {"queue": "q"}, True),
        (FANOUT | {"queue": "q", "declare": False}, False),
        ({"queue": "q", "exclusive": True}, True),
    ],
)
def test_a_queue_alone_is_created_only_if_stated(table: dict[str, Any], declares: bool) -> None:
    assert AmqpSourceSettings.model_validate(table).declares is declares


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        (FANOUT, [""]),
        ({"exchange": "e", "exchange_type": "topic"}, ["#"]),
        ({"exchange": "e", "exchange_type": "topic", "binding_keys": ["a.*", "b.#"]}, ["a.*", "b.#"]),
        ({"exchange": "e", "exchange_type": "direct", "binding_keys": ["a", "b"]}, ["a", "b"]),
        (HEADERS | {"bindings": [{"a": 1}]}, []),
    ],
)
def test_the_binding_keys_follow_from_the_exchange(table: dict[str, Any], keys: list[str]) -> None:
    assert AmqpSourceSettings.model_validate(table).keys == keys


def test_the_values_of_arguments_keep_their_types() -> None:
    values = {"text": "1", "whole": 1, "broken": 1.0, "flag": True}
    table = HEADERS | {"bindings": [values], "arguments": values}
    settings = AmqpSourceSettings.model_validate(table)
    for found in (settings.bindings[0], settings.arguments):
        assert [(name, type(value)) for name, value in found.items()] == [
            ("text", str),
            ("whole", int),
            ("broken", float),
            ("flag", bool),
        ]


def test_names_and_keys_of_255_bytes_are_taken() -> None:
    longest = "ö" * 127 + "x"
    table = FANOUT | {"queue": longest, "exchange": longest, "binding_keys": [longest], "arguments": {longest: 1}}
    settings = AmqpSourceSettings.model_validate(table)
    assert (settings.queue, settings.exchange, settings.keys) == (longest, longest, [longest])


@pytest.mark.parametrize("match", [None, "all", "any", "all-with-x", "any-with-x"])
def test_every_way_to_match_is_taken(match: str | None) -> None:
    binding = {"region": "eu"} | ({} if match is None else {"x-match": match})
    assert AmqpSourceSettings.model_validate(HEADERS | {"bindings": [binding, {"b": 2}]}).bindings[0] == binding


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "needs a queue or an exchange"),
        ({"queue": ""}, "at least 1 character"),
        ({"exchange": "e"}, "needs its exchange_type"),
        ({"exchange": "e", "exchange_type": "x-random"}, "'direct', 'fanout', 'topic' or 'headers'"),
        ({"queue": "q", "exchange_type": "fanout"}, "exchange_type without an exchange"),
        ({"queue": "q", "exchange_durable": False}, "exchange_durable without an exchange"),
        ({"queue": "q", "binding_keys": ["a"]}, "binding_keys without an exchange"),
        ({"queue": "q", "bindings": [{"a": 1}]}, "bindings without an exchange"),
        ({"exchange": "e", "exchange_type": "direct"}, "a direct exchange needs binding_keys"),
        (HEADERS, "a headers exchange needs bindings"),
        (HEADERS | {"bindings": [{"a": 1}], "binding_keys": ["a"]}, "no binding_keys; write bindings"),
        (HEADERS | {"bindings": [{"x-match": "some", "a": 1}]}, "x-match is one of all, any"),
        (HEADERS | {"bindings": [{"a": 1}, {"x-match": 1}]}, "x-match is one of all, any"),
        (HEADERS | {"bindings": [{"a": [1]}]}, "valid"),
        (FANOUT | {"bindings": [{"a": 1}]}, "bindings are for headers exchanges"),
        ({"queue": "q", "exclusive": True, "declare": False}, "always declared: leave out declare"),
        ({"queue": "q", "exclusive": True, "durable": False}, "leave out durable"),
        ({"queue": "q", "exclusive": True, "auto_delete": True}, "leave out auto_delete"),
        ({"queue": "q", "durable": True}, "durable is for a queue that is created; add declare = true"),
        ({"queue": "q", "auto_delete": True}, "auto_delete is for a queue that is created"),
        ({"queue": "q", "arguments": {"x-queue-type": "quorum"}}, "arguments is for a queue that is created"),
        (FANOUT | {"declare": False, "durable": False}, "durable is for a queue that is created"),
        ({"queue": "q", "prefetch": 0}, "greater than or equal to 1"),
        ({"queue": "q", "prefetch": 65536}, "less than or equal to 65535"),
        ({"queue": "q", "prefetch": True}, "not a whole number"),
        ({"queue": "q", "exchnage": "e"}, "not permitted"),
        ({"queue": "q" * 256}, "has 256 bytes, AMQP allows 255"),
        ({"queue": "ö" * 128}, "has 256 bytes, AMQP allows 255"),
        ({"queue": "a\nb"}, "has a line break, which RabbitMQ leaves out"),
        (FANOUT | {"exchange": "ö" * 128}, "has 256 bytes, AMQP allows 255"),
        (FANOUT | {"binding_keys": ["a", "ö" * 128]}, "has 256 bytes, AMQP allows 255"),
        (FANOUT | {"arguments": {"ö" * 128: 1}}, "has 256 bytes, AMQP allows 255"),
        (HEADERS | {"bindings": [{"ö" * 128: 1}]}, "has 256 bytes, AMQP allows 255"),
    ],
)
def test_what_a_source_cannot_be(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AmqpSourceSettings.model_validate(table)


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        ({"x-queue-type": "quorm"}, "x-queue-type", "'classic', 'quorum' or 'stream'"),
        ({"x-queue-type": "stream"}, "x-queue-type", "a stream .* has no acknowledgements; write classic or quorum"),
        ({"x-max-length": "100"}, "x-max-length", "valid integer"),
        ({"x-max-length": True}, "x-max-length", "valid integer"),
        ({"x-max-length": 1.0}, "x-max-length", "valid integer"),
        ({"x-max-length-bytes": -1}, "x-max-length-bytes", "greater than or equal to 0"),
        ({"x-message-ttl": "1s"}, "x-message-ttl", "valid integer"),
        ({"x-expires": 0}, "x-expires", "greater than or equal to 1"),
        ({"x-max-priority": 256}, "x-max-priority", "less than or equal to 255"),
        ({"x-delivery-limit": "3"}, "x-delivery-limit", "valid integer"),
        ({"x-single-active-consumer": "true"}, "x-single-active-consumer", "valid boolean"),
        ({"x-overflow": "drop"}, "x-overflow", "'drop-head', 'reject-publish' or 'reject-publish-dlx'"),
        ({"x-queue-mode": True}, "x-queue-mode", "'default' or 'lazy'"),
        ({"x-dead-letter-exchange": 1}, "x-dead-letter-exchange", "valid string"),
    ],
)
def test_an_argument_that_rabbitmq_would_refuse_is_told_at_its_name(
    arguments: dict[str, Any], name: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        AmqpSourceSettings.model_validate(FANOUT | {"arguments": {"x-mine": "1"} | arguments})
    assert [error["loc"] for error in caught.value.errors()] == [("arguments", name)]


def test_every_argument_that_is_wrong_is_told() -> None:
    wrong = {"x-max-length": "1", "x-expires": 0, "x-overflow": "drop"}
    with pytest.raises(ValidationError) as caught:
        AmqpSourceSettings.model_validate(FANOUT | {"arguments": wrong})
    assert [error["loc"][-1] for error in caught.value.errors()] == list(wrong)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exclusive": True}, "never exclusive"),
        ({"auto_delete": True}, "never auto_delete"),
        ({"durable": False}, "always durable"),
    ],
)
def test_what_a_quorum_queue_cannot_be_is_told_at_its_type(settings: dict[str, Any], words: str) -> None:
    table = FANOUT | {"arguments": {"x-queue-type": "quorum"}}
    AmqpSourceSettings.model_validate(table)
    with pytest.raises(ValidationError, match=words) as caught:
        AmqpSourceSettings.model_validate(table | settings)
    assert [error["loc"] for error in caught.value.errors()] == [("arguments", "x-queue-type")]


def test_the_arguments_that_rabbitmq_takes() -> None:
    arguments = {
        "x-queue-type": "classic", "x-max-length": 0, "x-max-length-bytes": 2**62, "x-message-ttl": 0, "x-expires": 1,
        "x-max-priority": 255, "x-single-active-consumer": True, "x-overflow": "reject-publish-dlx",
        "x-queue-mode": "lazy", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "k", "x-mine": 1.5,
    }  # fmt: skip
    assert AmqpSourceSettings.model_validate(FANOUT | {"arguments": arguments}).arguments == arguments


@pytest.mark.parametrize(
    "table",
    [
        {"exchange": "e"},
        {"exchange": ""},
        {"exchange": "{topic}", "routing_key": "{key}"},
        {"exchange": "e", "exchange_type": "topic", "exchange_durable": False, "persistent": False},
        {"exchange": "ö" * 127, "routing_key": "a\nb"},
    ],
)
def test_a_target(table: dict[str, Any]) -> None:
    assert AmqpSinkSettings.model_validate(table).exchange.text == table["exchange"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "Field required"),
        ({"exchange": "e", "exchange_durable": True}, "needs its exchange_type"),
        ({"exchange": "", "exchange_type": "direct"}, "the default exchange is always there"),
        ({"exchange": "e", "max_in_flight": 0}, "greater than or equal to 1"),
        ({"exchange": "e", "mandatory": True}, "not permitted"),
        ({"exchange": "ö" * 128}, "has 256 bytes, AMQP allows 255"),
        ({"exchange": "e\n"}, "has a line break, which RabbitMQ leaves out"),
        ({"exchange": "x" * 200 + "{header.a}" + "y" * 100}, "has 300 bytes, AMQP allows 255"),
        ({"exchange": "e", "routing_key": "ö" * 128}, "has 256 bytes, AMQP allows 255"),
    ],
)
def test_what_a_target_cannot_be(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AmqpSinkSettings.model_validate(table)
