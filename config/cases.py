"""Tests of routes, `fedbridge test FILE`: what may be written in FILE, and reading it."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import Discriminator, Field, PlainValidator, Tag, ValidationError
from pydantic_core import InitErrorDetails

from config.documents import Document, read_file
from config.errors import ConfigError
from config.mapping import RESERVED
from config.messages import explain
from config.places import Finding, Places
from config.positions import Path
from config.settings import RouteSettings, Settings
from config.shape import keys_at
from config.tables import Table
from config.typed import Headers, Report, read_bytes, read_headers, read_text
from config.values import Kind, Whole

ADDRESS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "amqp": ("exchange", "routing_key"),
    "kafka": ("topic",),
    "mqtt": ("topic",),
    "redis": ("stream",),
}
"""What a message's address is called, by the kind of the broker that has it."""

_Read = TypeVar("_Read")


def _reading(read: Callable[[Any, Report], _Read]) -> PlainValidator:
    """Make a validator of a reader."""

    def validate(written: Any) -> _Read:
        details: list[InitErrorDetails] = []

        def report(path: Path, text: str) -> None:
            error = ValueError(text)
            details.append(InitErrorDetails(type="value_error", loc=path, input=written, ctx={"error": error}))

        found = read(written, report)
        if details:
            raise ValidationError.from_exception_data("test", details)
        return found

    return PlainValidator(validate)


def _content(written: Any, report: Report) -> bytes | None:
    """A body or a key; { none = true } is none."""
    if not isinstance(written, dict) or "none" not in written:
        return read_bytes(written, report)
    if written != {"none": True} or written["none"] is not True:
        report(("none",), "is true and alone where there is none")
    return None


_Text = Annotated[str, _reading(read_text)]
_Content = Annotated[bytes | None, _reading(_content)]


class CaseProperties(Table):
    """`properties = { … }`: the standard properties; the timestamp is in milliseconds since 1970."""

    content_type: _Text | None = None
    content_encoding: _Text | None = None
    delivery_mode: Whole | None = None
    priority: Whole | None = None
    correlation_id: _Text | None = None
    reply_to: _Text | None = None
    expiration: _Text | None = None
    message_id: _Text | None = None
    timestamp: Whole | None = None
    type: _Text | None = None
    user_id: _Text | None = None
    app_id: _Text | None = None
    cluster_id: _Text | None = None


class CaseMessage(Table):
    """A typed message, as the bridge has it once it is read; its address in the words of its kind of broker."""

    exchange: _Text | None = None
    routing_key: _Text | None = None
    topic: _Text | None = None
    stream: _Text | None = None
    address: _Text | None = Field(None, description="The routing key, topic or stream.")
    uid: str = Field("test", description="Its fedbridge-uid, of a message that comes; what is expected has none.")
    body: _Content = b""
    key: _Content = None
    properties: CaseProperties = CaseProperties()
    headers: Annotated[Headers, _reading(read_headers)] = Headers()

    @property
    def place(self) -> str | None:
        """The routing key, topic or stream, None if none is written."""
        stated = (self.address, self.routing_key, self.topic, self.stream)
        return next((text for text in stated if text is not None), None)


class Refused(Table):
    """`{ refused = REASON }`: the message goes by `on_error`."""

    refused: str = Field(min_length=1)


def _expected(value: object) -> str:
    if isinstance(value, str):
        return "<word>"
    return (
        "<refusal>" if isinstance(value, Refused) or (isinstance(value, dict) and "refused" in value) else "<message>"
    )


def _expected_of_all(value: object) -> str:
    found = _expected(value)
    if found == "<refusal>" and isinstance(value, dict) and isinstance(value["refused"], dict):
        return "<targets>"  # one that is called so
    return "<targets>" if found == "<message>" else found


_Filtered: TypeAlias = Annotated[Literal["filtered"], Tag("<word>")]
_Refusal: TypeAlias = Annotated[Refused, Tag("<refusal>")]
_Message: TypeAlias = Annotated[CaseMessage, Tag("<message>")]
Expected: TypeAlias = Annotated[_Filtered | _Refusal | _Message, Discriminator(_expected)]
"""What becomes of a message at one target."""

_Targets: TypeAlias = Annotated[dict[str, Expected], Tag("<targets>")]


class Case(Table):
    """`[[tests]]`: a message that comes to a route, and what becomes of it, at all targets or by their names."""

    name: str = Field(min_length=1)
    route: str
    message: CaseMessage
    expect: Annotated[_Filtered | _Refusal | _Targets, Discriminator(_expected_of_all)]


class CaseFile(Table):
    """The whole file."""

    tests: list[Case] = Field(min_length=1)


def load_cases(path: FilePath, settings: Settings | None) -> tuple[Document, list[Case]]:
    """Read tests of routes; raises ConfigError with every problem, each with its place.

    Without settings nobody knows the routes, and what has to fit them is not looked at.
    """
    document = read_file(path)
    found: list[Finding] = []
    cases: list[Case] = []
    try:
        cases = CaseFile.model_validate(document.data).tests
    except ValidationError as error:
        keys = partial(keys_at, root=CaseFile)
        found = [Finding(*explain(detail, keys)) for detail in error.errors(include_url=False)]
    tests = document.data.get("tests")
    for number, test in enumerate(tests if isinstance(tests, list) else ()):
        found += [Finding(*each) for each in _misfits(test, settings, ("tests", number))]
    if found:
        places = Places([document], {})
        raise ConfigError([places.problem(each) for each in sorted(found, key=lambda each: places.rank(each.path))])
    return document, cases


def _misfits(test: Any, settings: Settings | None, path: Path) -> Iterator[tuple[Path, str]]:
    """What does not fit the route, and what no test may say; raw values, as they were written."""
    test = _table(test)
    message, expect = _table(test.get("message")), _table(test.get("expect"))
    yield from _ours(message.get("headers"), (*path, "message", "headers"))
    if expect == {} and "expect" in test and isinstance(test["expect"], dict):
        yield (*path, "expect"), 'is empty: write "filtered", { refused = … }, or what each target gets, by its name'
    name = test.get("route")
    if settings is None or not isinstance(name, str):
        return
    route = settings.routes.get(name)
    if route is None:
        yield (*path, "route"), f"there is no [routes.{name}]{_hint(name, settings.routes)}"
        return
    if "message" in test:
        yield from _addressed(message, route.source.settings.kind, "from", (*path, "message"))
    if _expected_of_all(test.get("expect")) == "<targets>":
        for target, expected in expect.items():
            yield from _target(target, expected, name, route, (*path, "expect", target))


def _target(name: str, expected: Any, route: str, settings: RouteSettings, path: Path) -> Iterator[tuple[Path, str]]:
    kinds = {target.name: target.kind for target in settings.targets.settings}
    if name not in kinds:
        yield path, f"route {route} has no target {name}{_hint(name, kinds)}"
    elif isinstance(expected, dict) and "refused" not in expected:
        yield from _addressed(expected, kinds[name], "to", path)
        if "uid" in expected:
            yield (*path, "uid"), "is not compared: leave it out"


def _addressed(message: Mapping[str, Any], kind: Kind, way: str, path: Path) -> Iterator[tuple[Path, str]]:
    """Whether a message has the address that one from, or to, that kind of broker has."""
    own = ADDRESS[kind]
    for words in ADDRESS.values():
        for word in words:
            if word in message and word not in own:
                yield (*path, word), f"a message {way} {kind} has {' and '.join(own)}"
                return
    if own[-1] in message and "address" in message:
        yield (*path, "address"), f"is another word for {own[-1]}: leave one out"
    unknown = set(message) - set(CaseMessage.model_fields)
    if kind != "amqp" and own[-1] not in message and "address" not in message and not unknown:
        yield path, f"needs {own[-1]}"


def _ours(headers: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Headers that a message has no more once it was read."""
    named = (
        enumerate(each.get("name") if isinstance(each, dict) else None for each in headers)
        if isinstance(headers, list)
        else ((name, name) for name in _table(headers))
    )
    for at, name in named:
        if isinstance(name, str) and name.startswith(RESERVED):
            yield (*path, at), f"headers that begin with {RESERVED} are the bridge's own; none is left once it is read"


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _hint(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]}?)" if close else f" (there is {', '.join(known)})" if known else ""
