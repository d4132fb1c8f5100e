"""`from.mqtt` and `to.mqtt`: what may be written of topics, sessions and qualities of service."""

import re
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.patterns import pattern_for
from config.tables import Table
from config.templates import Template
from config.values import Duration, Kind, Name, Whole

_LONGEST = 65_535  # bytes of an MQTT string (MQTT 5, 1.5.4), and the largest packet identifier (2.2.1)
_FOR_EVER = 0xFFFF_FFFF  # seconds (MQTT 5, 3.1.2.11.2)
_NO_CHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)
UNFIT: Final = f"\0-\x1f\x7f-\x9f{_NO_CHARACTERS}"
"""The characters that brokers refuse, as a class of a regular expression; `unfit` says why."""

_UNFIT: Final = re.compile(f"[{UNFIT}]")


def unfit(text: str) -> str:
    """Give what a text holds that brokers refuse, in words, or "" where it holds nothing of that kind.

    MQTT 5, 1.5.4 forbids NUL and lets a broker end the connection for every other control character and for what is
    no character in Unicode, which Mosquitto does, without a word. A text that `isprintable` holds none of them.
    """
    found = _UNFIT.search(text)
    if found is None:
        return ""
    number = ord(found[0])
    return f"the control character U+{number:04X}" if number < 0xA0 else f"U+{number:04X}, which is no character"


def _string(text: str) -> str:
    """A UTF-8 encoded string as MQTT has them (MQTT 5, 1.5.4)."""
    if found := unfit(text):
        raise ValueError(f"holds {found}: brokers of MQTT refuse it")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("holds what is not UTF-8, which MQTT does not carry") from None
    if size > _LONGEST:
        raise ValueError(f"has {size} bytes, and MQTT carries at most {_LONGEST}")
    return text


def _filter(text: str) -> str:
    """A topic filter (MQTT 5, 4.7.1): `+` is a whole level, `#` the whole last one and all below."""
    levels = text.split("/")
    if levels[0] == "$share":
        raise ValueError('for a shared subscription write share = "NAME" and here the filter alone')
    if any("+" in level and level != "+" for level in levels):
        raise ValueError("+ stands for a whole level: alone between slashes")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        raise ValueError("# stands for all further levels: alone, at the end, after a slash")
    return text


def _share(text: str) -> str:
    """The name of a share (MQTT 5, 4.8.2)."""
    if any(sign in text for sign in "/+#"):
        raise ValueError("the name of a share holds no /, + or #")
    return text


def _topic(template: Template) -> Template:
    """A topic to publish to (MQTT 5, 4.7), as far as it is known before there is a message."""
    if template.fixed == "":
        raise ValueError("is empty")
    literals = [part if isinstance(part, str) else part.default or "" for part in template.parts]
    _string("".join(part for part in template.parts if isinstance(part, str)))
    for literal in literals:
        _string(literal)
        if "+" in literal or "#" in literal:
            raise ValueError("a message is published to one topic: + and # are for subscriptions")
    if literals[0].startswith("$"):
        raise ValueError("a topic that begins with $ is the broker's own")
    return template


def _quality(value: object) -> object:
    """A quality of service, as a number or, from the environment, as text."""
    found = int(value) if isinstance(value, str) and value in ("0", "1") else value
    if isinstance(found, bool) or found not in (0, 1):
        raise ValueError("not 0 or 1, the qualities of service there are here")
    return found


def _expiry(seconds: float) -> float:
    if seconds != int(seconds) or seconds > _FOR_EVER:
        raise ValueError(f"MQTT counts the time of a session in whole seconds, up to {_FOR_EVER}")
    return seconds


Quality = Annotated[Literal[0, 1], BeforeValidator(_quality)]
"""How surely a message is handed over: 0 is once at most, 1 once at least."""

MqttString = Annotated[str, Field(min_length=1), AfterValidator(_string)]
"""A text that MQTT can carry."""

TopicFilter = Annotated[MqttString, AfterValidator(_filter)]
"""What an MQTT subscription asks for: a topic, or one with the wildcards `+` and `#`."""


class MqttSourceSettings(Table):
    """`from.mqtt`: topics, read through a session that outlives the connection."""

    kind: ClassVar[Kind] = "mqtt"

    broker: Name | None = Field(None, description="May be left out where one MQTT broker is declared.")
    topics: list[TopicFilter] = Field(min_length=1, description="Topic filters, with + and # as MQTT has them.")
    qos: Quality = Field(
        1,
        description="1: what is not acknowledged comes again. 0: nothing does. What is published with 2 comes with 1.",
    )
    share: Annotated[MqttString, AfterValidator(_share)] | None = Field(
        None, description="The name of a shared subscription: replicas with the same one share the messages."
    )
    client_id: MqttString | None = Field(
        None, description="Whose session it is. Default: fedbridge.BRIDGE.ROUTE.source.INSTANCE."
    )
    session_expiry: Annotated[Duration, AfterValidator(_expiry)] = Field(
        86_400.0, description="How long the broker keeps the session, and messages for it, while the bridge is away."
    )
    match: Annotated[str, AfterValidator(pattern_for("mqtt"))] | None = Field(
        None, description="A pattern, as sensors/{site}/{device...}; other topics go by on_error."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if twice := sorted({topic for topic in self.topics if self.topics.count(topic) > 1}):
            raise ValueError(f"topic filter {twice[0]} is there twice")
        longest = max(len(f"$share/{self.share}/{topic}".encode()) for topic in self.topics)
        if self.share is not None and longest > _LONGEST:
            raise ValueError(
                f"share and topic filter have {longest} bytes together, and MQTT carries at most {_LONGEST}"
            )
        return self


class MqttSinkSettings(Table):
    """`to.mqtt`: a topic."""

    kind: ClassVar[Kind] = "mqtt"

    broker: Name | None = Field(None, description="May be left out where one MQTT broker is declared.")
    name: Name = Field("mqtt", description="The target's name in logs and metrics.")
    topic: Annotated[Template, AfterValidator(_topic)] = Field(description="The topic, a template.")
    qos: Quality = Field(1, description="1: confirmed by the broker. 0: sent, and nobody knows.")
    retain: bool | None = Field(
        None, description="Whether the broker keeps it for later subscribers. Default: as a message from MQTT says."
    )
    max_in_flight: Annotated[Whole, Field(ge=1, le=_LONGEST)] | None = Field(
        None, description="Messages unconfirmed at most. Default: the window, and what the broker allows."
    )
