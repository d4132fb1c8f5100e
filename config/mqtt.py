"""`from.mqtt` and `to.mqtt`: what may be written of topics, sessions and qualities of service."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.tables import Table
from config.templates import Template
from config.values import Duration, Kind, Name, Whole

_LONGEST = 65_535  # bytes of an MQTT string


def _filter(text: str) -> str:
    """A topic filter (MQTT 5, section 4.7): `+` is a whole level, `#` the whole last one."""
    levels = text.split("/")
    if not text or "\0" in text:
        raise ValueError("a topic filter is not empty and holds no NUL")
    if len(text.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise ValueError(f"a topic filter has at most {_LONGEST} bytes")
    if levels[0] == "$share":
        raise ValueError('write share = "NAME" and the filter alone')
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("+ stands for a whole level: between slashes, or alone")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError("# stands for all further levels: alone at the end, after a slash")
    return text


def _share(text: str) -> str:
    if not text or any(sign in text for sign in "/+#\0"):
        raise ValueError("the name of a share is not empty and holds no /, + or #")
    return text


TopicFilter = Annotated[str, AfterValidator(_filter)]
"""What an MQTT subscription asks for: a topic, or one with the wildcards `+` and `#`."""


class MqttSourceSettings(Table):
    """`from.mqtt`: topics, read through a session that outlives the connection."""

    kind: ClassVar[Kind] = "mqtt"

    broker: Name | None = Field(None, description="May be left out where one MQTT broker is declared.")
    topics: list[TopicFilter] = Field(min_length=1, description="Topic filters, with + and # as MQTT has them.")
    qos: Literal[0, 1] = Field(
        1,
        description="1: what is not acknowledged comes again. 0: nothing does. What is published with 2 comes with 1.",
    )
    share: Annotated[str, AfterValidator(_share)] | None = Field(
        None, description="The name of a shared subscription: replicas with the same one share the messages."
    )
    client_id: Annotated[str, Field(min_length=1, max_length=_LONGEST)] | None = Field(
        None, description="Whose session it is. Default: fedbridge.BRIDGE.ROUTE.source.INSTANCE."
    )
    session_expiry: Duration = Field(
        86_400.0, description="How long the broker keeps the session, and messages for it, while the bridge is away."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if twice := sorted({topic for topic in self.topics if self.topics.count(topic) > 1}):
            raise ValueError(f"topic filter {twice[0]} is there twice")
        return self


class MqttSinkSettings(Table):
    """`to.mqtt`: a topic."""

    kind: ClassVar[Kind] = "mqtt"

    broker: Name | None = Field(None, description="May be left out where one MQTT broker is declared.")
    name: Name = Field("mqtt", description="The target's name in logs and metrics.")
    topic: Template = Field(description="The topic, a template.")
    qos: Literal[0, 1] = Field(1, description="1: confirmed by the broker. 0: sent, and nobody knows.")
    retain: bool | None = Field(
        None, description="Whether the broker keeps it for later subscribers. Default: as a message from MQTT says."
    )
    max_in_flight: Annotated[Whole, Field(ge=1)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window, and what the broker allows."
    )
