"""The edge at which the library's exceptions become the bridge's."""

import asyncio

import pytest
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)

from bridge.errors import Disconnected, RouteFault
from connectors.amqp.errors import missing, translated

BROKER = "amqp://rabbit:5672/"


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (ProbableAuthenticationError("ACCESS_REFUSED - Login was refused"), "authentication", "change username"),
        (ConnectionNotAllowed("NOT_ALLOWED - vhost x not found"), "missing", "virtual host"),
        (ConnectionNotAllowed("NOT_ALLOWED - access to vhost 'x' refused for user 'u'"), "forbidden", "grant"),
        (ChannelAccessRefused(403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"), "locked", "stop"),
        (ChannelAccessRefused(403, "ACCESS_REFUSED - access to queue 'q' refused"), "forbidden", "grant"),
        (ChannelLockedResource(405, "RESOURCE_LOCKED - cannot obtain exclusive access"), "locked", "another queue"),
        (ChannelNotFoundEntity(404, "NOT_FOUND - no queue 'q' in vhost '/'"), "missing", "declare = true"),
        (ChannelNotFoundEntity(404, "NOT_FOUND - no exchange 'e' in vhost '/'"), "missing", "exchange_durable"),
        (ChannelPreconditionFailed(406, "PRECONDITION_FAILED - inequivalent arg"), "conflict", "change"),
    ],
)
def test_what_only_a_person_can_change_is_a_fault(error: Exception, reason: str, words: str) -> None:
    with pytest.raises(RouteFault, match=words) as caught, translated(BROKER, "doing this"):
        raise error
    assert caught.value.reason == reason
    assert BROKER in str(caught.value)
    assert "while doing this" in str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "refused"),
        (TimeoutError(), "timeout"),
        (OSError("no route"), "lost"),
        (AMQPConnectionError("Server connection unexpectedly closed"), "lost"),
        (ConnectionClosed(320, "CONNECTION_FORCED - shutdown"), "lost"),
        (ChannelNotFoundEntity(404, "NOT_FOUND - home node of durable queue 'q' is down or inaccessible"), "lost"),
        (ChannelInvalidStateError("closed"), "lost"),
        (ChannelPreconditionFailed(406, "PRECONDITION_FAILED - unknown delivery tag 7"), "lost"),
        (
            ChannelPreconditionFailed(
                406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1 ms."
            ),
            "lost",
        ),
        (RuntimeError("<Connection> closed"), "lost"),
        (Exception(), "lost"),
        (asyncio.CancelledError(), "lost"),
    ],
)
async def test_everything_else_of_the_library_is_disconnected(error: BaseException, reason: str) -> None:
    with pytest.raises(Disconnected, match="while doing this") as caught, translated(BROKER, "doing this"):
        raise error
    assert caught.value.reason == reason


@pytest.mark.parametrize("error", [KeyError("a bug"), RuntimeError("a bug"), Disconnected("ours")])
def test_a_bug_and_our_own_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated(BROKER, "doing this"):
        raise error
    assert caught.value is error


def test_only_a_404_that_says_so_means_missing() -> None:
    assert missing(ChannelNotFoundEntity(404, "NOT_FOUND - no queue 'q' in vhost '/'"))
    assert missing(ChannelNotFoundEntity(404, "NOT_FOUND - no exchange 'e' in vhost '/'"))
    assert not missing(ChannelNotFoundEntity(404, "NOT_FOUND - home node of durable queue 'q' is down or inaccessible"))


async def test_a_cancellation_of_ours_passes() -> None:
    started = asyncio.Event()

    async def work() -> None:
        with translated(BROKER, "waiting"):
            started.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await started.wait()
        task.cancel()
    assert task.cancelled()


@pytest.mark.parametrize("closing", [None, ChannelInvalidStateError("closed")])
async def test_a_cancellation_that_the_library_swallows_or_replaces_is_raised(closing: Exception | None) -> None:
    """As aiormq does when it comes while a channel closes."""
    started = asyncio.Event()

    async def work() -> None:
        with translated(BROKER, "closing a channel"):
            try:
                started.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if closing is not None:
                    raise closing from None

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await started.wait()
        task.cancel()
    assert task.cancelled()
