"""The small values of the configuration: durations and names, and how they are written."""

import ipaddress
import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
_LISTEN = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")


Kind = Literal["amqp", "kafka", "mqtt", "redis"]
"""The kinds of broker, by the scheme of their URL."""


def parse_duration(value: object) -> object:
    """Turn "200ms", "30s", "20min", "1h" or "1d" into seconds; anything but text is left for pydantic to judge.

    Raises ValueError for text of another form: a number without a unit is refused, since nobody can tell which it is.
    """
    if not isinstance(value, str):
        if isinstance(value, int | float):
            raise ValueError(f'a duration has a unit: "{value}s"?')
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError('not a duration; write for example "200ms", "30s", "20min" or "1h"')
    return float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float) -> str:
    """Write seconds as `parse_duration` reads them: in the largest unit of which they are a whole number."""
    for unit in ("d", "h", "min", "s", "ms"):
        count = round(seconds / _UNITS[unit])
        if count and count * _UNITS[unit] == seconds:
            return f"{count}{unit}"
    return f"{Decimal(repr(seconds)):f}s" if seconds else "0s"


def format_size(size: int) -> str | int:
    """Write bytes with the largest unit of which they are a whole number, as "32MiB"; else as they are."""
    for power, unit in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return int(size)


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "not a whole number")
    return value


def parse_listen(text: str) -> tuple[str, int]:
    """Split HOST:PORT (an IPv6 address in brackets) of a listener; port 0 is any free one; raises ValueError."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > 65535:
        raise ValueError('not HOST:PORT; write for example "127.0.0.1:9464"')
    return match[1].strip("[]"), int(match[2])


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _loopback(text: str) -> str:
    host, _ = parse_listen(text)
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        raise ValueError(f"{host} is not a loopback address; use 127.0.0.1, or metrics_listen for metrics alone")
    return text


Listen = Annotated[str, AfterValidator(_listen)]
"""HOST:PORT of a listener, an IPv6 address in brackets."""

LoopbackListen = Annotated[str, AfterValidator(_loopback)]
"""HOST:PORT of a listener that nobody on another machine can reach."""

_WRITTEN_DURATION = (
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^\s*{_DURATION.pattern}\s*$", "examples": ["200ms", "30s", "20min", "1h"]}
    ),
)

Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, allow_inf_nan=False), *_WRITTEN_DURATION]
"""Seconds, written with a unit: "200ms", "30s", "20min", "1h"."""

PositiveDuration = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0, allow_inf_nan=False), *_WRITTEN_DURATION
]
"""Seconds above 0, written with a unit."""

PositiveSize = Annotated[
    ByteSize,
    Field(gt=0),
    PlainSerializer(format_size, return_type=str | int, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d*\.?\d+\s*[A-Za-z]*$", "examples": ["32MiB"]},
            ]
        }
    ),
]
"""Bytes above 0, a number or written with a unit: "32MiB"."""

Whole = Annotated[int, BeforeValidator(_not_bool)]
"""A whole number; true and false are none, though Python says so."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
"""A name of a broker, route, target, bridge or instance: it becomes part of queue names, client ids and labels."""
