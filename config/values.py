"""The small values of the configuration: durations and names, and how they are written."""

import re
from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")


def parse_duration(value: object) -> object:
    """Turn "200ms", "30s", "20min", "1h" or "1d" into seconds; anything but text is left for pydantic to judge.

    Raises ValueError for text of another form: a number without a unit is refused, since nobody can tell which it is.
    """
    if not isinstance(value, str):
        if isinstance(value, int | float):
            raise ValueError(f'a duration has a unit: "{value}s"?')  # noqa: TRY004 - pydantic takes ValueError
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError('not a duration; write for example "200ms", "30s", "20min" or "1h"')
    return float(match[1]) * _UNITS[match[2]]


Duration = Annotated[float, BeforeValidator(parse_duration), Field(ge=0)]
"""Seconds, written with a unit: "200ms", "30s", "20min", "1h"."""

PositiveDuration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
"""Seconds above 0, written with a unit."""

PositiveSize = Annotated[ByteSize, Field(gt=0)]
"""Bytes above 0, a number or written with a unit: "32MiB"."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
"""A name of a broker, route, target, bridge or instance: it becomes part of queue names, client ids and metric labels."""
