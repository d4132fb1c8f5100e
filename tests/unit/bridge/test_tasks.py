import asyncio

import pytest

from bridge.errors import Disconnected
from bridge.tasks import until


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise Disconnected("gone")


async def test_the_work_is_cancelled_when_it_is_enough() -> None:
    enough = asyncio.Event()
    asyncio.get_running_loop().call_soon(enough.set)
    await until(enough, wait_for_ever())


async def test_it_returns_when_the_work_ends() -> None:
    await until(asyncio.Event(), asyncio.sleep(0))


async def test_it_raises_what_the_work_raises_and_not_a_group() -> None:
    with pytest.raises(Disconnected):
        await until(asyncio.Event(), fail())


async def test_a_cancellation_is_not_lost_when_the_work_fails_at_the_same_moment() -> None:
    failing = asyncio.Event()

    async def fail_when_told() -> None:
        await failing.wait()
        raise Disconnected("gone")

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(until(asyncio.Event(), fail_when_told()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        failing.set()
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
