"""Two things that asyncio's task groups lack: an end by event, and plain errors."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager


async def until(enough: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run `work` until it ends or `enough` is set, then cancel it; raises what `work` raises.

    Cancel-safe as far as `work` is: it has ended when this returns or raises.
    """
    with ungrouped():
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work, name="work")
            waiting = tasks.create_task(enough.wait(), name="enough")
            await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            waiting.cancel()


@contextmanager
def ungrouped() -> Iterator[None]:
    """Raise the first error of a task group inside, in place of the group.

    A group prefers its children's errors to a cancellation from outside, which would be lost, and the cancelled task
    would go on for ever: here the cancellation wins.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from group
        first = group.exceptions[0]
        raise first from first.__cause__
