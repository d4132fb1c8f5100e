"""Messages as tests of routes write them: what is written of one is that message again."""

import tomllib
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.testing.messages import fields_of, message_of, table_of
from bridge.message import Header, Message
from bridge.names import PATH, UID
from config.cases import CaseMessage
from config.toml import inline
from config.values import Kind
from tests.unit.connectors.kafka.messages import messages

KINDS: Sequence[Kind] = ("amqp", "kafka", "mqtt", "redis")


def read(text: str, kind: Kind) -> Message:
    return message_of(CaseMessage.model_validate(tomllib.loads(f"message = {text}")["message"]), kind)


@given(messages, st.sampled_from(KINDS), st.none() | st.binary())
def test_a_message_is_read_as_it_was_written(message: Message, kind: Kind, key: bytes | None) -> None:
    comparable = message._replace(
        uid="test",
        path="",
        key=key,
        exchange=(message.exchange or "") if kind == "amqp" else None,
        headers=[_plain(header) for header in message.headers if header[0] not in (UID, PATH)],
    )
    again = read(inline(table_of(comparable, kind)), kind)
    again = again._replace(headers=[_plain(header) for header in again.headers])
    assert repr(again._replace(properties={})) == repr(comparable._replace(properties={}))
    assert again.properties == comparable.properties
    assert fields_of(again, kind) == fields_of(comparable, kind)


def test_what_differs_in_type_differs_in_its_field() -> None:
    one = Message(b"", "u", headers=(("a", "i64", 1), ("b", "f64", 1.0), ("c", "string", "x"), ("d", "void", None)))
    other = Message(None, "v", headers=(("a", "u8", 1), ("b", "i64", 1), ("c", "bytes", b"x"), ("d", "string", "")))
    first, second = fields_of(one, "kafka"), fields_of(other, "kafka")
    assert [name for name in first if first[name] != second[name]] == [
        "body", "headers.a", "headers.b", "headers.c", "headers.d",
    ]  # fmt: skip


def test_identity_and_path_are_no_fields() -> None:
    message = Message(b"", "u", headers=((UID, "string", "u"), ("x y", "string", "z")), path='["a"]')
    assert dict(fields_of(message, "redis")) == {"stream": '""', "body": '""', 'headers."x y"': '"z"'}


def _plain(header: Header) -> Header:
    """Strings as decoders give them, bytes only where they are not UTF-8."""
    name, kind, value = header
    return name, kind, _value(kind, value)


def _value(kind: str, value: Any) -> Any:
    if kind == "string":
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    if kind == "array":
        return tuple((inner, _value(inner, item)) for inner, item in value)
    if kind == "table":
        return tuple((name, inner, _value(inner, item)) for name, inner, item in value)
    return value
