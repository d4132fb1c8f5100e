"""The sends of a sink whose outcomes somebody awaits, and the news that lets others go on. Everything on one loop."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from bridge.errors import Disconnected, RouteFault
from bridge.message import DELIVERED, Message, Outcome, Verdict

_MOST: Final = 2  # sends; while one is on its way the next waits, and what comes then fills a larger one


class Submission:
    """One send: an outcome for each of its messages, DELIVERED until something else is said, and who waits for them."""

    def __init__(self, count: int) -> None:
        self.outcomes = [DELIVERED] * count
        self.open = count
        """How many messages are not settled."""
        self.future: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()

    def settle(self, position: int, outcome: Outcome) -> None:
        """Settle one message, with what is to be said of it."""
        self.outcomes[position] = outcome
        self.open -= 1


class Sends:
    """What was given to a sink and has no outcome yet, at most `limit` messages of at most two sends."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.loss: Disconnected | RouteFault | None = None
        """Why the sink is lost, once it is."""
        self._open: set[Submission] = set()
        self._sends = 0
        self._unconfirmed = 0
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many messages may be sent now: half of the limit, so that another half is on its way meanwhile.

        Brokers allow few in flight; a send of all of them would wait for its last confirmation before the next begins.
        """
        half = max(1, self.limit // _MOST)
        return min(half, self.limit - self._unconfirmed) if self._sends < _MOST else 0

    def begin(self, messages: Sequence[Message]) -> Submission:
        """Begin a send; it ends with `finish` once all of it is settled."""
        submission = Submission(len(messages))
        self._open.add(submission)
        self._sends += 1
        self._unconfirmed += len(messages)
        return submission

    def finish(self) -> None:
        """Give the outcomes of the sends of which everything is settled, and wake who waits for news."""
        for submission in [submission for submission in self._open if not submission.open]:
            self._open.discard(submission)
            if not submission.future.done():
                submission.future.set_result(submission.outcomes)
            # After the callbacks of the result: who is given the room has then learned of a setback that comes with it.
            submission.future.get_loop().call_soon(self._release, len(submission.outcomes))
        self._changed.set()

    def lose(self, error: Disconnected | RouteFault, flying: Iterable[tuple[Submission, int]]) -> None:
        """Note the loss of the sink, once: what is in flight is UNKNOWN then, and who waits for news is told."""
        if self.loss is None:
            self.loss = error
            unknown = Outcome(Verdict.UNKNOWN, error.reason, str(error))
            for submission, position in flying:
                submission.settle(position, unknown)
            self.finish()

    async def news(self) -> None:
        """Wait until something has changed; raises the loss of the sink."""
        if self.loss is None:
            self._changed.clear()
            await self._changed.wait()
        if self.loss is not None:
            raise self.loss

    def _release(self, count: int) -> None:
        self._sends -= 1
        self._unconfirmed -= count
        self._changed.set()
