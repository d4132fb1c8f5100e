"""Logging: one line per event, on stderr, with the fields `ts`, `level`, `event` and whatever the event has.

Our own code logs through structlog; the libraries log through the standard library and come out in the same form. Of
those only what they call critical is written, since they report as errors what the bridge itself handles and tells; at
level debug their warnings too, and never their own debug lines, which hold whole messages (research/reliability.md,
section 5).
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import LogSettings

LIBRARIES = ("aio_pika", "aiormq", "aiokafka", "asyncio")
"""The loggers of the libraries whose lines are held back."""

_FIRST = ("ts", "level", "event")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What moves the cursor, colours a terminal or breaks a line, and what cannot be written as UTF-8."""


def configure(settings: LogSettings) -> None:
    """Set up logging for the whole process, in place of what was set up before; called once by a command that logs."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    rendering = _rendering(settings.format or ("console" if sys.stderr.isatty() else "json"))
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING if settings.level == "debug" else logging.CRITICAL)


def _rendering(chosen: str) -> list[Processor]:
    match chosen:
        case "console":
            colours = sys.stderr.isatty()
            return [_escape_values, structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="ts", sort_keys=False)]
        case "logfmt":
            return [structlog.processors.LogfmtRenderer(key_order=_FIRST, bool_as_flag=False), _escape_line]
        case _:
            return [_json]


def _json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """One JSON object; control characters are escaped as JSON does, those too that JSON would let stand."""
    ordered = _ordered(event)
    try:
        text = orjson.dumps(ordered, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # surrogates, integers beyond 64 bits
        text = json.dumps(ordered, default=str)
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape_line(logger: WrappedLogger, method: str, line: EventDict | str) -> str:
    """Escape what is left in a rendered line that could break or forge it."""
    return _CONTROL.sub(_escape, str(line))


def _escape_values(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape the values before they are coloured; tracebacks keep their lines."""
    return {
        key: value if value is None or isinstance(value, bool | int | float) else _escaped(str(value), key)
        for key, value in event.items()
    }


def _escaped(text: str, key: str) -> str:
    if key == "exception":
        return "\n".join(_CONTROL.sub(_escape, line) for line in text.split("\n"))
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def _ordered(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: event[key] for key in _FIRST if key in event}, **event}
