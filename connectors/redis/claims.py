"""Entries of consumers that are gone are taken over, and what is long in hand here is kept from others."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from connectors.redis.commands import xautoclaim, xclaim
from connectors.redis.connection import Wire
from connectors.redis.errors import Refused, fault_of, meaning_of
from connectors.redis.group import Group
from connectors.redis.ledger import Ledger

_MOST: Final = 1000  # entries taken over at once
_SHORTEST: Final = 0.1  # seconds between two rounds, however short `claim_idle` is
_END: Final = b"0-0"  # where XAUTOCLAIM begins, and what it says when it has been through


class Claims:
    """The two tasks that claim. `idle` is the `claim_idle` of the group's members, in seconds."""

    def __init__(self, wire: Wire, group: Group, idle: float, most: int, taken: Callable[[int], None]) -> None:
        """Begin; `most` entries may be in hand, and `taken` is called with the number of a stream with new ones."""
        self._wire = wire
        self._group = group
        self._idle = idle
        self._most = most
        self._taken = taken

    async def keep(self) -> None:
        """Claim what is in hand anew, as long as it runs, so that to no other it is ever as idle as `idle`.

        It is looked at thrice in that time, and then claimed if it was not for half of that. What another consumer has
        taken nevertheless was claimed there since, and stays there. Raises Disconnected, RouteFault (forbidden).
        """
        while True:
            await asyncio.sleep(max(self._idle / 3, _SHORTEST))
            for ledger in self._group.ledgers:
                young = max(1, int(self._idle * 1000 / 6))
                for command in xclaim(ledger.name, self._group.member, young, ledger.in_hand()):
                    (reply,) = await self._wire.ask(command)
                    self._is_refused(reply, ledger)

    async def take_over(self) -> None:
        """Take over what was idle for `idle` at other consumers, as long as it runs; raises as `keep` does."""
        while True:
            for number in range(len(self._group.ledgers)):
                await self._take_over(number)
            await asyncio.sleep(min(max(self._idle / 2, 1.0), 30.0))

    async def _take_over(self, number: int) -> None:
        """Claim entries of one stream for which there is room, to be read as our own pending ones.

        Since 7.0 entries that are no longer in the stream are dropped by this; before, they are claimed as well, and
        found to be gone when they are read.
        """
        start, group = _END, self._group
        room = self._most - group.window.messages
        while room > 0:
            ledger = group.ledgers[number]
            command = xautoclaim(ledger.name, group.member, int(self._idle * 1000), start, min(room, _MOST))
            (reply,) = await self._wire.ask(command)
            if self._is_refused(reply, ledger):
                return
            start, claimed, *more = reply
            if more and (gone := ledger.missing(more[0])):  # since 7.0; it has dropped them, idle or not
                group.missed("trimmed", len(gone))
            if new := [entry for entry in claimed if entry not in ledger]:
                room -= len(new)
                self._taken(number)
            if start == _END:
                return

    def _is_refused(self, reply: Any, ledger: Ledger) -> bool:
        """Whether a claim was refused, which is no matter if only for now: who reads sees to a group that is gone."""
        if isinstance(reply, Refused) and meaning_of(reply).kind in {"route", "stream"}:
            raise fault_of(reply, self._wire.broker, f"claiming entries of stream {ledger.stream}")
        return isinstance(reply, Refused)
