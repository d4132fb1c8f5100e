"""Which routes of a configuration bring a message back to where one of them has read it, for `fedbridge check`. Pure.

Such routes are allowed - a pair in both directions is one - since the loop guard ends the way of each message; but
somebody may have built them without wanting to.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from bridge.cli.feeds import feeds
from bridge.cli.ways import ways
from config import Settings


def cycles(name: str, settings: Settings) -> Iterator[str]:
    """The line about a route whose messages may come back to its source by other enabled routes; none if they do not.

    Each step of the way is judged for itself: see `bridge.cli.feeds` for what is sure.
    """
    if not settings.routes[name].enabled:
        return
    way = _way_back(name, _followers(settings))
    if way:
        text = "a message may come back: the loop guard (fedbridge-path) sends it round once"
        yield f"  {'cycle':<10} by {', then '.join(way)} {text}"


def _followers(settings: Settings) -> Mapping[str, Sequence[str]]:
    """The routes that may read what each route writes."""
    through = {name: ways(name, settings) for name, route in settings.routes.items() if route.enabled}
    return {
        name: [
            other
            for other, reader in through.items()
            if other != name and any(feeds(way, reader[0], settings) for way in written)
        ]
        for name, written in through.items()
    }


def _way_back(name: str, followers: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The routes by which a message comes back, as few as there may be."""
    ways: deque[tuple[str, ...]] = deque((following,) for following in followers[name])
    seen = {name}
    while ways:
        way = ways.popleft()
        if name in followers[way[-1]]:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, following) for following in followers[way[-1]]]
    return ()
