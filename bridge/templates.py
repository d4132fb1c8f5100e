"""Templates compiled into functions of a message; on the hot path, so each does only what its template needs.

A template that is made of the address alone is worked out once for each address.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bridge.addresses import guarded, matching, remembering, segments, within
from bridge.message import Message
from bridge.values import rfc3339, text_of
from config.templates import Bond, Template, TemplateField

Text = Callable[[Message], str | None]
"""Gives a text from a message, or None when the message lacks what it is made of."""

Bytes = Callable[[Message], bytes | None]
"""Gives bytes from a message, or None when the message lacks what they are made of."""

_Compile = Callable[[TemplateField], Text]
_T = TypeVar("_T")


def render_text(template: Template) -> Text:
    """Compile a template; the function gives None when a field without a default is missing, and never raises.

    A key or header that is not UTF-8 comes with surrogate escapes. A void header counts as missing; of a header that is
    there several times the first counts. Segments of the address are escaped as the target's kind demands; an address
    that the source's `match` does not match has none.
    """
    fields, bond = template.fields, template.bond
    segments_of = _segments(bond)
    if bond is None or not any(field.of_address for field in fields):
        return _joined(template.parts, segments_of)
    alone = all(field.of_address for field in fields)
    render = _joined(template.parts, segments_of if alone else lambda field: _by_address(segments_of(field)))
    if isinstance(first := template.parts[0], TemplateField) and first.of_address:
        render = _guarded(render, bond)
    return _by_address(render) if alone else render


def _joined(parts: Sequence[str | TemplateField], segments_of: _Compile) -> Text:
    if all(isinstance(part, str) for part in parts):
        return _constant("".join(map(str, parts)))
    readers = [part if isinstance(part, str) else _field(part, segments_of) for part in parts]
    if len(readers) == 1 and not isinstance(readers[0], str):
        return readers[0]

    def render(message: Message) -> str | None:
        texts: list[str] = []
        for reader in readers:
            text = reader if isinstance(reader, str) else reader(message)
            if text is None:
                return None
            texts.append(text)
        return "".join(texts)

    return render


def render_bytes(template: Template) -> Bytes:
    """Compile a template into UTF-8; like `render_text`, and `{key}` alone gives the key's bytes untouched."""
    if not template.fields:
        return _constant("".join(map(str, template.parts)).encode())
    if len(template.parts) == 1 and template.fields[0].name == "key":
        return _key(template.fields[0].default)
    text_of_message = render_text(template)

    def render(message: Message) -> bytes | None:
        text = text_of_message(message)
        return None if text is None else text.encode("utf-8", "surrogateescape")

    return render


def lacking(template: Template, message: Message) -> str:
    """Say for a person what a message lacks that a template gives nothing without, and what helps."""
    segments_of = _segments(template.bond)
    fields = [field for field in template.fields if _field(field, segments_of)(message) is None]
    names = " and ".join(f"{{{field}}}" for field in fields)
    return f"the message lacks {names}, which {template.text!r} needs; a default helps, as in {{{fields[0]}:none}}"


def _constant(value: _T) -> Callable[[Message], _T]:
    return lambda message: value


def _key(default: str | None) -> Bytes:
    if default is None:
        return lambda message: message.key
    fallback = default.encode()
    return lambda message: fallback if message.key is None else message.key


def _guarded(render: Text, bond: Bond) -> Text:
    """See to it that what begins with a part of the address begins as names of the target's kind may."""

    def render_guarded(message: Message) -> str | None:
        text = render(message)
        return None if text is None else guarded(text, bond.target)

    return render_guarded


def _by_address(render: Text) -> Text:
    recall = remembering(lambda address: render(Message(None, "", address)))
    return lambda message: recall(message.address)


def _segments(bond: Bond | None) -> _Compile:
    """Make what compiles the fields that are made of segments of the address; they share what `match` takes of it."""
    match = None if bond is None or bond.match is None else remembering(matching(bond.match))

    def compiled(field: TemplateField) -> Text:
        if bond is not None and not field.captured:
            return lambda message: within(segments(message.address, bond.source), bond.target)
        if bond is None or match is None:
            raise ValueError(f"no template field is named {field}")

        def read(message: Message) -> str | None:
            captures = match(message.address)
            return None if captures is None else within(captures[field.name], bond.target)

        return read

    return compiled


def _field(field: TemplateField, segments_of: _Compile) -> Text:
    if field.of_address:
        return segments_of(field)
    read = _reader(field)
    default = field.default
    if default is None:
        return read

    def with_default(message: Message) -> str | None:
        text = read(message)
        return default if text is None else text

    return with_default


def _reader(field: TemplateField) -> Text:  # noqa: PLR0911 - one return for each field of the grammar
    match field.name:
        case "routing_key" | "topic" | "stream" | "address":
            return lambda message: message.address
        case "exchange":
            return lambda message: message.exchange
        case "key":
            return lambda message: None if message.key is None else message.key.decode("utf-8", "surrogateescape")
        case "message_id":
            return lambda message: message.properties.get("message_id")
        case "correlation_id":
            return lambda message: message.properties.get("correlation_id")
        case "reply_to":
            return lambda message: message.properties.get("reply_to")
        case "content_type":
            return lambda message: message.properties.get("content_type")
        case "timestamp":
            return _timestamp
        case "header":
            return _header(field.header or "")
        case name:
            raise ValueError(f"no template field is named {name}")


def _timestamp(message: Message) -> str | None:
    milliseconds = message.properties.get("timestamp")
    return None if milliseconds is None else rfc3339(milliseconds, 1000)


def _header(wanted: str) -> Text:
    def read(message: Message) -> str | None:
        for name, kind, value in message.headers:
            if name == wanted:
                return None if value is None else value if isinstance(value, str) else text_of(kind, value)
        return None

    return read
