"""What pydantic says of a value, in words for the person who wrote it; the value of a secret is never in them."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from config.positions import Path
from config.shape import keys_at

_NOT = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of reasonable size",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": "a name of a-z, 0-9, _ and -, beginning with a letter or digit",
    "byte_size": 'a size; write for example "32MiB"',
    "byte_size_unit": 'a size; write for example "32MiB"',
    "greater_than": "above {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "string_too_long": "at most {max_length} characters",
}
"""What a value is not, by the type of the error; the braces take pydantic's context."""

_PLAIN = {"string_too_short": "is empty", "too_short": "is an empty list"}

_HARMLESS_BROKER_KEYS = ("heartbeat", "connect_timeout", "broker_timeout")
_LONGEST = 60
_TAGS = ("<one>", "<list>", "<word>", "<refusal>", "<message>", "<targets>", "[key]")
"""What pydantic puts into a path beside what was written: the tags of unions."""


def explain(  # noqa: PLR0911 - one return for each way to put it
    error: ErrorDetails, keys: Callable[[Path], Sequence[str]] = keys_at
) -> tuple[Path, str]:
    """The path of the setting that is wrong, and a sentence about it; `keys` are those of the table at a path."""
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and part in _TAGS))
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return path[:-1], f"needs {path[-1]}"
    if kind == "extra_forbidden":
        return path, f"unknown key{_instead(path, error['input']) or _suggestion(str(path[-1]), keys(path[:-1]))}"
    if kind in _PLAIN:
        return path, _PLAIN[kind]
    if kind == "value_error":
        text = str(context["error"])
        return path, _is_not(path, error["input"], text.removeprefix("not ")) if text.startswith("not ") else text
    if kind == "literal_error":
        return path, _is_not(path, error["input"], _choices(error["input"], context))
    wanted = _NOT.get(kind)
    if wanted is None:
        return path, error["msg"]
    return path, _is_not(path, error["input"], wanted.format_map(context))


def _is_not(path: Path, value: object, wanted: str) -> str:
    return f"is not {wanted}" if _is_secret(path) else f"is {_shown(value)}, not {wanted}"


def _is_secret(path: Path) -> bool:
    """Whether a value may hold a credential: anything of a broker but its times, since it may stand at a wrong key."""
    return path[:1] == ("brokers",) and path[2:3] not in [(key,) for key in _HARMLESS_BROKER_KEYS]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        short = value if len(value) <= _LONGEST else value[:_LONGEST] + "…"
        return json.dumps(short, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _choices(value: object, context: Mapping[str, Any]) -> str:
    choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
    close = difflib.get_close_matches(str(value).lower(), choices, 1)
    return f"one of {', '.join(choices)}" + (f" (did you mean {close[0]}?)" if close else "")


def _instead(path: Path, value: object) -> str:
    """What to write for a key that means something else than any key does: a queue is no target of its own in AMQP."""
    if tuple(part for part in path[2:] if isinstance(part, str)) != ("to", "amqp", "queue"):
        return ""
    return f' (for a queue write exchange = "", routing_key = {_shown(value if isinstance(value, str) else "NAME")})'


def _suggestion(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f" (known are {', '.join(known)})" if known else ""
