"""The group that a source reads in: its streams, what is in hand of each, and making what is missing of it."""

from collections.abc import Callable, Sequence

import structlog

from connectors.redis.commands import Member, xgroup_create, xreadgroup
from connectors.redis.connection import Wire
from connectors.redis.errors import Refused, fault_of, meaning_of
from connectors.redis.ledger import Ledger, Window

BEGINNING = b"0"
"""Where a group begins that was lost: what is in the stream comes again, and nothing is passed over."""

_log = structlog.get_logger(__name__)


class Group:
    """A member's group on one or more streams."""

    def __init__(self, wire: Wire, member: Member, streams: Sequence[str], route: str) -> None:
        """Begin; `wire` is for commands that do not wait, `route` is for the log."""
        self.member = member
        self.window = Window()
        self.ledgers = [Ledger(stream, self.window) for stream in streams]
        self._wire = wire
        self._route = route
        self._tell: Callable[[str, int], None] | None = None
        self._untold: dict[str, int] = {}

    @property
    def name(self) -> str:
        """What it is called, for a person."""
        return self.member.group.decode(errors="replace")

    def on_missed(self, missed: Callable[[str, int], None]) -> None:
        """As `bridge.ports.Source.on_missed`."""
        self._tell = missed
        untold, self._untold = self._untold, {}
        for reason, count in untold.items():
            missed(reason, count)

    def missed(self, reason: str, count: int) -> None:
        """Tell of entries that are gone, or keep it until somebody listens."""
        if self._tell is not None:
            self._tell(reason, count)
        else:
            self._untold[reason] = self._untold.get(reason, 0) + count

    async def prepare(self, start: bytes) -> None:
        """See to it that every stream has the group, made at `start` where it is missing; none is moved.

        What the user may not do, or the server not now, is no matter where nothing is missing. Raises RouteFault
        (authentication, forbidden, conflict) or Disconnected.
        """
        look = xreadgroup(self.member, 1, None, [(ledger.name, b"0") for ledger in self.ledgers])
        (reply,) = await self._wire.ask(look)
        if isinstance(reply, Refused) and meaning_of(reply).kind == "group":
            await self._create(start)
            (reply,) = await self._wire.ask(look)
        if isinstance(reply, Refused):
            raise fault_of(reply, self._wire.broker, f"reading as group {self.name}")

    async def restore(self) -> None:
        """Make the group anew where it is gone, or its stream; raises as `prepare` does."""
        for number in await self._create(BEGINNING):
            lost = self.ledgers[number]
            self.ledgers[number] = Ledger(lost.stream, self.window)
            lost.lose()
            _log.warning(
                "The stream or the group is gone and was created again, to be read from its beginning.",
                route=self._route,
                stream=lost.stream,
                group=self.name,
            )
            self.missed("group_lost", 1)

    async def _create(self, start: bytes) -> list[int]:
        """Create the group wherever it is missing, and give the numbers of those streams."""
        member = self.member
        replies = await self._wire.ask(*(xgroup_create(ledger.name, member.group, start) for ledger in self.ledgers))
        for ledger, reply in zip(self.ledgers, replies, strict=True):
            if isinstance(reply, Refused) and reply.code != "BUSYGROUP":
                raise fault_of(reply, self._wire.broker, f"creating group {self.name} of stream {ledger.stream}")
        return [number for number, reply in enumerate(replies) if not isinstance(reply, Refused)]
