"""`from.kafka` and `to.kafka`: what may be written of topics and groups."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from config.patterns import pattern_for
from config.tables import Table
from config.templates import Template
from config.values import Kind, Name, Whole

_LONGEST = 249  # characters
_SIGN = "[A-Za-z0-9._-]"
_NO_TOPIC = f'not a name that a topic can have; Kafka takes 1 to {_LONGEST} of A-Z a-z 0-9 . _ -, but for "." and ".."'


def is_topic(name: str) -> bool:
    """Whether Kafka takes the name for a topic (research/reliability.md K8)."""
    return bool(name) and _may_be_within(name) and name not in {".", ".."}


def is_target(name: str) -> bool:
    """Whether a topic of that name may be written to: those that begin with two underscores are Kafka's own."""
    return is_topic(name) and not name.startswith("__")


def _may_be_within(text: str) -> bool:
    return re.fullmatch(f"{_SIGN}{{0,{_LONGEST}}}", text) is not None


def _topic(name: str) -> str:
    if not is_topic(name):
        raise ValueError(_NO_TOPIC)
    return name


def _target(template: Template) -> Template:
    """A topic, as far as it is known before there is a message."""
    if not (_may_be_within(template.literal) if template.fields else is_topic(template.literal)):
        raise ValueError(_NO_TOPIC)
    if str(template.parts[0]).startswith("__"):
        raise ValueError("not a topic to write to; what begins with __ is Kafka's own")
    return template


def _expression(text: str) -> str:
    try:
        re.compile(f"(?:{text})")  # as a source uses it, as a part: flags stand in a group, as (?i:…)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


_Topic = Annotated[
    str,
    AfterValidator(_topic),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIGN}{{1,{_LONGEST}}}$"}),
]


class KafkaSourceSettings(Table):
    """`from.kafka`: topics, read by a consumer group."""

    kind: ClassVar[Kind] = "kafka"

    broker: Name | None = Field(None, description="May be left out where one Kafka broker is declared.")
    topics: list[_Topic] | None = Field(None, min_length=1, description="The topics to read.")
    pattern: Annotated[str, Field(min_length=1), AfterValidator(_expression)] | None = Field(
        None, description="A regular expression instead: every topic whose whole name matches, also one made later."
    )
    group: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The consumer group. Default: fedbridge.BRIDGE.ROUTE."
    )
    start: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a group without any commit begins; all of what is made later is read."
    )
    match: Annotated[str, AfterValidator(pattern_for("kafka"))] | None = Field(
        None, description="A pattern, as sensors.{site}.{device...}; other topics go by on_error."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.topics is None) == (self.pattern is None):
            raise ValueError("needs topics or a pattern" + ("" if self.topics is None else ", not both"))
        return self


class KafkaSinkSettings(Table):
    """`to.kafka`: a topic."""

    kind: ClassVar[Kind] = "kafka"

    broker: Name | None = Field(None, description="May be left out where one Kafka broker is declared.")
    name: Name = Field("kafka", description="The target's name in logs and metrics.")
    topic: Annotated[Template, AfterValidator(_target)] = Field(description="The topic, a template.")
    key: Template | None = Field(None, description="The record's key, a template. Default: the message's own key.")
    create: bool = Field(False, description="Create a missing topic with the cluster's defaults.")
    max_topics: Annotated[Whole, Field(ge=1)] = Field(
        1000, description="Different topics, at most, of a template with fields; messages to more go by on_error."
    )
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window."
    )
