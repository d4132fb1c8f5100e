"""Whether a route may read what another one writes, as far as the settings tell: for `cycles` and `reversals`. Pure.

It is worked out what the writer makes of the addresses that its own source asks for and matches, and then asked whether
any of that is among those which the reader asks for and matches. What nobody knows - a header, the bindings of a queue
that is named alone, all topics of a pattern - may be anything; so yes is a `may`. No is sure but for exchanges that are
bound to exchanges, and brokers of which the file does not tell that they are one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.addresses import joined, segments
from bridge.cli.ways import Form, Way, asked, bind, reads
from config import Settings
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.bonds import ADDRESSES
from config.loops import same_broker
from config.names import Names
from config.patterns import SEPARATORS, Capture, divided
from config.templates import TemplateField
from config.values import Kind

_ANY: Final = Capture("", several=True)
_WHOLE: Final = ""  # the name of the whole address, among those of captures

_Parts = Sequence[str | TemplateField]


def face(way: Way, back: Way, settings: Settings) -> bool:
    """Whether each of two routes may read what the other writes."""
    return feeds(way, back, settings) and feeds(back, way, settings)


def feeds(way: Way, reader: Way, settings: Settings) -> bool:
    """Whether the reader's source may read what a route writes to a target."""
    source, target = reader.source, way.target
    if source.kind != target.kind or not same_broker(
        settings.broker(source.broker, source.kind), settings.broker(target.broker, target.kind)
    ):
        return False
    if isinstance(source, AmqpSourceSettings) and isinstance(target, AmqpSinkSettings):
        own = Names(settings.bridge.name, reader.route, settings.bridge.instance).group
        return _amqp_feeds(way, target, reader, source.queue or own)
    return any(_meet(way, written, reader) for written in _written(way))


def meets(one: Form, other: Form) -> bool:
    """Whether an address may be of both forms."""
    if not one or not other:
        return not one and not other
    if isinstance(one[0], str) and isinstance(other[0], str) and one[0] != other[0]:
        return False
    return (
        meets(one[1:], other[1:])
        or (_is_several(one[0]) and meets(one, other[1:]))
        or (_is_several(other[0]) and meets(one[1:], other))
    )


def _amqp_feeds(way: Way, target: AmqpSinkSettings, reader: Way, queue: str) -> bool:
    """Whether it comes into the queue by the default exchange, or by what is bound to the queue."""
    source = reader.source
    own = source.exchange if isinstance(source, AmqpSourceSettings) else None
    came = way.source.exchange if isinstance(way.source, AmqpSourceSettings) else None
    through = [came if came is not None and _names(part, "exchange") else part for part in target.exchange.parts]
    written = [form for form in _written(way) if meets(form, reader.matched)]
    name = segments(queue, "amqp")
    if _may_give(through, "") and _may_be(way, queue) and any(meets(form, name) for form in written):
        return True
    if own is None:
        return target.exchange.fixed != "" and bool(written)
    return _may_give(through, own) and any(_meet(way, form, reader) for form in written)


def _meet(way: Way, written: Form, reader: Way) -> bool:
    """Whether the reader may be given an address of a form, and match it."""
    if not meets(written, reader.matched):
        return False
    kind = reader.source.kind
    if (name := _name(written, kind)) is not None:
        return reads(reader.source, name)
    return any(
        meets(written, form) and ((name := _name(form, kind)) is None or _may_be(way, name))
        for form in asked(reader.source)
    )


def _written(way: Way) -> Iterator[Form]:
    """The addresses that a route writes to a target: of each form that its source asks for."""
    for form in asked(way.source):
        values: Mapping[str, Form] | None = {} if way.source.match is None else bind(way.matched, form)
        if values is not None:
            yield _made(way, {**values, _WHOLE: form})
        elif _name(form, way.source.kind) is None and meets(way.matched, form):
            opened = {part.name: (part,) for part in way.matched if isinstance(part, Capture)}
            yield _made(way, {**opened, _WHOLE: way.matched})


def _made(way: Way, values: Mapping[str, Form]) -> Form:
    """What becomes of addresses, by what is known of each capture."""
    if way.template is None:
        return values[_WHOLE] if way.carries else (_ANY,)
    kind, whole = way.target.kind, _name(values[_WHOLE], way.source.kind)
    known = [whole if whole is not None and _is_address(way, part) else part for part in way.template.parts]
    parts = divided(known, SEPARATORS[kind])
    texts = ["".join(part for part in each if isinstance(part, str)) for each in parts]
    made: list[str | Capture] = []
    for each, literal in zip(parts, segments(SEPARATORS[kind].join(texts), kind), strict=True):
        fields = [part for part in each if isinstance(part, TemplateField)]
        if not fields:
            made.append(literal)
        elif len(each) == 1 and fields[0].of_address:
            made += values[fields[0].name if fields[0].captured else _WHOLE]
        elif len(each) == 1 and way.source.kind == kind and _is_address(way, fields[0]):
            made += values[_WHOLE]
        else:
            made.append(Capture("", several=any(field.several or not field.captured for field in fields)))
    return tuple(made)


def _is_address(way: Way, part: str | TemplateField) -> bool:
    """Whether a part of a template is the address as the source has it."""
    return _names(part, "address", ADDRESSES[way.source.kind]) and not (
        isinstance(part, TemplateField) and part.of_address
    )


def _names(part: str | TemplateField, *names: str) -> bool:
    return isinstance(part, TemplateField) and part.name in names


def _is_several(part: str | Capture) -> bool:
    return isinstance(part, Capture) and part.several


def _name(form: Form, kind: Kind) -> str | None:
    """The one address of a form; None if there are more."""
    texts = [part for part in form if isinstance(part, str)]
    return joined(texts, kind) if len(texts) == len(form) else None


def _may_be(way: Way, name: str) -> bool:
    """Whether the literal text in a template lets it give a name."""
    return way.template is None or _may_give(way.template.parts, name)


def _may_give(parts: _Parts, name: str) -> bool:
    expression = "".join(re.escape(part) if isinstance(part, str) else ".*" for part in parts)
    return re.fullmatch(expression, name, re.DOTALL) is not None
