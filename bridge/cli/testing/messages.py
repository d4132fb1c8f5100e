"""Messages as tests write them: out of a test, and field by field in TOML. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from bridge.message import Header, Message, Properties
from bridge.names import PATH, UID
from config.cases import ADDRESS, CaseMessage, CaseProperties
from config.toml import bare_or_quoted, inline
from config.values import Kind
from config.written import written_bytes, written_headers, written_text, written_value

_OURS = (UID, PATH)
"""Headers that nobody compares."""


def message_of(written: CaseMessage, kind: Kind, exchange: str = "") -> Message:
    """Make the message that a test has written, from or to a broker of that kind; `exchange` is used if it has none."""
    properties = written.properties.model_dump(exclude_none=True)
    return Message(
        written.body,
        written.uid,
        written.place or "",
        (exchange if written.exchange is None else written.exchange) if kind == "amqp" else None,
        written.key,
        cast("Properties", properties),
        cast("Sequence[Header]", written.headers.items),
    )


def table_of(message: Message, kind: Kind) -> dict[str, Any]:
    """Write a message as a test does, but for its identity and path, which are not compared."""
    table: dict[str, Any] = {}
    if kind == "amqp":
        table["exchange"] = written_text(message.exchange or "")
    table[ADDRESS[kind][-1]] = written_text(message.address)
    if message.key is not None:
        table["key"] = written_bytes(message.key)
    table["body"] = {"none": True} if message.body is None else written_bytes(message.body)
    if properties := cast("Mapping[str, Any]", message.properties):
        table["properties"] = {
            name: written_text(value) if isinstance(value, str) else value
            for name in CaseProperties.model_fields
            if (value := properties.get(name)) is not None
        }
    if headers := _own(message):
        table["headers"] = written_headers(headers)
    return table


def fields_of(message: Message, kind: Kind) -> Mapping[str, str]:
    """Give the parts of a message by their names, each as TOML: what two messages differ in is seen in these."""
    return dict(_fields(message, kind))


def header_names(message: Message) -> list[str]:
    """Give the names of the headers in their order, repeats included."""
    return [name for name, _, _ in _own(message)]


def _fields(message: Message, kind: Kind) -> Iterator[tuple[str, str]]:
    for name, value in table_of(message, kind).items():
        if name == "properties":
            yield from ((f"properties.{inner}", inline(each)) for inner, each in value.items())
        elif name != "headers":
            yield name, inline(value)
    values: dict[str, list[Any]] = {}
    for name, type_, value in _own(message):
        values.setdefault(name, []).append(written_value(type_, value))
    for name, each in values.items():
        yield f"headers.{_shown(name)}", inline(each[0] if len(each) == 1 else each)


def _shown(name: str) -> str:
    text = written_text(name)
    return bare_or_quoted(text) if isinstance(text, str) else inline(text)


def _own(message: Message) -> list[Header]:
    return [header for header in message.headers if header[0] not in _OURS]
