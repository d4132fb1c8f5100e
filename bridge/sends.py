"""What a sink has been given and has no outcome yet, whatever its protocol: the accounting of every connector's sink.

A send is a `Submission`, settled message by message as the broker answers; `Sends` are those that somebody awaits, the
room that they leave, and the news that lets others go on. Everything on one loop.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.message import DELIVERED, Message, Outcome, Verdict

_MOST: Final = 2  # sends; while one is on its way the next waits, and what comes then fills a larger one
_OPEN, _SETTLED = 0, 1


class Submission:
    """One send: what is known of each of its messages, and who waits for that.

    A message is DELIVERED until something else is said of it; its outcome is final once it is settled.
    """

    __slots__ = ("_states", "future", "messages", "open", "outcomes")

    def __init__(self, messages: Sequence[Message], future: "asyncio.Future[Sequence[Outcome]]") -> None:
        self.messages = messages
        self.future = future
        self.outcomes = [DELIVERED] * len(messages)
        self.open = len(messages)
        """How many messages are not settled."""
        self._states = bytearray(len(messages))

    def settle(self, position: int, outcome: Outcome = DELIVERED) -> None:
        """Settle one message, unless it is; what was said of it before stands."""
        if self._states[position] == _OPEN:
            self._states[position] = _SETTLED
            self.open -= 1
            self.say(position, outcome)

    def settle_range(self, positions: Sequence[int]) -> None:
        """Settle messages, one or more, as what they are."""
        start, stop = positions[0], positions[-1] + 1
        if stop - start == len(positions):
            self.open -= self._states.count(_OPEN, start, stop)
            self._states[start:stop] = b"\x01" * len(positions)
        else:
            fresh = self.unsettled(positions)
            self.open -= len(fresh)
            for position in fresh:
                self._states[position] = _SETTLED

    def say(self, position: int, outcome: Outcome) -> None:
        """Say what will become of a message; the first word that is not DELIVERED stands."""
        if self.outcomes[position] is DELIVERED:
            self.outcomes[position] = outcome

    def unsay(self, position: int) -> None:
        """Take back what was said of a message that is not settled: it is to be sent again."""
        if self._states[position] == _OPEN:
            self.outcomes[position] = DELIVERED

    def is_settled(self, start: int, stop: int) -> bool:
        """Whether all of a range are settled."""
        return self._states.find(_OPEN, start, stop) < 0

    def unsettled(self, positions: Sequence[int]) -> list[int]:
        """Give those positions whose messages are not settled."""
        return [position for position in positions if self._states[position] == _OPEN]

    def end(self, outcome: Outcome) -> None:
        """Settle everything that is not settled, with this outcome where nothing was said."""
        for position in self.unsettled(range(len(self.messages))):
            self.settle(position, outcome)


class Sends:
    """What was given to a sink and has no outcome yet, at most `limit` messages of at most two sends."""

    def __init__(self, limit: int) -> None:
        self.loss: FedbridgeError | None = None
        """Why the sink is lost, once it is."""
        self._limit = limit
        self._open: set[Submission] = set()
        self._sends = 0
        self._unconfirmed = 0
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many messages may be sent now, by what is unconfirmed."""
        return self._limit - self._unconfirmed if self._sends < _MOST else 0

    def begin(self, messages: Sequence[Message]) -> Submission:
        """Begin a send; it ends with `finish` once all of it is settled."""
        submission = Submission(messages, asyncio.get_running_loop().create_future())
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
            submission.future.get_loop().call_soon(self._release, len(submission.messages))
        self.stir()

    def lose(self, error: Disconnected | RouteFault) -> None:
        """Note the loss of the sink, once: what has no outcome is UNKNOWN then, and who waits for news is told."""
        if self.loss is None:
            self.loss = error
            for submission in self._open:
                submission.end(Outcome(Verdict.UNKNOWN, error.reason, str(error)))
            self.finish()

    def stir(self) -> None:
        """Wake who waits for news."""
        self._changed.set()

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
        self.stir()
