"""What was settled is acknowledged: in bulk, again until the server has taken it, one round on its way at a time."""

import asyncio
from collections.abc import Callable

from connectors.redis.commands import MOST_IDS, xack
from connectors.redis.connection import Wire
from connectors.redis.errors import Refused, fault_of, meaning_of
from connectors.redis.group import Group
from connectors.redis.ledger import Ledger

AGAIN = 1.0
"""Seconds before the server is asked again for what it has refused for now."""

_MOST = 8 * MOST_IDS  # acknowledged in one round, of each stream


class Acks:
    """The task that acknowledges."""

    def __init__(self, wire: Wire, group: Group, freed: Callable[[], None]) -> None:
        """Begin; `freed` is called when less is in hand."""
        self.obstacle: str | None = None
        """Why the server takes none at present, in its words, or None."""
        self.taken = asyncio.Event()
        """Set whenever the server has taken a round."""
        self._wire = wire
        self._group = group
        self._freed = freed
        self._moved = asyncio.Event()

    @property
    def due(self) -> bool:
        """Whether something is settled that the server has not taken."""
        return any(ledger.settled for ledger in self._group.ledgers)

    def move(self) -> None:
        """Have what is settled acknowledged."""
        self._moved.set()

    async def run(self) -> None:
        """Acknowledge whatever is settled, as long as it runs; raises Disconnected, RouteFault."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            while self.due:
                await self._round()

    async def _round(self) -> None:
        due = [(ledger, ledger.due(_MOST)) for ledger in self._group.ledgers if ledger.settled]
        commands = [(ledger, command) for ledger, ids in due for command in xack(ledger.name, self._group.member, ids)]
        replies = await self._wire.ask(*(command for _, command in commands))
        refused = {
            ledger: reply for (ledger, _), reply in zip(commands, replies, strict=True) if isinstance(reply, Refused)
        }
        for ledger, ids in due:
            if ledger not in refused and not ledger.lost:
                ledger.acknowledged(ids)
        self.obstacle = None
        for ledger, reply in refused.items():
            await self._put_off(ledger, reply)
        self.taken.set()
        self._freed()

    async def _put_off(self, ledger: Ledger, refused: Refused) -> None:
        """Wait before the next round, if the server will take it some time; else raise what is wrong."""
        if meaning_of(refused).kind in {"route", "stream"}:
            raise fault_of(refused, self._wire.broker, f"acknowledging entries of stream {ledger.stream}")
        self.obstacle = refused.text
        await asyncio.sleep(AGAIN)
