"""The loop guard: `fedbridge-path`, the places a message was read from (DESIGN section 8). Pure, and on the hot path.

A place is IDENTITY/ADDRESS: what a broker is called, and the concrete topic or stream, or AMQP's exchange and routing
key; of exchanges that do not route by a key, fanout and headers, the exchange alone. A message that would go to a place
where it has been is not sent there: so two bridges that face each other, or a ring of them, carry it once.
"""

import json
from collections.abc import Sequence
from typing import Final

from bridge.message import Outcome, Verdict

LOOP: Final = "loop"
"""The reason of a message that is not sent where it came from."""

_REMEMBERED: Final = 4096  # paths, and as many places, of at most as many characters
_LONGEST: Final = 1024


class Trail:
    """Writes the paths of messages that are read from one broker."""

    def __init__(self, identity: str, *, trusted: bool = True) -> None:
        """Begin; `identity` is what the broker is called, and what messages bring from other bridges is `trusted`.

        Without an identity there are no paths.
        """
        self.trusted = trusted
        """Whether headers that begin with `bridge.names.OURS` count; else they are dropped."""
        self._identity = identity
        self._known: dict[tuple[str, str | None], str] = {}

    def __call__(self, address: str, brought: str | None = None) -> str:
        """Give the path of a message that was read from an address, and had that path before; what is none is none."""
        try:
            return self._known[address, brought]
        except KeyError:
            pass
        if not self._identity:
            return ""
        path = json.dumps([*places_of(brought), f"{self._identity}/{address}"], separators=(",", ":"))
        # What is brought may be long, and no path: then the path that it makes is short.
        if max(len(path), len(address) + len(brought or "")) <= _LONGEST:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[address, brought] = path
        return path


UNTRACED: Final = Trail("")
"""Writes no paths."""


class Guard:
    """Says which messages may not go to a place of one broker."""

    def __init__(self, identity: str, max_hops: int) -> None:
        """Begin; `identity` is what the broker is called, and a message is read from `max_hops` places at most."""
        self._identity = identity
        self._max_hops = max_hops
        self._known: dict[tuple[str, str], Outcome | None] = {}

    def judge(self, path: str, address: str, *wider: str) -> Outcome | None:
        """Give the outcome of a message with that path which may not go to an address, else None.

        `wider` are addresses that the address is a part of: AMQP's exchange, of exchange and routing key.
        """
        try:
            return self._known[path, address]
        except KeyError:
            pass
        outcome = self._judge(places_of(path), (address, *wider))
        if len(path) + len(address) <= _LONGEST:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[path, address] = outcome
        return outcome

    def _judge(self, places: Sequence[str], addresses: Sequence[str]) -> Outcome | None:
        targets = [f"{self._identity}/{address}" for address in addresses]
        if not set(targets).isdisjoint(places):
            return Outcome(Verdict.FILTERED, LOOP, f"it was read from {targets[0]} before: {', '.join(places)}")
        if len(places) > self._max_hops:
            text = f"it was read from {len(places)} places, at most {self._max_hops} are allowed: {', '.join(places)}"
            return Outcome(Verdict.REJECTED, "too_many_hops", text)
        return None


def places_of(path: str | None) -> list[str]:
    """Read a path: a JSON array of texts; what is none has no places."""
    if not path:
        return []
    try:
        places = json.loads(path)
    except (ValueError, RecursionError):
        return []
    return places if isinstance(places, list) and all(isinstance(place, str) for place in places) else []
