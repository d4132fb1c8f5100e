"""The arguments of queues that RabbitMQ knows, and what it takes for each: seen on 3.10.8.

Others may be any value: plugins have arguments of their own, and so have later versions.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails

_Arguments = TypeVar("_Arguments", bound=Mapping[str, object])
QUEUE_TYPE: Final = "x-queue-type"

_Count = Annotated[StrictInt, Field(ge=0)]
_TYPES: Final[Mapping[str, Any]] = {
    QUEUE_TYPE: Literal["classic", "quorum", "stream"],
    "x-max-length": _Count,
    "x-max-length-bytes": _Count,
    "x-max-in-memory-length": _Count,
    "x-max-in-memory-bytes": _Count,
    "x-message-ttl": _Count,
    "x-expires": Annotated[StrictInt, Field(ge=1)],
    "x-max-priority": Annotated[StrictInt, Field(ge=0, le=255)],
    "x-delivery-limit": StrictInt,
    "x-consumer-timeout": _Count,
    "x-quorum-initial-group-size": Annotated[StrictInt, Field(ge=1)],
    "x-queue-version": StrictInt,
    "x-single-active-consumer": StrictBool,
    "x-overflow": Literal["drop-head", "reject-publish", "reject-publish-dlx"],
    "x-queue-mode": Literal["default", "lazy"],
    "x-dead-letter-exchange": StrictStr,
    "x-dead-letter-routing-key": StrictStr,
    "x-dead-letter-strategy": Literal["at-most-once", "at-least-once"],
    "x-queue-leader-locator": StrictStr,
    "x-queue-master-locator": StrictStr,
}
_KNOWN: Final = {name: TypeAdapter(type_) for name, type_ in _TYPES.items()}


def checked(arguments: _Arguments) -> _Arguments:
    """Give the arguments back; raises ValidationError with each known one that RabbitMQ would refuse, at its name."""
    if wrong := [detail for name, value in arguments.items() for detail in _wrong(name, value)]:
        raise ValidationError.from_exception_data("arguments", wrong)
    return arguments


def meant(name: str, text: str) -> Any:
    """What text from outside a file stands for as that argument: a number or a boolean where it takes one."""
    try:
        return _KNOWN[name].validate_strings(text)
    except (KeyError, ValidationError):
        return text


def refused(path: tuple[str, ...], value: object, text: str) -> ValidationError:
    """The error about the value at a path below the table that is being validated, in words of one's own."""
    detail = InitErrorDetails(type="value_error", loc=path, input=value, ctx={"error": ValueError(text)})
    return ValidationError.from_exception_data("arguments", [detail])


def _wrong(name: str, value: object) -> Iterator[InitErrorDetails]:
    if name not in _KNOWN:
        return
    try:
        _KNOWN[name].validate_python(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            yield InitErrorDetails(type=found["type"], loc=(name,), input=value, ctx=found.get("ctx", {}))
