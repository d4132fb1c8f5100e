"""What becomes of addresses on their way through a route, and which routes lead back: for `reversals`. Pure.

An address may be written with captures in place of segments, for all addresses of that form.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from typing import Final, NamedTuple

from bridge.addresses import joined, literal_segments, segments
from bridge.message import Message
from bridge.templates import render_text
from config import Settings
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.bonds import ADDRESSES, bound, pattern_of
from config.filters import overlap
from config.kafka import KafkaSourceSettings
from config.loops import routed, same_broker
from config.mqtt import MqttSourceSettings
from config.patterns import SEPARATORS, Capture, divided
from config.redis import RedisSourceSettings
from config.settings import SinkSettings, SourceSettings
from config.templates import Template, TemplateField

Form = tuple[str | Capture, ...]
"""Addresses by their segments, of which those of captures may be any."""

_WHOLE: Final[Form] = (Capture("address", several=True),)
_HARD: Final = ("a", "b", "a.b", "a/b", "a:b", "a b", "é", "+", "#", "$a", "%2B", "%2F", "__a", "_-20", "%")
"""Segments that some kind of address has an escape for, or takes for one."""
_LISTS: Final = (*((text,) for text in _HARD), ("a", "b"), ("a", "", "b"), ("a", "b.c", "d"))
_TRIED: Final = 2000  # addresses of one form


class Way(NamedTuple):
    """From the addresses that a route's source gives to those that one of its targets makes of them."""

    route: str
    source: SourceSettings
    target: SinkSettings

    @property
    def template(self) -> Template | None:
        """What gives the address at the target; None where a routing key is the message's own."""
        found: Template | None = getattr(bound(self.target, self.source), ADDRESSES[self.target.kind])
        return found

    @property
    def carries(self) -> bool:
        """Whether the address at the target has to do with that at the source."""
        if self.template is None:
            return self.source.kind == "amqp"
        whole = ("address", "routing_key", "topic", "stream")
        return any(field.of_address or field.name in whole for field in self.template.fields)

    @property
    def matched(self) -> Form:
        """The addresses that the source's `match` lets pass."""
        match = pattern_of(self.source)
        if match is None:
            return _WHOLE
        literals = literal_segments(match)
        return tuple(
            part if isinstance(part, Capture) else text for part, text in zip(match.segments, literals, strict=True)
        )

    @property
    def forms(self) -> list[Form]:
        """The addresses that the route takes: those that match, or without a `match` those that it asks for."""
        return [*asked(self.source)] if self.source.match is None else [self.matched]

    def makes(self, form: Form) -> Form | None:
        """What becomes of addresses of a form; None if the template is not made of their segments alone."""
        if self.template is None:
            return form if self.carries else None
        parts = divided(self.template.parts, SEPARATORS[self.target.kind])
        if any(len(part) > 1 for part in parts):
            return None
        texts = ["".join(part for part in each if isinstance(part, str)) for each in parts]
        literals = segments(SEPARATORS[self.target.kind].join(texts), self.target.kind)
        made: list[str | Capture] = []
        for part, literal in zip(parts, literals, strict=True):
            field = next((each for each in part if isinstance(each, TemplateField)), None)
            if field is not None and not field.of_address:
                return None
            whole = field is not None and not field.captured
            made += form if whole else [literal if field is None else Capture(field.name, field.several)]
        return tuple(made)

    def __call__(self, address: str) -> str | None:
        """What becomes of one address; None if it does not match, or other parts of a message decide."""
        exchange = "" if self.source.kind == "amqp" else None
        if self.template is None:
            return address if self.carries else ""
        return render_text(self.template)(Message(None, "", address, exchange))

    def examples(self) -> Iterator[str]:
        """Addresses that the route takes, hard ones among them."""
        for form in self.forms:
            opened = [part for part in form if isinstance(part, Capture)]
            singles = [(text,) for text in (_HARD if self.source.match is not None else ("a", "", *_HARD[1:]))]
            choices: list[Sequence[tuple[str, ...]]] = [_LISTS if part.several else singles for part in opened]
            for chosen in islice(product(*choices), _TRIED):
                values = dict(zip([part.name for part in opened], chosen, strict=True))
                parts = [values[part.name] if isinstance(part, Capture) else (part,) for part in form]
                address = joined([text for part in parts for text in part], self.source.kind)
                if reads(self.source, address):
                    yield address


def ways(name: str, settings: Settings) -> list[Way]:
    """The ways through a route: one to each target."""
    route = settings.routes[name]
    return [Way(name, route.source.settings, target) for target in route.targets.settings]


def face(way: Way, back: Way, settings: Settings) -> bool:
    """Whether what one of two writes the other may read, and the other way round, as far as the settings tell."""
    ends: list[tuple[SourceSettings, SinkSettings]] = [(way.source, back.target), (back.source, way.target)]
    return all(
        source.kind == target.kind
        and same_broker(settings.broker(source.broker, source.kind), settings.broker(target.broker, target.kind))
        and _may_read(source, target)
        for source, target in ends
    )


def asked(source: SourceSettings) -> Iterator[Form]:
    """The addresses that a source asks its broker for; `_WHOLE` also where that is more than it asks for."""
    if isinstance(source, MqttSourceSettings):
        for each in source.topics:
            yield from _open(each.split("/"), "+")
    elif isinstance(source, AmqpSourceSettings) and source.exchange_type in ("topic", "direct"):
        for each in source.keys:
            yield from _open(each.split("."), "*") if source.exchange_type == "topic" else [segments(each, "amqp")]
    elif isinstance(source, KafkaSourceSettings) and source.topics is not None:
        yield from (segments(topic, "kafka") for topic in source.topics)
    elif isinstance(source, RedisSourceSettings):
        yield from (segments(stream, "redis") for stream in source.streams)
    else:
        yield _WHOLE


def told(source: SourceSettings) -> bool:
    """Whether the forms of `asked` are what a source reads, and no more than that."""
    if isinstance(source, KafkaSourceSettings):
        return source.topics is not None
    if isinstance(source, AmqpSourceSettings) and source.exchange_type == "topic":
        return all(key.split(".").count("#") < 2 for key in source.keys)
    return True


def _open(parts: Sequence[str], one: str) -> Iterator[Form]:
    """The addresses of a filter or a binding key: `#` is several segments, or none."""
    if parts.count("#") > 1:
        yield _WHOLE
        return
    kinds = {one: False, "#": True}
    form = tuple(Capture(str(at), kinds[part]) if part in kinds else part for at, part in enumerate(parts))
    yield form
    if "#" in parts and len(parts) > 1:
        yield tuple(part for part in form if isinstance(part, str) or not part.several)


def reads(source: SourceSettings, address: str) -> bool:
    """Whether a source is given an address by its broker, as far as the settings tell."""
    if isinstance(source, MqttSourceSettings):
        return any(overlap(each, address) for each in source.topics)
    if isinstance(source, KafkaSourceSettings):
        return address in source.topics if source.topics else re.fullmatch(source.pattern or "", address) is not None
    if isinstance(source, AmqpSourceSettings):
        return source.exchange is None or routed(source, address)
    return address in source.streams


def _may_read(source: SourceSettings, target: SinkSettings) -> bool:
    """Whether a source may read what a target at its broker writes."""
    if isinstance(source, AmqpSourceSettings) and isinstance(target, AmqpSinkSettings):
        if source.exchange is not None:
            return _may_give(target.exchange)(source.exchange)
        default = target.exchange.fixed == "" and target.routing_key is not None
        return not default or _may_give(target.routing_key)(source.queue or "")
    template: Template = getattr(target, ADDRESSES[target.kind])
    if isinstance(source, MqttSourceSettings):
        return any(overlap(each, _filter_of(template)) for each in source.topics)
    if isinstance(source, KafkaSourceSettings):
        if source.topics is None:
            return template.fixed is None or re.fullmatch(source.pattern or "", template.fixed) is not None
        return any(map(_may_give(template), source.topics))
    return isinstance(source, RedisSourceSettings) and any(map(_may_give(template), source.streams))


def _may_give(template: Template | None) -> Callable[[str], bool]:
    parts: Sequence[str | TemplateField] = () if template is None else template.parts
    expression = re.compile("".join(re.escape(part) if isinstance(part, str) else ".*" for part in parts), re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def _filter_of(template: Template) -> str:
    """A topic filter for what a template gives: all below the first field that may be several levels."""
    levels: list[str] = []
    for parts in divided(template.parts, "/"):
        fields = [part for part in parts if isinstance(part, TemplateField)]
        if any(field.several or not field.captured for field in fields):
            return "/".join([*levels, "#"])
        levels.append("+" if fields else "".join(map(str, parts)))
    return "/".join(levels)
