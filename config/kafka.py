"""`from.kafka` and `to.kafka`: what may be written of topics and groups."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.tables import Table
from config.templates import Template
from config.values import Kind, Name, Whole


def _expression(text: str) -> str:
    try:
        re.compile(f"(?:{text})")  # as a source uses it, as a part: flags stand in a group, as (?i:…)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


class KafkaSourceSettings(Table):
    """`from.kafka`: topics, read by a consumer group."""

    kind: ClassVar[Kind] = "kafka"

    broker: Name | None = Field(None, description="May be left out where one Kafka broker is declared.")
    topics: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, min_length=1, description="The topics to read."
    )
    pattern: Annotated[str, Field(min_length=1), AfterValidator(_expression)] | None = Field(
        None, description="A regular expression instead: every topic whose whole name matches, also one made later."
    )
    group: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The consumer group. Default: fedbridge.BRIDGE.ROUTE."
    )
    start: Literal["earliest", "latest"] = Field(
        "earliest", description="Where a group without any commit begins; all of what is made later is read."
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
    topic: Template = Field(description="The topic, a template.")
    key: Template | None = Field(None, description="The record's key, a template. Default: the message's own key.")
    create: bool = Field(False, description="Create a missing topic with the cluster's defaults.")
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window."
    )
