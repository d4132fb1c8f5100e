"""How many entries a group has still to get, and to acknowledge, as far as its server can tell."""

import asyncio
from typing import Final

from connectors.redis.commands import pack
from connectors.redis.connection import Wire
from connectors.redis.errors import Refused
from connectors.redis.group import Group
from connectors.redis.hooks import Reply

LAG_EVERY: Final = 5.0
"""Seconds between two looks."""


class Lag:
    """The task that looks."""

    def __init__(self, wire: Wire, group: Group) -> None:
        self.known: int | None = None
        """What it saw last: of all streams together, None if of one of them nobody can tell."""
        self._wire = wire
        self._group = group

    async def run(self, every: float) -> None:
        """Look every so many seconds, as long as it runs; raises Disconnected."""
        while True:
            streams = [ledger.name for ledger in self._group.ledgers]
            asked = [pack("XINFO", what, stream) for stream in streams for what in ("GROUPS", "STREAM")]
            replies = await self._wire.ask(*asked)
            lags = [
                lag_of(groups, stream, self._group.member.group)
                for groups, stream in zip(replies[::2], replies[1::2], strict=True)
            ]
            known = [lag for lag in lags if lag is not None]
            self.known = sum(known) if len(known) == len(lags) else None
            await asyncio.sleep(every)


def lag_of(groups: Reply, stream: Reply, name: bytes) -> int | None:
    """What a group has still to get or to acknowledge of one stream, by the replies of XINFO GROUPS and XINFO STREAM.

    Since 7.0 a server says how many entries the group was not given, unless some in the middle of them were deleted.
    Without that it is known of a group that has got all or nothing; else it is None.
    """
    if isinstance(groups, Refused) or isinstance(stream, Refused):
        return None
    facts = dict(zip(stream[::2], stream[1::2], strict=True))
    for each in groups:
        group = dict(zip(each[::2], each[1::2], strict=True))
        if group.get(b"name") == name:
            ahead = group.get(b"lag")
            if ahead is None:
                ahead = {facts[b"last-generated-id"]: 0, b"0-0": facts[b"length"]}.get(group[b"last-delivered-id"])
            return None if ahead is None else int(ahead) + int(group[b"pending"])
    return None
