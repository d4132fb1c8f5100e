"""What becomes of a message that comes to a route, at each of its targets."""

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from bridge.mapping import map_batch
from bridge.message import Delivery, Message, Outcome
from bridge.wiring import rehearsals
from config.settings import Settings

Results: TypeAlias = Mapping[str, Message | Outcome]
"""What each target gets, or the outcome of the message there, by the target's name."""


class Trials:
    """Tries messages on the routes of a configuration."""

    def __init__(self, settings: Settings) -> None:
        self._route = cache(lambda name: rehearsals(settings, name))

    def of(self, route: str, message: Message) -> Results:
        """Give what becomes of a message at the targets of a route; what it is refused for before counts for all."""
        rules, targets = self._route(route)
        (mapped,), refusals = map_batch([Delivery(message, None, 0)], rules)
        if refusals:
            return dict.fromkeys(targets, refusals[0].outcome)
        return {name: rehearse(mapped) for name, rehearse in targets.items()}
