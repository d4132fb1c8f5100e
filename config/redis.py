"""`from.redis` and `to.redis`: what may be written of streams and groups."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.patterns import pattern_for
from config.tables import Table
from config.templates import Template
from config.values import Kind, Name, PositiveDuration, Whole

_ENTRY = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")


def _start(text: str) -> str:
    if text != "$" and not (_ENTRY.fullmatch(text) and all(int(part) < 2**64 for part in text.split("-"))):
        raise ValueError('not "0" (the beginning), "$" (the end) or the id of an entry, such as "1700000000000-0"')
    return text


def _stream(template: Template) -> Template:
    if template.fixed == "":
        raise ValueError("is empty")
    return template


class RedisSourceSettings(Table):
    """`from.redis`: streams, read by a consumer group."""

    kind: ClassVar[Kind] = "redis"

    broker: Name | None = Field(None, description="May be left out where one Redis is declared.")
    streams: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, description="The streams to read.")
    group: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The consumer group, created when missing. Default: fedbridge.BRIDGE.ROUTE."
    )
    consumer: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The name in the group, stable and of this replica alone. Default: the bridge's instance."
    )
    start: Annotated[str, AfterValidator(_start)] = Field(
        "0",
        description='Where a group that is created begins: "0" with all there is, "$" with what comes, or an entry id.',
    )
    claim_idle: PositiveDuration = Field(
        60.0, description="How long another consumer must not have touched its entries before they are taken over."
    )
    body: Annotated[str, Field(min_length=1)] = Field("body", description="The field that holds the body.")
    no_body: Literal["json", "empty", "dead_letter"] = Field(
        "json",
        description="What an entry without that field is: its fields as a JSON object, a message with an empty body "
        "and the fields as headers, or one that goes by on_error.",
    )
    match: Annotated[str, AfterValidator(pattern_for("redis"))] | None = Field(
        None, description="A pattern, as sensors:{site}:{device...}; other streams go by on_error."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if twice := sorted({stream for stream in self.streams if self.streams.count(stream) > 1}):
            raise ValueError(f"stream {twice[0]} is there twice")
        return self


class RedisSinkSettings(Table):
    """`to.redis`: a stream."""

    kind: ClassVar[Kind] = "redis"

    broker: Name | None = Field(None, description="May be left out where one Redis is declared.")
    name: Name = Field("redis", description="The target's name in logs and metrics.")
    stream: Annotated[Template, AfterValidator(_stream)] = Field(description="The stream, a template.")
    max_length: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Entries that the stream keeps, about: the oldest are trimmed. Default: all."
    )
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window."
    )
