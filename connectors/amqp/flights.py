"""What is published on a channel and not yet confirmed, by delivery tag: pure accounting, on ranges.

Delivery tags count the publishes of a channel from 1. RabbitMQ acks in any order, one or many at once, and names a
message that it returns only by its content: here that is the uid.
"""

from collections.abc import Iterator, Sequence

from bridge.message import Message
from bridge.sends import Submission


class Flight:
    """Messages of one submission, published one after the other."""

    def __init__(self, submission: Submission, positions: Sequence[int], first: int) -> None:
        """Begin; `first` is the delivery tag of the first of `positions`, which rise."""
        self.submission = submission
        self.positions = positions
        self.first = first
        self.uids = {submission.messages[position].uid: position for position in positions}

    @property
    def done(self) -> bool:
        """Whether every message is settled; so is what lies between them, which was not published here."""
        return self.submission.is_settled(self.positions[0], self.positions[-1] + 1)

    def covered(self, tag: int, multiple: bool) -> Sequence[int]:
        """Give the positions that a confirm is about: of that tag, or of all up to it."""
        at = tag - self.first
        if multiple:
            return self.positions[: max(at + 1, 0)]
        return self.positions[at : at + 1] if at >= 0 else ()


class Flights:
    """Everything in flight on one channel, in the order of publishing. No two of its messages have one uid."""

    def __init__(self) -> None:
        self._flights: list[Flight] = []
        self._next = 1

    def __bool__(self) -> bool:
        return bool(self._flights)

    def add(self, submission: Submission, positions: Sequence[int]) -> None:
        """Note messages that are being published, in this order and before all that come later."""
        if positions:
            self._flights.append(Flight(submission, positions, self._next))
            self._next += len(positions)

    def clear_until(self, messages: Sequence[Message], start: int) -> int:
        """Give the end of the messages from `start` on whose uids are in flight neither here nor among themselves."""
        uids = {message.uid for message in (messages[start:] if start else messages)}
        flying = [flight.uids for flight in self._flights]
        if len(uids) == len(messages) - start and all(map(uids.isdisjoint, flying)):
            return len(messages)
        seen: set[str] = set()
        for position in range(start, len(messages)):
            uid = messages[position].uid
            if uid in seen or any(uid in uids for uids in flying):
                return position
            seen.add(uid)
        return len(messages)

    def acked(self, tag: int, multiple: bool) -> None:
        """Settle what the broker has confirmed; a tag that is not in flight settles nothing."""
        for flight in self._flights:
            if flight.first > tag:
                break
            positions = flight.covered(tag, multiple)
            if positions:
                flight.submission.settle_range(positions)

    def nacked(self, tag: int, multiple: bool) -> Iterator[tuple[Submission, int]]:
        """Give what the broker has refused, as submission and position: of that tag, or of all up to it."""
        for flight in self._flights:
            for position in flight.submission.unsettled(flight.covered(tag, multiple)):
                yield flight.submission, position

    def find(self, uid: str) -> tuple[Submission, int] | None:
        """Find the message of that uid."""
        for flight in self._flights:
            if uid in flight.uids:
                return flight.submission, flight.uids[uid]
        return None

    def sweep(self) -> None:
        """Forget flights that are done; their uids may fly again."""
        self._flights = [flight for flight in self._flights if not flight.done]

    def unsettled(self) -> Iterator[tuple[Submission, int]]:
        """Give every message that is not settled, in the order of publishing."""
        for flight in self._flights:
            for position in flight.submission.unsettled(flight.positions):
                yield flight.submission, position
