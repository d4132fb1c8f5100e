"""MQTT topic filters: which topics they have in common (MQTT 5, 4.7). Pure."""

from collections.abc import Sequence


def overlap(one: str, other: str) -> bool:
    """Whether there is a topic that both of two filters match; a topic is a filter too, that matches itself alone.

    `+` is any level, `#` is the level above it and all below; at the first level neither is one that begins with `$`.
    """
    return _meet(one.split("/"), other.split("/"), first=True)


def _meet(one: Sequence[str], other: Sequence[str], *, first: bool = False) -> bool:
    if first and any(a[0] in ("+", "#") and b[0].startswith("$") for a, b in ((one, other), (other, one))):
        return False
    if "#" in (*one[:1], *other[:1]):
        return True
    if not one or not other:
        return not one and not other
    return (one[0] == other[0] or "+" in (one[0], other[0])) and _meet(one[1:], other[1:])
