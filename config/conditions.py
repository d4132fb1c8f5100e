"""`filter`: an expression in CEL, the Common Expression Language, that says which messages a route relays.

Read here so that what is wrong with it is told with its place; `bridge.filters` evaluates it. The package that does
both is an extra, and is loaded only where a filter is.
"""
# ruff: noqa: PLC0415 - the package is loaded only where a filter is

import difflib
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from config.errors import Misplaced

SAMPLE: Final[Mapping[str, Any]] = {
    "address": "orders.eu",
    "exchange": "orders",
    "routing_key": "orders.eu",
    "key": "7",
    "uid": "0b7c5d1e",
    "body": "{}",
    "json": {},
    "headers": {},
    "properties": {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "priority": 5,
        "correlation_id": "7",
        "reply_to": "replies",
        "expiration": "60000",
        "message_id": "7",
        "timestamp": 1767225600000,
        "type": "order.created",
        "user_id": "guest",
        "app_id": "shop",
        "cluster_id": "eu",
    },
}
"""A message as a filter sees it: the names that a filter may use, each with a value of its type."""

FUNCTIONS: Final = frozenset(
    (
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "timestamp",
        "duration",
        "type",
        "dyn",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
    )
)
"""The functions that CEL has in that package."""

ERRORS: Final = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What evaluating an expression raises: for numbers out of range, what is not there, what does not fit."""

_TYPES: Final = frozenset(("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"))
_MACROS: Final = ("all", "exists", "exists_one", "filter", "map", "has")
_STRING = re.compile(
    r"""(?:(?:\b[bB])?[rR](?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
       |\"{3}(?:\\.|.)*?\"{3}|'{3}(?:\\.|.)*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*)""",
    re.VERBOSE | re.DOTALL,
)
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|filter|map)\s*\(\s*([A-Za-z_]\w*)\s*,")
_SELECTED = re.compile(r"\s*\.\s*(?P<name>[A-Za-z_]\w*+)(?!\s*\()")
_INDEXED = re.compile(r"""\s*\[\s*(?P<quote>["'])(?P<name>[^"'\\\n]*)(?P=quote)\s*\]""")
_ASKED = re.compile(r"""(?:\A|[(\[&|?:,])\s*(?P<quote>["'])(?P<name>[^"'\\\n]*)(?P=quote)\s+in\s*\Z""")
_PROBLEM = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MISFIT = "an operation does not fit the types of its values, such as text compared with a number"


def checked(text: str) -> str:
    """Give an expression back that is right, as far as that can be told without a message.

    Raises ValidationError with a Misplaced, a ValueError with its place in the text, for each thing that is wrong.
    """
    program = _compiled(_package(), text)
    names, functions = _unknown(program, text)
    wrong = [*_each(text, names, _no_name), *_each(text, functions, _no_function)]
    if wrong:
        raise _together(text, wrong)
    trial = _tried(program)
    if trial is not None:
        raise ValueError(trial)
    return text


def failure(text: str) -> str | None:
    """Why an expression, which is right, fails for a message without headers and with an empty JSON object in it.

    None if it does not: that is what a filter is asked to be ready for.
    """
    try:
        _package().compile(text).execute(dict(SAMPLE))
    except ERRORS as error:
        return said(error)
    return None


def names_in(text: str) -> frozenset[str]:
    """The names of SAMPLE that an expression uses, which is right."""
    return frozenset(_package().compile(text).variables()) & SAMPLE.keys()


def members(text: str, root: str) -> frozenset[str] | None:
    """The members of `headers` or `properties` that an expression, which is right, may look at; None: any.

    They are what stands behind the dot or in brackets, or in quotes before `in`.
    """
    code = _without_strings(text)
    found: set[str] = set()
    for use in re.finditer(rf"(?<![\w.]){root}(?!\w)", code):
        match = (
            _SELECTED.match(code, use.end()) or _INDEXED.match(text, use.end()) or _ASKED.search(text, 0, use.start())
        )
        if match is None:
            return None
        found.add(match["name"])
    return frozenset(found)


def said(error: Exception) -> str:
    """What an error of evaluating an expression says, for a person."""
    text = str(error).split(". Check")[0].strip()
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]!r}"
    if isinstance(error, TypeError):
        return _MISFIT
    if match := re.match(r"Undefined variable or function: '(\w+)'", text):
        return f"{match[1]} does not fit the type of the value it is given"
    return text.splitlines()[0] if text else type(error).__name__


def _package() -> ModuleType:
    try:
        import cel
    except ImportError:
        raise ValueError("needs the extra package for CEL: pip install 'fedbridge[cel]'") from None
    return cel


def _compiled(cel: ModuleType, text: str) -> Any:
    try:
        return cel.compile(text)
    except ValueError as error:
        told = str(error).removeprefix(f"Failed to parse expression '{text}': ")
    found = [(int(line), int(column), what) for line, column, what in _PROBLEM.findall(told)]
    if not found:
        raise ValueError(f"cannot be read as CEL: {told.splitlines()[0]}")
    line, column, what = min(found, key=lambda problem: (not problem[2].startswith("Syntax error"), problem))
    before = text.split("\n")[: line - 1]
    what = re.sub(r" expecting .*", "", what.removeprefix("Syntax error: ")).replace("'<EOF>'", "the end")
    raise Misplaced(f"cannot be read as CEL: {what}", sum(len(part) + 1 for part in before) + column - 1)


def _unknown(program: Any, text: str) -> tuple[set[str], set[str]]:
    """The names and the functions that an expression uses and nobody has."""
    used = program.references()
    bound = set(_BOUND.findall(_without_strings(text)))
    functions = {name for name in used["functions"] if name.isidentifier() and not name.startswith("_")}
    return set(used["variables"]) - SAMPLE.keys() - _TYPES - bound, functions - FUNCTIONS


def _without_strings(text: str) -> str:
    """The text with blanks for what is in quotes or a comment, each character at its place."""
    return _STRING.sub(lambda match: " " * len(match[0]), text)


def _each(text: str, names: set[str], say: Callable[[str], str]) -> list[Misplaced]:
    code = _without_strings(text)
    found = [(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", code), name) for name in names]
    return [Misplaced(say(name), 0 if match is None else match.start()) for match, name in found]


def _no_name(name: str) -> str:
    instead = {"topic": "address", "stream": "address", "header": "headers", "property": "properties"}
    if name in SAMPLE["properties"]:
        return f"unknown name {name} (did you mean properties.{name}?)"
    close = [instead[name]] if name in instead else difflib.get_close_matches(name, SAMPLE, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(SAMPLE)}"
    return f"unknown name {name} ({hint})"


def _no_function(name: str) -> str:
    close = difflib.get_close_matches(name, [*FUNCTIONS, *_MACROS], 1)
    return f"unknown function {name}" + (f" (did you mean {close[0]}?)" if close else "")


def _together(text: str, wrong: list[Misplaced]) -> ValidationError:
    in_order = sorted(wrong, key=lambda mistake: mistake.offset)
    return ValidationError.from_exception_data(
        "filter", [InitErrorDetails(type="value_error", loc=(), input=text, ctx={"error": each}) for each in in_order]
    )


def _tried(program: Any) -> str | None:
    """What is wrong with the expression whatever the message is, seen with SAMPLE; None if nothing is.

    What only a message can tell is no mistake: a header, a member of the JSON, a number that is too large.
    """
    try:
        value = program.execute(dict(SAMPLE))
    except (TypeError, RuntimeError) as error:
        text = str(error)
        if "json" in program.variables() or (text.startswith("Function '") and "not a valid regex" not in text):
            return None
        return f"cannot be evaluated: {said(error)}"
    except ERRORS:
        return None
    return None if isinstance(value, bool) else f"gives {kind(value)}, not true or false"


def kind(value: object) -> str:
    """What an expression gave that is no boolean, for a person."""
    kinds = {int: "a number", float: "a number", str: "text", list: "a list", dict: "a map", bytes: "bytes"}
    return "null" if value is None else kinds.get(type(value), "something")
