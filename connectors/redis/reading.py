"""Reading entries ahead of who wants them: own pending ones first, then what is new, within the window.

The task that reads is never cancelled but with its connection, and a lost reply is a lost connection: what the server
has given and we have not seen is then among the pending entries of the next opening (X2 in research/reliability.md).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from connectors.redis.acks import AGAIN
from connectors.redis.backlog import Backlog
from connectors.redis.commands import xreadgroup
from connectors.redis.connection import Wire
from connectors.redis.decoder import Decoder, Entry
from connectors.redis.errors import Refused, fault_of, meaning_of
from connectors.redis.group import Group
from connectors.redis.ledger import Ledger

_BLOCK: Final = 2.0  # seconds that the server waits for an entry, or half of our patience with it
_FIRST: Final = b"0"  # before all ids
_TURN: Final = 0.1  # seconds, where there is not room for an entry of each stream, and they take turns


class Reading:
    """The task that reads."""

    def __init__(self, wire: Wire, group: Group, backlog: Backlog, decoder: Decoder, patience: float) -> None:
        """Begin with the own pending entries of every stream; `patience` is in seconds."""
        self.obstacle: str | None = None
        """Why the server gives nothing at present, in its words, or None."""
        self.freed = asyncio.Event()
        """To be set when there is more room."""
        self.arrived: Callable[[], None] = lambda: None
        """Called when the backlog has more."""
        self.settled: Callable[[], None] = lambda: None
        """Called when entries are to be acknowledged."""
        self._wire = wire
        self._group = group
        self._backlog = backlog
        self._decoder = decoder
        self._block = min(_BLOCK, patience / 2)
        self._pending = dict.fromkeys(range(len(group.ledgers)), _FIRST)  # after which ids they are to be read
        self._again: set[int] = set()
        self._turn = 0

    def look_back(self, number: int) -> None:
        """Have the pending entries of a stream read that are not in hand, before what is new."""
        self._again.add(number)

    async def run(self) -> None:
        """Read, as long as it runs; raises Disconnected, RouteFault."""
        while True:
            room = self._backlog.room
            if not room:
                self.freed.clear()
                await self.freed.wait()
                continue
            if self._again and not self._pending:
                self._pending = dict.fromkeys(sorted(self._again), _FIRST)
                self._again.clear()
            number = next(iter(self._pending), None)
            refused = await (self._read_new(room) if number is None else self._read_pending(number, room))
            self.obstacle = None
            if refused is not None:
                await self._overcome(refused)

    async def _read_pending(self, number: int, room: int) -> Refused | None:
        """Read some of our pending entries of one stream, in order; those in hand are passed over."""
        ledger = self._group.ledgers[number]
        place = ledger.name, self._pending[number]
        (reply,) = await self._wire.ask(xreadgroup(self._group.member, room + len(ledger), None, [place]))
        if isinstance(reply, Refused):
            return reply
        entries: list[Entry] = reply[0][1] if reply else []
        if not entries:
            del self._pending[number]
        alive: list[Entry] = []
        gone: list[bytes] = []
        for entry, fields in entries:
            if len(alive) == room:
                break
            self._pending[number] = entry
            if entry not in ledger:
                if fields:
                    alive.append((entry, fields))
                else:  # trimmed or deleted since it was given
                    gone.append(entry)
        self._take(ledger, alive, redelivered=True)
        if gone:
            if missing := ledger.missing(gone):
                self._group.missed("trimmed", len(missing))
            ledger.discard(gone)
            self.settled()
        return None

    async def _read_new(self, room: int) -> Refused | None:
        """Wait for entries that nobody of the group was given, and read them."""
        share, block = self._group.ledgers, self._block
        if room < len(share):
            self._turn += room
            share = [share[(self._turn + place) % len(share)] for place in range(room)]
            block = _TURN
        places = [(ledger.name, b">") for ledger in share]
        command = xreadgroup(self._group.member, room // len(share), int(block * 1000), places)
        (reply,) = await self._wire.ask(command)
        if isinstance(reply, Refused):
            return reply
        ledgers = {ledger.name: ledger for ledger in share}
        for name, entries in reply or ():
            ledger = ledgers[name]
            known = not ledger.has_none([entry for entry, _ in entries])  # in a group that somebody has set back
            new = [(entry, fields) for entry, fields in entries if entry not in ledger] if known else entries
            self._take(ledger, new, redelivered=False)
        return None

    def _take(self, ledger: Ledger, entries: Sequence[Entry], *, redelivered: bool) -> None:
        """Take entries, none of them in hand, into the backlog."""
        if entries:
            deliveries = self._decoder.deliveries(entries, ledger, redelivered)
            ledger.take([entry for entry, _ in entries], [delivery.size for delivery in deliveries])
            self._backlog.add(deliveries)
            self.arrived()

    async def _overcome(self, refused: Refused) -> None:
        """Make a group anew that is gone, wait where the server will give some time; else raise what is wrong."""
        kind = meaning_of(refused).kind
        if kind == "group":
            await self._group.restore()
        elif kind == "shortage":
            self.obstacle = refused.text
            await asyncio.sleep(AGAIN)
        else:
            raise fault_of(refused, self._wire.broker, self._group.reading)
