"""What the templates of a target are told of the route they are in. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from config.patterns import Pattern
from config.settings import SinkSettings, SourceSettings
from config.templates import Bond, Template
from config.values import Kind

TEMPLATES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "amqp": ("exchange", "routing_key"),
    "kafka": ("topic", "key"),
    "mqtt": ("topic",),
    "redis": ("stream",),
}
"""The templates of a target, by its kind."""

ADDRESSES: Final[Mapping[Kind, str]] = {"amqp": "routing_key", "kafka": "topic", "mqtt": "topic", "redis": "stream"}
"""The template that gives the address at a target, by its kind."""


def pattern_of(source: SourceSettings) -> Pattern | None:
    """The pattern that a source's addresses are to match; None where it states none."""
    return None if source.match is None else Pattern.parse(source.match, source.kind)


def bound(target: SinkSettings, source: SourceSettings) -> SinkSettings:
    """The settings of a target, with templates that know its source.

    A key is free text: there, segments of the address stand as they do in the address itself.
    """
    match = pattern_of(source)
    changed: dict[str, Any] = {}
    for name in TEMPLATES[target.kind]:
        template: Template | None = getattr(target, name)
        if template is not None and any(field.of_address for field in template.fields):
            kind = source.kind if name == "key" else target.kind
            changed[name] = template.bound(Bond(source.kind, match, kind))
    return target.model_copy(update=changed) if changed else target
