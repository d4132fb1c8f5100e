"""How long to wait before the next attempt: a pure schedule with jitter."""

JITTER = 0.2
"""Each wait is up to this share shorter or longer, so that many routes do not knock on a restarted broker together."""


def delay(attempt: int, initial: float, longest: float, draw: float) -> float:
    """Give the seconds to wait after the `attempt`-th failure in a row (from 0), doubling from `initial` to `longest`.

    `draw` is a random number in 0..1 that the caller drew: the schedule itself is deterministic. The result is never
    above `longest`.
    """
    base = min(initial * 2.0 ** min(attempt, 62), longest)
    return min(base * (1 - JITTER + 2 * JITTER * draw), longest)
