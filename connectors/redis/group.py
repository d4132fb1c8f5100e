"""The group that a source reads in: its streams, what is in hand of each, and making what is missing of it."""

from collections.abc import Callable, Sequence

import structlog

from connectors.redis.commands import Member, xgroup_create, xreadgroup
from connectors.redis.connection import Wire
from connectors.redis.errors import Refused, fault_of, meaning_of
from connectors.redis.ledger import Ledger, Window
from connectors.redis.past import Past

BEGINNING = b"0"
"""Where a group begins that was lost: what is in the stream comes again, and nothing is passed over."""


class Group:
    """A member's group on one or more streams."""

    def __init__(self, wire: Wire, member: Member, streams: Sequence[str], route: str, past: Past) -> None:
        """Begin; `wire` is for commands that do not wait, `route` is for the log, `past` outlives this opening."""
        self.member = member
        self.window = Window()
        self.ledgers = [Ledger(stream, self.window) for stream in streams]
        self._wire = wire
        self._past = past
        self._log = structlog.get_logger().bind(route=route, group=self.name)
        self._tell: Callable[[str, int], None] | None = None

    @property
    def name(self) -> str:
        """What it is called, for a person."""
        return self.member.group.decode(errors="replace")

    @property
    def reading(self) -> str:
        """What it does, for a person."""
        streams = ", ".join(ledger.stream for ledger in self.ledgers)
        return f"reading stream {streams} as group {self.name}"

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """As `bridge.ports.Source.on_missed`."""
        self._tell = missed
        for reason in list(self._past.untold):
            missed(reason, self._past.untold.pop(reason))

    def missed(self, reason: str, count: int) -> None:
        """Tell of entries that are gone, or keep it until somebody listens, if only at the next opening."""
        if self._tell is not None:
            self._tell(reason, count)
        else:
            self._past.untold[reason] += count

    async def prepare(self, start: bytes) -> None:
        """See to it that every stream has the group; none is moved.

        Where it is missing it is made at `start`, or as `restore` does where it was at an earlier opening. What the
        user may not do, or the server not now, is no matter where nothing is missing. Raises RouteFault
        (authentication, forbidden, conflict) or Disconnected.
        """
        look = xreadgroup(self.member, 1, None, [(ledger.name, b"0") for ledger in self.ledgers])
        (reply,) = await self._wire.ask(look)
        if isinstance(reply, Refused) and meaning_of(reply).kind == "group":
            await self._create(start)
            (reply,) = await self._wire.ask(look)
        if isinstance(reply, Refused):
            raise fault_of(reply, self._wire.broker, self.reading)
        self._past.grouped.update(ledger.stream for ledger in self.ledgers)

    async def restore(self) -> None:
        """Make the group anew where it is gone, or its stream, to be read from the beginning, and tell of it.

        Raises as `prepare` does.
        """
        await self._create(BEGINNING)

    async def _create(self, start: bytes) -> None:
        """Create the group wherever it is missing: at `start`, or at the beginning of a stream that had it."""
        past, group = self._past.grouped, self.member.group
        starts = [BEGINNING if ledger.stream in past else start for ledger in self.ledgers]
        replies = await self._wire.ask(
            *(xgroup_create(ledger.name, group, at) for ledger, at in zip(self.ledgers, starts, strict=True))
        )
        made = [number for number, reply in enumerate(replies) if not isinstance(reply, Refused)]
        for number in made:
            if self.ledgers[number].stream in past:
                self._lost(number)
            else:
                past.add(self.ledgers[number].stream)
        for ledger, reply in zip(self.ledgers, replies, strict=True):
            if isinstance(reply, Refused) and reply.code != "BUSYGROUP":
                raise fault_of(reply, self._wire.broker, f"creating group {self.name} of stream {ledger.stream}")

    def _lost(self, number: int) -> None:
        """Forget what is in hand of a stream whose group was made anew, and tell of it."""
        lost = self.ledgers[number]
        self.ledgers[number] = Ledger(lost.stream, self.window)
        lost.lose()
        text = "The stream or the group is gone and was created again, to be read from its beginning."
        self._log.warning(text, stream=lost.stream)
        self.missed("group_lost", 1)
