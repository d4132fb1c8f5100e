"""What a sink has been given and has no outcome yet, whatever its protocol: the accounting of every connector's sink.

A send is a `Submission`, settled message by message as the broker answers; `Sends` are those that somebody awaits, the
room that they leave, and the news that lets others go on. Everything on one loop.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.errors import Disconnected, FedbridgeError, RouteFault
from bridge.message import DELIVERED, Message, Outcome, Verdict

_OPEN, _SETTLED = 0, 1


_FEW: Final = 2  # sends that may be under way however small they are


class Pace(NamedTuple):
    """How many sends of how many messages a sink has under way at most; more than two only if they are half full."""

    sends: int
    size: int


STEADY: Final = Pace(8, 250)
"""For brokers that answer message by message: they work while the next send is made. Measured with 2 sends of up to
1,000 and 8 of up to 250, in turn: into Redis 89,000 and 139,000 messages/s, into RabbitMQ 12,300 and 13,000."""

BULK: Final = Pace(2, sys.maxsize)
"""For Kafka, where a batch costs nearly the same whatever is in it: while one send is on its way the next grows.
Measured with 8 sends of up to 250: 90,000 messages/s in place of 135,000."""


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
    """What was given to a sink and has no outcome yet, at most `limit` messages, in sends as `pace` says."""

    def __init__(self, limit: int, pace: Pace) -> None:
        self.loss: FedbridgeError | None = None
        """Why the sink is lost, once it is."""
        self._limit = limit
        self._pace = pace
        self._open: set[Submission] = set()
        self._sends = 0
        self._unconfirmed = 0
        self._changed = asyncio.Event()

    @property
    def room(self) -> int:
        """How many messages may be sent now, by what is unconfirmed."""
        if self._sends >= _FEW and self._unconfirmed < self._sends * self._pace.size // 2:
            return 0  # they are small: what comes meanwhile makes one that is larger
        if self._sends >= self._pace.sends:
            return 0
        return min(self._limit - self._unconfirmed, self._pace.size)

    @property
    def idle(self) -> bool:
        """Whether nothing is unconfirmed."""
        return not self._unconfirmed

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
