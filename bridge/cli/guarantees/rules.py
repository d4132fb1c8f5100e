"""What there is to say of a route's filter and of its rules."""

from collections.abc import Iterator

from bridge.cli.guarantees.view import Fact
from config.conditions import failure
from config.mapping import MapSettings


def facts(condition: str | None, rules: MapSettings) -> Iterator[Fact]:
    """What is not relayed, and what is changed on the way; nothing of a route that does neither."""
    if condition is not None:
        shown = " ".join(condition.split())
        yield "filter", f"{shown}: where this is false the message is acknowledged, counted as filtered, not relayed"
        if (why := failure(condition)) is not None:
            yield "filter", f"for a message without headers and JSON members it fails ({why}): as on_error says"
    done = [
        *(f"renames {old} to {new}" for old, new in rules.rename.items()),
        *_listed("removes", rules.remove),
        *_listed("gives where it is missing", [*rules.default]),
        *_listed("sets", [*rules.set]),
    ]
    if done:
        yield "map", "; ".join(done)


def _listed(verb: str, names: list[str]) -> Iterator[str]:
    if names:
        yield f"{verb} {', '.join(names)}"
