"""Doing something until an event says that it is enough."""

import asyncio
from collections.abc import Coroutine


async def until(enough: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run `work` until it ends or `enough` is set, then cancel it; raises what `work` raises.

    Cancel-safe as far as `work` is: it has ended when this returns or raises.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work, name="work")
            waiting = tasks.create_task(enough.wait(), name="enough")
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            waiting.cancel()
    except BaseExceptionGroup as group:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A task group prefers its children's errors to a cancellation from outside, which would be lost.
            raise asyncio.CancelledError from group
        raise group.exceptions[0] from None
