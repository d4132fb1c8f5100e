"""Where aio-pika's and aiormq's exceptions become the bridge's: the one edge they do not cross."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)

from bridge.errors import Disconnected, FedbridgeError, RouteFault

_FAULTS: tuple[tuple[type[BaseException], str, str, str], ...] = (
    # what the library raises, words in the broker's text, reason, what to do; the first that fits counts
    (ProbableAuthenticationError, "", "authentication", "change username and password"),
    (AuthenticationError, "", "authentication", "let the broker accept PLAIN logins"),
    (ConnectionNotAllowed, "not found", "missing", "create the virtual host, or change the path of the URL"),
    (ConnectionNotAllowed, "refused", "forbidden", "grant the user access to the virtual host"),
    (ChannelAccessRefused, "exclusive use", "locked", "stop the consumer that has the queue for itself"),
    (ChannelAccessRefused, "", "forbidden", "grant the user the permission, or name something else"),
    (ChannelLockedResource, "", "locked", "it belongs to another connection; name another queue"),
    (ChannelNotFoundEntity, "no queue", "missing", "create it, or set declare = true"),
    (ChannelNotFoundEntity, "no exchange", "missing", "create it, or state exchange_durable"),
    (ChannelPreconditionFailed, "", "conflict", "change the route, or what is there"),
)

_PASSING: Final = ("delivery acknowledgement", "unknown delivery tag")
"""Words of a PRECONDITION_FAILED that a new channel mends: consumer_timeout was over, or an ack came twice."""


@contextmanager
def translated(broker: str, doing: str) -> Iterator[None]:
    """Turn what the library raises inside into RouteFault or Disconnected; `doing` completes "while …" in the text.

    A CancelledError passes if somebody cancelled this task, and is raised if the library swallowed it or raised
    something else, as it does when that happens while a channel closes: else this task would go on for ever. When its
    connection goes, aiormq also raises one, or a bare Exception, into every waiting call, and a bare RuntimeError at
    the next: those are Disconnected.
    """
    try:
        yield
    except FedbridgeError:
        raise
    except asyncio.CancelledError as error:
        if _cancelled():
            raise
        raise Disconnected(f"{broker}: the connection was lost while {doing}") from error
    except Exception as error:
        if _cancelled():
            raise asyncio.CancelledError from error
        if not (isinstance(error, AMQPError | OSError | EOFError | ChannelInvalidStateError) or _bare(error)):
            raise
        raise explained(error, broker, doing) from error
    if _cancelled():
        raise asyncio.CancelledError


def explained(error: BaseException | None, broker: str, doing: str) -> RouteFault | Disconnected:
    """Make the bridge's error of a library's: RouteFault where only a person can help, else Disconnected."""
    said = _text(error)
    for kind, words, reason, advice in _FAULTS:
        if isinstance(error, kind) and words in said and not any(passing in said for passing in _PASSING):
            return RouteFault(f"{broker}: {said}, while {doing}: {advice}", reason)
    if isinstance(error, TimeoutError):
        return Disconnected(f"{broker}: no answer in time while {doing}", "timeout")
    return Disconnected(
        f"{broker}: {said}, while {doing}", "refused" if isinstance(error, ConnectionRefusedError) else "lost"
    )


def missing(error: BaseException) -> bool:
    """Whether a 404 means that the thing does not exist, and not that its node in a cluster is down."""
    return "no queue" in str(error) or "no exchange" in str(error)


def _cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # outside of any loop
        return False
    return task is not None and task.cancelling() > 0


def _bare(error: Exception) -> bool:
    """Whether it is one of the plain exceptions that aiormq and aio-pika raise on a connection that has gone."""
    return type(error) is Exception or (type(error) is RuntimeError and str(error).endswith(("closed", "not opened")))


def _text(error: BaseException | None) -> str:
    """What the broker or the system said, in one line, without the library's own prose."""
    texts = [str(part) for part in getattr(error, "args", ()) if isinstance(part, str) and part]
    return " ".join((texts[-1] if texts else "the connection was lost").split())
