"""The grammar of `{…}` in targets: parsed here into parts, rendered by `bridge.templates`.

    {field}   {field:default}   {header.NAME}   {header."NAME with : or }":default}   {{ and }} are braces
    {site}   {device...}   {address...}

NAME goes up to the brace or a colon; it is quoted when it holds one, and a quote in it is doubled. A default goes up to
the brace and may be empty. The last line are parts of the source's address: captures of its `match`, and the whole.
Which captures there are a template does not know until it is `bound` to a source.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from config.patterns import FIELDS, IDENTIFIER, MANY, Pattern
from config.values import Kind

_TOKEN = re.compile(
    r"""(?P<literal>(?:[^{}]|\{\{|\}\})+)
      | \{ (?: header\. (?: "(?P<quoted>(?:[^"]|"")+)" | (?P<header>[^"{}:][^{}:]*) ) | (?P<field>[^{}:"]*) )
        (?: : (?P<default>[^{}]*) )? \}""",
    re.VERBOSE | re.DOTALL,
)


class TemplateField(NamedTuple):
    """One `{…}`: its name, the header's NAME if it is a header, the default if it has one, and whether it is `name...`.

    The name is one of FIELDS or else that of a capture.
    """

    name: str
    header: str | None = None
    default: str | None = None
    several: bool = False

    @property
    def captured(self) -> bool:
        """Whether it is a capture."""
        return self.name not in FIELDS

    @property
    def of_address(self) -> bool:
        """Whether it is made of segments of the address, and so escaped as its place demands."""
        return self.several or self.captured

    def __str__(self) -> str:
        return (self.name if self.header is None else f"header.{self.header}") + MANY * self.several


class Bond(NamedTuple):
    """What a template is told of its route: its source's kind and `match`, and whose rules its text follows."""

    source: Kind
    match: Pattern | None
    target: Kind


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: `text` as written, `parts` as texts and fields in order; in a model it is a string.

    Without a `bond` it cannot be compiled if it has fields that are made of the address's segments.
    """

    text: str
    parts: tuple[str | TemplateField, ...]
    bond: Bond | None = None

    @property
    def fields(self) -> tuple[TemplateField, ...]:
        """The fields, in order, repeats included."""
        return tuple(part for part in self.parts if isinstance(part, TemplateField))

    @property
    def literal(self) -> str:
        """The text that it gives for every message, whatever the fields are."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def fixed(self) -> str | None:
        """The text that it gives for every message, None if that depends on the message."""
        return None if self.fields else "".join(map(str, self.parts))

    def bound(self, bond: Bond) -> "Template":
        """The same template, of a route."""
        return replace(self, bond=bond)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Parse a template; raises ValueError, in words for the person who wrote it."""
        parts: list[str | TemplateField] = []
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise ValueError(_wrong(text, at))
            parts.append(_part(token))
            at = token.end()
        return cls(text, tuple(parts))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"}


def misfit(field: TemplateField, match: Pattern | None) -> str:
    """Say what is wrong with a field of a route whose source has that `match`, or "" where nothing is."""
    if not field.captured:
        return ""
    captures = {} if match is None else match.captures
    if field.name not in captures:
        return _unknown(str(field), [str(capture)[1:-1] for capture in captures.values()])
    capture = captures[field.name]
    if capture.several != field.several:
        return f"{{{field}}} is {capture} in match, so write {capture}"
    return "" if field.default is None else f"{{{field}}} is always there and needs no default"


def _validate(value: object) -> Template:
    if isinstance(value, Template):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not text")
    return Template.parse(value)


def _part(token: re.Match[str]) -> str | TemplateField:
    if token["literal"] is not None:
        return token["literal"].replace("{{", "{").replace("}}", "}")
    if token["quoted"] is not None:
        return TemplateField("header", token["quoted"].replace('""', '"'), token["default"])
    if token["header"] is not None:
        return TemplateField("header", token["header"], token["default"])
    return _field(token["field"], token["default"])


def _field(written: str, default: str | None) -> TemplateField:
    name, several = written.removesuffix(MANY), written.endswith(MANY)
    if name.startswith("header") and name in ("header", "header."):
        raise ValueError("{header} needs the header's name: {header.NAME}")
    if name not in FIELDS and not IDENTIFIER.fullmatch(name):
        raise ValueError(_unknown(written, ()))
    if several and name in FIELDS and name != "address":
        raise ValueError(f"{{{written}}} is not a list of segments; {{address...}} is, or a capture of match")
    if several and default is not None:
        raise ValueError(f"{{{written}}} is always there and needs no default")
    return TemplateField(name, None, default, several)


def _unknown(written: str, captures: Iterable[str]) -> str:
    known = [*captures, *FIELDS[:-1]]
    close = difflib.get_close_matches(written, known, 1)
    hint = f"did you mean {{{close[0]}}}?" if close else f"known are {', '.join(known)} and header.NAME"
    return f"unknown field {{{written}}} ({hint})"


def _wrong(text: str, at: int) -> str:
    place = f"character {at + 1} of the template"
    if text[at] == "}":
        return f"{place} is a }} without its {{; a brace itself is written }}}}"
    if "}" not in text[at:]:
        return f"{place} is a {{ that is never closed; a brace itself is written {{{{"
    return f'what begins at {place} is not {{field}}, {{field:default}} or {{header."NAME"}}'
