"""The rules of `map` compiled into a function of a message: rename, remove, default, set, in this order. Pure.

Each stage reads the message as the stage before left it, and gives that very message where it has nothing to change, so
that what nobody has touched goes on as it came. Messages are never written to: what changes is made anew.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, cast

from bridge.errors import Unmappable
from bridge.message import Header, Message, Properties, Type, Value
from bridge.names import OURS
from bridge.templates import lacking, render_bytes, render_text
from bridge.values import text_of
from config.mapping import NUMBERS, Given, MapSettings, Part, read_number
from config.templates import Bond, Template

Rule: TypeAlias = Callable[[Message], Message]
"""Gives the message that is relayed instead of one; raises Unmappable where there is none."""

_Change: TypeAlias = tuple[Part, Any]
"""A part and what it becomes: a property's value, the key, the type and value of a header; None: it is no more."""

_BAD_VALUE: Final = "bad_value"


def compile_rules(settings: MapSettings, bond: Bond | None = None) -> Rule | None:
    """Compile the rules of a route, None if it has none; `bond` is what its templates are told of it.

    The function raises Unmappable: missing_field for a template of `set` whose field the message lacks, bad_value for
    what a property cannot hold, or a new name that is the bridge's own.
    """
    made: list[Rule] = []
    if settings.rename:
        made.append(_renamer([(Part.parse(old), Part.parse(new)) for old, new in settings.rename.items()]))
    if settings.remove:
        made.append(_remover([Part.parse(name) for name in settings.remove]))
    if settings.default:
        made.append(_giver(settings.default, bond, only_missing=True))
    if settings.set:
        made.append(_giver(settings.set, bond, only_missing=False))
    if not made:
        return None
    first, *others = made

    def apply(message: Message) -> Message:
        message = first(message)
        for rule in others:
            message = rule(message)
        return message

    return apply


def captured(pieces: Sequence[str], name: str) -> tuple[str, ...] | None:
    """What the wildcards between pieces of text stand for in a name, each but the last as short as can be; None if it
    does not match. Takes time in proportion to the name for each piece."""
    first, *rest = pieces
    if not rest:
        return () if name == first else None
    *middle, last = rest
    at, end = len(first), len(name) - len(last)
    if at > end or not (name.startswith(first) and name.endswith(last)):
        return None
    found: list[str] = []
    for piece in middle:
        start = name.find(piece, at, end)
        if start < 0:
            return None
        found.append(name[at:start])
        at = start + len(piece)
    return (*found, name[at:end])


# ---- rename


def _renamer(rules: Sequence[tuple[Part, Part]]) -> Rule:
    """All at once: what is renamed has one new name, by the first rule that fits, and is not renamed again.

    A property and the key have room for one value: what finds its new name taken by an earlier rule, or is a void
    header, stays what it is.
    """

    def apply(message: Message) -> Message:
        headers: list[Header] = list(message.headers)
        moved: set[int] = set()
        parts: dict[Part, Any] = {}
        added: list[Header] = []
        for old, new in rules:
            if old.kind == "header":
                _rename_headers(headers, old.pieces, new, moved, parts)
            elif (value := _value(message, old)) is not None and _room(new, parts):
                parts.setdefault(old, None)
                _move(new, *_typed(value), parts, added)
        if not moved and not parts:
            return message
        return _with(message, [*parts.items()], [*filter(_is_there, headers), *added])

    return apply


def _rename_headers(
    headers: list[Any], pieces: Sequence[str], new: Part, moved: set[int], parts: dict[Part, Any]
) -> None:
    """Rename what one rule names, in place; what becomes a property or the key leaves nothing where it was."""
    for position, header in enumerate(headers):
        if position in moved or header[0].startswith(OURS):
            continue
        name, kind, value = header
        captures = captured(pieces, name)
        if captures is None:
            continue
        if new.kind == "header":
            headers[position] = (_filled(new.pieces, captures), kind, value)
        elif value is None or not _room(new, parts):
            continue
        else:
            _move(new, kind, value, parts, [])
            headers[position] = None
        moved.add(position)


def _filled(pieces: Sequence[str], captures: Sequence[str]) -> str:
    name = pieces[0] + "".join(capture + piece for capture, piece in zip(captures, pieces[1:], strict=True))
    if name.startswith(OURS):
        raise Unmappable(f"a header would be renamed to {name!a:.80}, which is the bridge's own", _BAD_VALUE)
    return name


def _is_there(header: object) -> bool:
    return header is not None


def _room(new: Part, parts: dict[Part, Any]) -> bool:
    return new.kind == "header" or parts.get(new) is None


def _move(new: Part, kind: Type, value: Value, parts: dict[Part, Any], added: list[Header]) -> None:
    """Note what a value becomes under its new name."""
    if new.kind == "header":
        added.append((new.name, kind, value))
    elif new.kind == "key":
        parts[new] = _key_of(kind, value)
    else:
        parts[new] = _property_of(new.name, kind, value)


def _value(message: Message, part: Part) -> Any:
    return message.key if part.kind == "key" else message.properties.get(part.name)


def _typed(value: Any) -> tuple[Type, Value]:
    """The type and value, as a header, of a property or a key."""
    if isinstance(value, int):
        return "i64", value
    return _text(value) if isinstance(value, str) else _text(value.decode("utf-8", "surrogateescape"))


def _text(text: str) -> tuple[Type, Value]:
    """A string; bytes where it is not UTF-8, as headers have it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "string", text.encode("utf-8", "surrogateescape")
    return "string", text


def _key_of(kind: Type, value: Value) -> bytes:
    return value if isinstance(value, bytes) else text_of(kind, value).encode("utf-8", "surrogateescape")


def _property_of(name: str, kind: Type, value: Value) -> str | int:
    if name not in NUMBERS:
        return text_of(kind, value)
    if name == "timestamp" and kind == "timestamp":
        return _number(name, str(cast("int", value) * 1000))
    return _number(name, text_of(kind, value))


def _number(name: str, text: str) -> int:
    try:
        return read_number(name, text)
    except ValueError as error:
        raise Unmappable(f"{name} would be {text!a:.80}, {error}", _BAD_VALUE) from None


# ---- remove


def _remover(parts: Sequence[Part]) -> Rule:
    plain = frozenset(part.name for part in parts if part.kind == "header" and "*" not in part.name)
    wild = [part.pieces for part in parts if part.kind == "header" and "*" in part.name]
    others = [part for part in parts if part.kind != "header"]

    def stays(header: Header) -> bool:
        name = header[0]
        if name in plain:
            return False
        return name.startswith(OURS) or all(captured(pieces, name) is None for pieces in wild)

    def apply(message: Message) -> Message:
        gone = [(part, None) for part in others if _value(message, part) is not None]
        kept = list(filter(stays, message.headers)) if plain or wild else message.headers
        if len(kept) == len(message.headers):
            return _with(message, gone) if gone else message
        return _with(message, gone, kept)

    return apply


# ---- default and set


class _Gift(NamedTuple):
    """What a rule gives to a part: `read` finds it for a message, None if the message lacks what it is made of."""

    part: Part
    read: Callable[[Message], Any]
    template: Template | None


def _giver(given: dict[str, Given], bond: Bond | None, *, only_missing: bool) -> Rule:
    gifts = [_gift(Part.parse(name), value, bond) for name, value in given.items()]
    of_headers = any(gift.part.kind == "header" for gift in gifts)

    def apply(message: Message) -> Message:
        if only_missing:
            names = {name for name, _, _ in message.headers} if of_headers else set()
            wanted = [gift for gift in gifts if _is_missing(message, gift.part, names)]
            changes = [change for change in _given(message, wanted) if change[1] is not None]
        else:
            changes = list(_required(message, gifts))
        return _with(message, changes, _replaced(message.headers, changes)) if changes else message

    return apply


def _gift(part: Part, given: Given, bond: Bond | None) -> _Gift:
    if not isinstance(given, str):
        value: Any = given
        if part.kind == "header":
            value = ("bool" if isinstance(given, bool) else "i64" if isinstance(given, int) else "f64", given)
        return _Gift(part, lambda _: value, None)
    template = Template.parse(given)
    if bond is not None:
        template = template.bound(bond)
    if part.kind == "key":
        return _Gift(part, render_bytes(template), template)
    text = render_text(template)
    if part.kind == "header":
        return _Gift(part, lambda message: None if (found := text(message)) is None else _text(found), template)
    if part.name in NUMBERS:
        return _Gift(
            part, lambda message: None if (found := text(message)) is None else _number(part.name, found), template
        )
    return _Gift(part, text, template)


def _is_missing(message: Message, part: Part, names: set[str]) -> bool:
    return part.name not in names if part.kind == "header" else _value(message, part) is None


def _given(message: Message, gifts: Sequence[_Gift]) -> Iterator[_Change]:
    for gift in gifts:
        yield gift.part, gift.read(message)


def _required(message: Message, gifts: Sequence[_Gift]) -> Iterator[_Change]:
    for part, read, template in gifts:
        value = read(message)
        if value is None and template is not None:
            raise Unmappable(f"for {part.name}, {lacking(template, message)}", "missing_field")
        yield part, value


def _replaced(headers: Sequence[Header], changes: Sequence[_Change]) -> list[Header] | None:
    """The headers with those that are given behind the others, each once; None if none is given."""
    given = {part.name: value for part, value in changes if part.kind == "header"}
    if not given:
        return None
    return [
        *(header for header in headers if header[0] not in given),
        *((name, *value) for name, value in given.items()),
    ]


def _with(message: Message, changes: Sequence[_Change], headers: Sequence[Header] | None = None) -> Message:
    """The message with other properties and another key, and with `headers` if they are given."""
    new: dict[str, Any] = {}
    if headers is not None:
        new["headers"] = tuple(headers)
    of_properties = {part.name: value for part, value in changes if part.kind == "property"}
    if of_properties:
        properties = {**message.properties, **of_properties}
        new["properties"] = cast("Properties", {name: value for name, value in properties.items() if value is not None})
    for part, value in changes:
        if part.kind == "key":
            new["key"] = value
    return message._replace(**new)
