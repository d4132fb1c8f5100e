"""The grammar of `{…}` in targets: parsed here into parts, rendered by `bridge.templates`.

    {field}   {field:default}   {header.NAME}   {header."NAME with : or }":default}   {{ and }} are braces

NAME goes up to the brace or a colon; it is quoted when it holds one, and a quote in it is doubled. A default goes up to
the brace and may be empty.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

FIELDS = (
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
"""What a template may name (DESIGN section 5); `header` takes a NAME."""

_TOKEN = re.compile(
    r"""(?P<literal>(?:[^{}]|\{\{|\}\})+)
      | \{ (?: header\. (?: "(?P<quoted>(?:[^"]|"")+)" | (?P<header>[^"{}:][^{}:]*) ) | (?P<field>[^{}:"]*) )
        (?: : (?P<default>[^{}]*) )? \}""",
    re.VERBOSE | re.DOTALL,
)


class TemplateField(NamedTuple):
    """One `{…}`: its name (one of FIELDS), the header's NAME if it is a header, and the default if it has one."""

    name: str
    header: str | None = None
    default: str | None = None

    def __str__(self) -> str:
        return self.name if self.header is None else f"header.{self.header}"


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: `text` as written, `parts` as texts and fields in order; in a model it is a string."""

    text: str
    parts: tuple[str | TemplateField, ...]

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
    return TemplateField(_known(token["field"]), None, token["default"])


def _known(name: str) -> str:
    if name.startswith("header") and name in ("header", "header."):
        raise ValueError("{header} needs the header's name: {header.NAME}")
    if name not in FIELDS:
        close = difflib.get_close_matches(name, FIELDS, 1)
        hint = f"did you mean {{{close[0]}}}?" if close else f"known are {', '.join(FIELDS[:-1])} and header.NAME"
        raise ValueError(f"unknown field {{{name}}} ({hint})")
    return name


def _wrong(text: str, at: int) -> str:
    place = f"character {at + 1} of the template"
    if text[at] == "}":
        return f"{place} is a }} without its {{; a brace itself is written }}}}"
    if "}" not in text[at:]:
        return f"{place} is a {{ that is never closed; a brace itself is written {{{{"
    return f'what begins at {place} is not {{field}}, {{field:default}} or {{header."NAME"}}'
