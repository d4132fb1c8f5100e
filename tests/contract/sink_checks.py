"""The contract of a sink (bridge/ports.py), as checks that every connector runs."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from bridge.errors import Disconnected
from bridge.message import DELIVERED, Message, Outcome, Verdict
from bridge.ports import Sink
from tests.contract.kits import SinkKit, memory_growth_below

PATIENCE = 30.0


def numbered(count: int, size: int = 8) -> list[Message]:
    return [Message(f"{number:08}".encode().ljust(size, b"."), f"uid-{number}") for number in range(count)]


async def send_all(sink: Sink, messages: Sequence[Message], most: int = 1000) -> list[Outcome]:
    """Send within the room, pipelined, and give every outcome in order."""
    futures = []
    async with asyncio.timeout(PATIENCE):
        sent = 0
        while sent < len(messages):
            room = min(await sink.room(), most)
            assert room > 0
            futures.append(await sink.send(messages[sent : sent + room]))
            sent += room
        return [outcome for future in futures for outcome in await future]


async def opens_and_closes(kit: SinkKit) -> None:
    for _ in range(2):
        async with asyncio.timeout(PATIENCE):
            async with kit.open() as sink:
                assert sink.waiting is None
                assert await sink.room() > 0


async def body_headers_and_uid_survive(kit: SinkKit) -> None:
    message = Message(b"\x00\xffbody", "uid-1", headers=[("tenant", "string", "acmé"), ("void", "void", None)])
    async with kit.open() as sink:
        assert await send_all(sink, [message, message._replace(body=b"", uid="uid-2")]) == [DELIVERED] * 2
    (body, headers), (empty, _) = await kit.arrived(2)
    assert body == b"\x00\xffbody"
    assert empty == b"", "an empty body is not None"
    assert headers["tenant"] == "acmé".encode()
    assert headers["void"] is None
    assert headers["fedbridge-uid"] == b"uid-1"


async def keeps_the_order_of_pipelined_batches(kit: SinkKit) -> None:
    messages = numbered(2000)
    async with kit.open() as sink:
        assert await send_all(sink, messages, most=37) == [DELIVERED] * 2000
    assert [body for body, _ in await kit.arrived(2000)] == [message.body for message in messages]


async def a_refusal_is_not_delivered(kit: SinkKit) -> None:
    messages = numbered(20)
    messages[7] = kit.refused
    async with kit.open() as sink:
        outcomes = await send_all(sink, messages)
        assert [number for number, outcome in enumerate(outcomes) if outcome != DELIVERED] == [7]
        assert outcomes[7].verdict is Verdict.REJECTED
        assert outcomes[7].reason
        assert await send_all(sink, numbered(1)) == [DELIVERED], "the next message flows"
    expected = [message.body for message in messages if message is not kit.refused] + [numbered(1)[0].body]
    assert [body for body, _ in await kit.arrived(20)] == expected


async def room_can_be_cancelled(kit: SinkKit) -> None:
    async with kit.open(messages=5) as sink:
        full = await sink.send(numbered(5))
        for _ in range(20):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await sink.room()
        assert await full == [DELIVERED] * 5
        assert await send_all(sink, numbered(50)) == [DELIVERED] * 50
    assert len(await kit.arrived(55)) == 55


async def a_cancelled_waiter_does_not_cancel_the_sending(kit: SinkKit) -> None:
    async with kit.open() as sink:
        future = await sink.send(numbered(10))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.shield(future)
        async with asyncio.timeout(PATIENCE):
            assert await future == [DELIVERED] * 10
    assert len(await kit.arrived(10)) == 10


async def leaving_resolves_everything(kit: SinkKit) -> None:
    async with kit.open() as sink:
        future = await sink.send(numbered(100))
    assert future.done()
    assert len(future.result()) == 100
    assert {outcome.verdict for outcome in future.result()} <= {Verdict.DELIVERED, Verdict.UNKNOWN}


async def a_stopped_broker_leaves_unknown_outcomes(kit: SinkKit) -> None:
    futures = []
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss ends the context, wherever its body is
        async with asyncio.timeout(PATIENCE), kit.open() as sink:
            assert await send_all(sink, numbered(5)) == [DELIVERED] * 5
            await kit.stop()
            futures.append(await sink.send(numbered(1)))
            await asyncio.Event().wait()  # the loss shows although nobody asks
    assert all(future.result()[0].verdict is Verdict.UNKNOWN for future in futures)
    with pytest.raises(Disconnected):
        async with kit.open():
            pass
    await kit.start()
    async with kit.open() as sink:
        assert await send_all(sink, numbered(5)) == [DELIVERED] * 5
    assert len(await kit.arrived(10)) >= 10


async def ten_thousand_in_bounded_memory(kit: SinkKit) -> None:
    async with kit.open(messages=500) as sink:
        await send_all(sink, numbered(500, size=4096), most=100)  # what a connection needs at all
        with memory_growth_below(24 << 20):
            for _ in range(20):  # 40 MB
                assert await send_all(sink, numbered(500, size=4096), most=100) == [DELIVERED] * 500
    assert len(await kit.arrived(10_500)) == 10_500


CHECKS = (
    opens_and_closes,
    body_headers_and_uid_survive,
    keeps_the_order_of_pipelined_batches,
    a_refusal_is_not_delivered,
    room_can_be_cancelled,
    a_cancelled_waiter_does_not_cancel_the_sending,
    leaving_resolves_everything,
    a_stopped_broker_leaves_unknown_outcomes,
    ten_thousand_in_bounded_memory,
)
