"""`map`: the rules by which a route changes what it relays, and the names of what they change.

A rule names a standard property, `key`, or `header.NAME`; where rules remove or rename, a NAME may hold `*`, each of
which stands for any text, also none. What begins with `fedbridge-` is the bridge's own and cannot be named.
"""

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import InitErrorDetails

from config.tables import Table
from config.templates import Template

NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "priority": (0, 255),
    "delivery_mode": (1, 2),
    "timestamp": (-(2**63), 2**63 - 1),
}
"""The standard properties that are numbers, and the least and the largest that a rule gives."""

PROPERTIES: Final = (
    "content_type",
    "content_encoding",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
"""The standard properties, as `bridge.message.Properties` has them."""

RESERVED: Final = "fedbridge-"
"""How the names of headers begin that are the bridge's own."""

Given = bool | int | float | str
"""What a rule gives: text is a template, anything else is itself."""

_HEADER = "header."
_NAMED = f"^({'|'.join(PROPERTIES)}|key|header\\..+)$"


class Part(NamedTuple):
    """A part of a message that rules name: a property, the key, or headers; only of a header the name has wildcards."""

    kind: Literal["property", "key", "header"]
    name: str

    @property
    def pieces(self) -> tuple[str, ...]:
        """What stands before, between and behind the wildcards."""
        return tuple(self.name.split("*"))

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read a name; raises ValueError, in words for the person who wrote it."""
        if text == "key":
            return cls("key", "key")
        if text in PROPERTIES:
            return cls("property", text)
        name = text.removeprefix(_HEADER)
        if not name or text == "header":
            raise ValueError('a header needs its name, as in "header.x-tenant"')
        if name.startswith(RESERVED):
            raise ValueError(f"headers that begin with {RESERVED} are the bridge's own")
        if name == text:
            raise ValueError(f"unknown name {text} ({_hint(text)})")
        return cls("header", name)


def _hint(text: str) -> str:
    close = difflib.get_close_matches(text, [*PROPERTIES, "key"], 1)
    if close:
        return f"did you mean {close[0]}?"
    return f'known are {", ".join(PROPERTIES)}, key and "header.NAME"'


def number(name: str, value: int) -> int:
    """Give a number back that a property may have; raises ValueError for another."""
    low, high = NUMBERS[name]
    if low <= value <= high:
        return value
    raise ValueError(f"not a whole number {f'from {low} to {high}' if high < 2**63 - 1 else 'of 64 bits'}")


def _removed(text: str) -> str:
    Part.parse(text)
    return text


def _given(value: Any) -> Any:
    """The values of `set` and `default`, each of which has to fit its name."""
    return _each(value, _gives) if isinstance(value, dict) else value


def _renamed(value: Any) -> Any:
    """The new names of `rename`, which have the wildcards of the old ones."""
    return _each(value, _renames) if isinstance(value, dict) else value


def _each(values: dict[str, Any], check: Callable[[str, object], None]) -> dict[str, Any]:
    details: list[InitErrorDetails] = []
    for name, value in values.items():
        try:
            check(name, value)
        except ValueError as error:
            details.append(InitErrorDetails(type="value_error", loc=(name,), input=value, ctx={"error": error}))
    if details:
        raise ValidationError.from_exception_data("map", details)
    return values


def _gives(name: str, value: object) -> None:
    if name == "header" and isinstance(value, dict):
        raise ValueError(
            f'the name of a header stands in quotes, with what is before it: "header.{next(iter(value), "NAME")}"'
        )
    part = Part.parse(name)
    if len(part.pieces) > 1:
        raise ValueError("a name with * is for remove and rename")
    if isinstance(value, str):
        template = Template.parse(value)
        if part.name in NUMBERS and part.kind == "property" and (fixed := template.fixed) is not None:
            number(part.name, whole(fixed))
    elif part.kind == "header":
        _header(value)
    elif part.kind == "property" and part.name in NUMBERS:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("not a whole number")
        number(part.name, value)
    else:
        raise ValueError("not text")


def whole(text: str) -> int:
    """Read a whole number in decimal digits; raises ValueError for other text."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise ValueError("not a whole number")
    return int(text)


def _header(value: object) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError("not a whole number of 64 bits")
    elif not isinstance(value, float):
        raise ValueError("not text, a number, true or false")
    elif not math.isfinite(value):
        raise ValueError("not a finite number")


def _renames(old: str, new: object) -> None:
    if not isinstance(new, str):
        raise ValueError("not text")
    from_, to = Part.parse(old), Part.parse(new)
    if from_ == to:
        raise ValueError("is the name it has")
    stars, filled = len(from_.pieces) - 1, len(to.pieces) - 1
    if stars != filled:
        raise ValueError(f"has {filled} * in the new name for {stars} in the old one")


_Values = Annotated[dict[str, Given], BeforeValidator(_given)]
_NAMES: JsonDict = {"propertyNames": {"pattern": _NAMED}}


class MapSettings(Table):
    """`map = { rename, remove, default, set }`: rules, in this order; each table sees what the one before left."""

    rename: Annotated[dict[str, str], BeforeValidator(_renamed)] = Field(
        {}, description="New names by old ones; * stands for any text.", json_schema_extra=_NAMES
    )
    remove: list[Annotated[str, AfterValidator(_removed)]] = Field(
        [], description="What the message is to have no more; * stands for any text."
    )
    default: _Values = Field(
        {}, description="What the message is given where it has none: text is a template.", json_schema_extra=_NAMES
    )
    set: _Values = Field({}, description="What the message is given: text is a template.", json_schema_extra=_NAMES)

    def keyed(self, own: bool) -> bool:
        """Whether messages may have a key after these rules; `own`: whether they may before."""
        own = "key" in self.rename.values() or (own and "key" not in self.rename)
        return "key" in self.set or "key" in self.default or (own and "key" not in self.remove)
