"""An event loop whose clock jumps: when nothing is ready it goes straight to the next timer; tests never wait."""

import asyncio
import selectors
from typing import Any


class _Selector(selectors.SelectSelector):
    """Never sleeps: what would be waited for is added to the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def pass_time(self, seconds: float) -> None:
        """Let everything happen that happens in this time."""
        self.run_until_complete(asyncio.sleep(seconds))

    def end(self, task: "asyncio.Task[Any]") -> None:
        """Cancel a task, see it end, and close the loop."""
        task.cancel()
        self.run_until_complete(asyncio.wait({task}))
        self.close()
