"""The contract of a source (bridge/ports.py), as checks that every connector runs."""

import asyncio
from collections.abc import Sequence

import pytest

from bridge.errors import Disconnected, FedbridgeError
from bridge.message import Delivery, Header, Message
from bridge.ports import Source
from tests.contract.kits import SourceKit, memory_growth_below

PATIENCE = 30.0


async def take(source: Source, count: int, limit: int = 1000) -> list[Delivery]:
    """Receive exactly `count` deliveries, without settling them."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(deliveries) < count:
            got = await source.receive(min(limit, count - len(deliveries)))
            assert 1 <= len(got) <= limit, "1 to limit deliveries at a time"
            deliveries += got
    return deliveries


def bodies(deliveries: Sequence[Delivery]) -> list[bytes | None]:
    return [delivery.message.body for delivery in deliveries]


def numbered(count: int, size: int = 8) -> list[bytes]:
    return [f"{number:08}".encode().ljust(size, b".") for number in range(count)]


def receipts(deliveries: Sequence[Delivery]) -> list[object]:
    return [delivery.receipt for delivery in deliveries]


async def opens_and_closes(kit: SourceKit) -> None:
    for _ in range(2):
        async with asyncio.timeout(PATIENCE):
            async with kit.open() as source:
                assert source.waiting is None


async def body_and_headers_survive(kit: SourceKit) -> None:
    headers: list[Header] = [("tenant", "string", "acmé"), ("flag", "bool", True), ("count", "i32", -7)]
    await kit.publish([b"\x00\xffbody"], headers)
    async with kit.open() as source:
        (delivery,) = await take(source, 1)
        assert isinstance(delivery.message, Message)
        assert delivery.message.body == b"\x00\xffbody"
        assert list(delivery.message.headers) == headers
        assert delivery.message.uid
        assert delivery.size >= len(b"\x00\xffbody")
        assert delivery.redelivered is False


async def an_empty_body_is_not_none(kit: SourceKit) -> None:
    await kit.publish([b""])
    async with kit.open() as source:
        assert bodies(await take(source, 1)) == [b""]


async def keeps_the_order(kit: SourceKit) -> None:
    await kit.publish(numbered(1000))
    async with kit.open() as source:
        assert bodies(await take(source, 1000, limit=7)) == numbered(1000)


async def settling_all_leaves_the_broker_empty(kit: SourceKit) -> None:
    await kit.publish(numbered(100))
    async with kit.open() as source:
        source.settle(receipts(await take(source, 100)))
        await source.flush()
    assert await kit.left() == 0


async def settling_none_brings_all_back(kit: SourceKit) -> None:
    await kit.publish(numbered(50))
    async with kit.open() as source:
        await take(source, 50)
    async with kit.open() as source:
        assert bodies(await take(source, 50)) == numbered(50)


async def marks_what_was_given_before(kit: SourceKit) -> None:
    await kit.publish(numbered(50))
    async with kit.open() as source:
        await take(source, 50)
    async with kit.open() as source:
        assert all(delivery.redelivered for delivery in await take(source, 50))


async def what_was_settled_from_the_beginning_does_not_come_back(kit: SourceKit) -> None:
    await kit.publish(numbered(20))
    async with kit.open() as source:
        deliveries = await take(source, 20)
        source.settle(receipts(deliveries[5:10]))
        source.settle(receipts(deliveries[0:5]))
        await source.flush()
    async with kit.open() as source:
        assert bodies(await take(source, 10)) == numbered(20)[10:]


async def what_is_not_settled_comes_back_and_nothing_else(kit: SourceKit) -> None:
    await kit.publish(numbered(20))
    async with kit.open() as source:
        deliveries = await take(source, 20)
        source.settle(receipts(deliveries[10:15]))  # out of order, with gaps
        source.settle(receipts(deliveries[2:5]))
        source.settle(receipts(deliveries[0:1]))
        await source.flush()
    open_still = [*range(1, 2), *range(5, 10), *range(15, 20)]
    async with kit.open() as source:
        assert bodies(await take(source, len(open_still))) == [numbered(20)[number] for number in open_still]


async def a_receipt_of_another_epoch_settles_nothing(kit: SourceKit) -> None:
    await kit.publish(numbered(10))
    async with kit.open() as source:
        stale = receipts(await take(source, 10))
    async with kit.open() as source:
        await take(source, 10)
        source.settle(stale)
        await source.flush()
    assert await kit.left() == 10


async def a_cancelled_receive_loses_nothing(kit: SourceKit) -> None:
    async with kit.open() as source:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await source.receive(10)
        await kit.publish(numbered(30))
        received: list[Delivery] = []
        async with asyncio.timeout(PATIENCE):
            while len(received) < 30:
                try:
                    async with asyncio.timeout(0):
                        received += await source.receive(4)
                except TimeoutError:
                    received += await source.receive(4)
        assert bodies(received) == numbered(30)


async def gives_no_more_than_the_window(kit: SourceKit) -> None:
    await kit.publish(numbered(30))
    async with kit.open(messages=10) as source:
        first = await take(source, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await source.receive(10)
        source.settle(receipts(first))
        assert bodies(await take(source, 10)) == numbered(30)[10:20]


async def a_stopped_broker_is_a_disconnect(kit: SourceKit) -> None:
    await kit.publish(numbered(5))
    with pytest.raises(Disconnected):  # noqa: PT012 - the loss shows although nobody asks
        async with asyncio.timeout(PATIENCE), kit.open() as source:
            deliveries = await take(source, 5)
            await kit.stop()
            await asyncio.Event().wait()
    with pytest.raises(Disconnected):
        await source.receive(5)
    source.settle(receipts(deliveries))  # never raises
    with pytest.raises(Disconnected):
        await source.flush()
    with pytest.raises(FedbridgeError) as refused:
        async with kit.open():
            pass
    assert isinstance(refused.value, Disconnected)
    await kit.start()
    async with kit.open() as source:
        assert bodies(await take(source, 5)) == numbered(5)


async def ten_thousand_in_bounded_memory(kit: SourceKit) -> None:
    await kit.publish(numbered(10_000, size=4096))  # 40 MB
    async with kit.open(messages=200, size=1 << 20) as source:
        done = 0
        with memory_growth_below(24 << 20):
            while done < 10_000:
                deliveries = await take(source, min(100, 10_000 - done), limit=100)
                source.settle(receipts(deliveries))
                done += len(deliveries)
        await source.flush()
    assert await kit.left() == 0


CHECKS = (
    opens_and_closes,
    body_and_headers_survive,
    an_empty_body_is_not_none,
    keeps_the_order,
    settling_all_leaves_the_broker_empty,
    settling_none_brings_all_back,
    marks_what_was_given_before,
    what_was_settled_from_the_beginning_does_not_come_back,
    what_is_not_settled_comes_back_and_nothing_else,
    a_receipt_of_another_epoch_settles_nothing,
    a_cancelled_receive_loses_nothing,
    gives_no_more_than_the_window,
    a_stopped_broker_is_a_disconnect,
    ten_thousand_in_bounded_memory,
)
