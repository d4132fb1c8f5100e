"""The grammar of `match`: a pattern over the addresses of a source, with captures; `bridge.addresses` matches by it.

    sensors.{site}.{device...}     {{ and }} are braces

Segments stand between the separators of the source's kind. `{name}` is one segment, not empty; `{name...}` is one or
more; every other segment is itself, written as the source has it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from config.values import Kind

SEPARATORS: Final[Mapping[Kind, str]] = {"amqp": ".", "kafka": ".", "mqtt": "/", "redis": ":"}
"""What stands between the segments of an address, by its kind."""

FIELDS: Final = (
    "routing_key",
    "exchange",
    "topic",
    "stream",
    "key",
    "address",
    "message_id",
    "correlation_id",
    "reply_to",
    "content_type",
    "timestamp",
    "header",
)
"""What a template may name beside captures (DESIGN section 5), so that no capture is called that."""

MANY: Final = "..."
"""What stands behind a name that takes several segments."""

IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]*")
"""How a capture may be called."""

_Part = TypeVar("_Part")
_TOKEN = re.compile(r"(?P<literal>(?:[^{}]|\{\{|\}\})+) | \{(?P<name>[^{}]*)\}", re.VERBOSE)


class Capture(NamedTuple):
    """A part of an address with a name: one segment, or one or more where it is `several`."""

    name: str
    several: bool = False

    def __str__(self) -> str:
        return f"{{{self.name}{MANY if self.several else ''}}}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: `text` as written, for addresses of a `kind`, in segments; one capture at most is `several`."""

    text: str
    kind: Kind
    segments: tuple[str | Capture, ...]

    @property
    def captures(self) -> Mapping[str, Capture]:
        """The captures, by name."""
        return {part.name: part for part in self.segments if isinstance(part, Capture)}

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str, kind: Kind) -> "Pattern":
        """Parse a pattern; raises ValueError, in words for the person who wrote it."""
        if not text:
            raise ValueError("is empty")
        segments = tuple(_segment(parts, kind) for parts in divided(_parts(text), SEPARATORS[kind]))
        captures = [part for part in segments if isinstance(part, Capture)]
        for name in [capture.name for capture in captures]:
            if sum(capture.name == name for capture in captures) > 1:
                raise ValueError(f"two captures are called {name}; give each a name of its own")
        if len(several := [str(capture) for capture in captures if capture.several]) > 1:
            raise ValueError(f"{' and '.join(several)} both take several segments, and only one capture can")
        return cls(text, kind, segments)


def pattern_for(kind: Kind) -> Callable[[str], str]:
    """Make the validator of a source's `match`."""

    def checked(text: str) -> str:
        Pattern.parse(text, kind)
        return text

    return checked


def _parts(text: str) -> Iterator[str | Capture]:
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            wrong = "a { that is never closed" if text[at] == "{" else "a } without its {"
            raise ValueError(f"character {at + 1} of the pattern is {wrong}; a brace itself is written {text[at] * 2}")
        literal = token["literal"]
        yield _capture(token["name"]) if literal is None else literal.replace("{{", "{").replace("}}", "}")
        at = token.end()


def _capture(written: str) -> Capture:
    name = written.removesuffix(MANY)
    if name in FIELDS:
        raise ValueError(f"a capture cannot be called {name}, which every template knows as something else")
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{{{written}}} is not a capture: {{name}} or {{name...}}, of a-z, 0-9 and _, beginning with a letter"
        )
    return Capture(name, written.endswith(MANY))


def divided(parts: Iterable[str | _Part], separator: str) -> list[list[str | _Part]]:
    """Give the parts of each segment of what is made of texts and others; of an empty one there are none."""
    segments: list[list[str | _Part]] = [[]]
    for part in parts:
        if not isinstance(part, str):
            segments[-1].append(part)
            continue
        first, *others = part.split(separator)
        segments[-1] += [first] if first else []
        segments += [[text] if text else [] for text in others]
    return segments


def _segment(parts: Sequence[str | Capture], kind: Kind) -> str | Capture:
    for part in parts:
        if len(parts) > 1 and isinstance(part, Capture):
            raise ValueError(f"{part} is not alone in its segment; it stands between two {SEPARATORS[kind]}")
    if not parts or isinstance(parts[0], Capture):
        return parts[0] if parts else ""
    text = parts[0]
    if kind == "mqtt" and ("+" in text or "#" in text):
        raise ValueError("no topic holds + or #, they are for subscriptions; {name} is one level, {name...} several")
    if kind == "amqp" and text in ("*", "#"):
        raise ValueError(f"{text} is for binding keys; here {{name}} is one word, and {{name...}} several")
    if kind == "kafka" and not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("no topic holds that; Kafka takes A-Z a-z 0-9 . _ -")
    return text
