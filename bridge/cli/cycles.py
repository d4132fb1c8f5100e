"""Which routes of a configuration bring a message back to where one of them has read it, for `fedbridge check`. Pure.

Such routes are allowed - a pair in both directions is one - since the loop guard ends the way of each message; but
somebody may have built them without wanting to.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from config import RouteSettings, Settings
from config.loops import loop, same_broker
from config.names import Names


def cycles(name: str, settings: Settings) -> Iterator[str]:
    """The line about a route whose messages may come back to its source by other enabled routes; none if they do not.

    Templates are judged as those of a route that reads its own target: see `config.loops`.
    """
    if not settings.routes[name].enabled:
        return
    way = _way_back(name, _followers(settings))
    if way:
        text = "a message may come back: the loop guard (fedbridge-path) sends it round once"
        yield f"  {'cycle':<10} by {', then '.join(way)} {text}"


def _followers(settings: Settings) -> Mapping[str, Sequence[str]]:
    """The routes that read what each route writes."""
    enabled = {name: route for name, route in settings.routes.items() if route.enabled}
    return {
        name: [other for other, reader in enabled.items() if other != name and _feeds(route, other, reader, settings)]
        for name, route in enabled.items()
    }


def _feeds(route: RouteSettings, name: str, reader: RouteSettings, settings: Settings) -> bool:
    """Whether a target of a route is what the reader, of that name, reads."""
    source = reader.source.settings
    broker = settings.broker(source.broker, source.kind)
    own = Names(settings.bridge.name, name, settings.bridge.instance).group
    return any(
        same_broker(settings.broker(target.broker, target.kind), broker) and loop(source, target, own) is not None
        for target in route.targets.settings
    )


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
