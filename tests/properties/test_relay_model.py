"""The relay as a model (issue 1, point 1), and the model's own test: each planted bug must be caught."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bridge.batch import Batch, Fate
from bridge.lane import Lane
from bridge.message import DELIVERED, Delivery, Outcome, Verdict
from bridge.ports import Source
from bridge.relay import Relay
from connectors.memory import MemorySource
from tests.properties.federation import Federation

PHASES = [Phase.explicit, Phase.generate]  # no shrinking: it takes minutes, and the steps are short as they come
MODEL = settings(
    max_examples=300,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
)
HUNT = settings(MODEL, max_examples=400, derandomize=True)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def test_nothing_is_lost_settled_early_or_out_of_order() -> None:
    run_state_machine_as_test(Federation, settings=MODEL)


def settle_before_the_sink_confirmed(patch: pytest.MonkeyPatch) -> None:
    accept = Relay._accept

    def eager(relay: Relay, deliveries: Sequence[Delivery]) -> None:
        accept(relay, deliveries)
        relay._epoch.source.settle([delivery.receipt for delivery in deliveries])

    patch.setattr(Relay, "_accept", eager)


def forget_the_unconfirmed_on_reconnect(patch: pytest.MonkeyPatch) -> None:
    judge = Lane._judge

    def forgetful(lane: Lane, parcel, outcome: Outcome) -> None:  # type: ignore[no-untyped-def] # a planted bug
        judge(lane, parcel, DELIVERED if outcome.verdict is Verdict.UNKNOWN else outcome)

    patch.setattr(Lane, "_judge", forgetful)


def resend_out_of_order(patch: pytest.MonkeyPatch) -> None:
    def behind(lane: Lane) -> None:
        lane._queue = deque([*lane._queue, *lane._setbacks])
        lane._setbacks.clear()
        lane._trouble.clear()

    patch.setattr(Lane, "_requeue", behind)


def let_one_sinks_outcome_hide_anothers(patch: pytest.MonkeyPatch) -> None:
    make = Batch.__init__

    def one_sink(batch: Batch, *args: object, **named: object) -> None:
        make(batch, *args, **named)  # type: ignore[arg-type] # passed on as given
        batch._open = len(batch.deliveries)

    patch.setattr(Batch, "__init__", one_sink)


def take_for_filtered_what_one_sink_filtered(patch: pytest.MonkeyPatch) -> None:
    ended = Batch.ended

    def at_once(batch: Batch, position: int, fate: Fate, sinks: int = 1) -> None:
        if fate is Fate.FILTERED:
            batch.fates.setdefault(position, fate)
        ended(batch, position, fate, sinks)

    patch.setattr(Batch, "ended", at_once)


def settle_a_stale_epoch(patch: pytest.MonkeyPatch) -> None:
    conclude = Relay._conclude
    receive = Relay._receive

    async def remember(relay: Relay, source: Source) -> None:
        relay.current = source  # type: ignore[attr-defined] # a planted bug
        await receive(relay, source)

    def careless(relay: Relay, batch: Batch) -> None:
        batch.epoch.lost = False
        batch.epoch.source = relay.current  # type: ignore[attr-defined] # a planted bug
        conclude(relay, batch)

    patch.setattr(Relay, "_receive", remember)
    patch.setattr(Relay, "_conclude", careless)
    patch.setattr(MemorySource, "_is_current", lambda source, receipt: True)


def count_nothing_that_was_missed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Relay, "_miss", lambda relay, reason, count: None)


@pytest.mark.parametrize(
    "plant",
    [
        settle_before_the_sink_confirmed,
        forget_the_unconfirmed_on_reconnect,
        resend_out_of_order,
        let_one_sinks_outcome_hide_anothers,
        take_for_filtered_what_one_sink_filtered,
        settle_a_stale_epoch,
        count_nothing_that_was_missed,
    ],
)
def test_a_planted_bug_is_caught(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Federation, settings=HUNT)
