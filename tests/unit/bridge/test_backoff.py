from hypothesis import given
from hypothesis import strategies as st

from bridge.backoff import JITTER, delay

DRAW = st.floats(0, 1)


def test_it_doubles_from_the_first_wait_to_the_longest() -> None:
    assert [delay(attempt, 0.5, 30.0, 0.5) for attempt in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@given(st.integers(0, 10**9), st.floats(0.001, 10), st.floats(10, 100), DRAW)
def test_it_stays_within_jitter_and_bounds(attempt: int, initial: float, longest: float, draw: float) -> None:
    wait = delay(attempt, initial, longest, draw)
    assert initial * (1 - JITTER) <= wait <= longest


@given(st.integers(0, 20), DRAW)
def test_jitter_spreads_around_the_schedule(attempt: int, draw: float) -> None:
    base = delay(attempt, 0.5, 1e9, 0.5)
    assert abs(delay(attempt, 0.5, 1e9, draw) - base) <= base * JITTER * 1.000001
