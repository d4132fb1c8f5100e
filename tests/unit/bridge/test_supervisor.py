"""What the model of the relay does not show: the route's states, and permanent faults and bugs."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bridge.connection import State
from bridge.errors import RouteFault
from bridge.message import DELIVERED, Message, Outcome, Undecodable, Verdict
from bridge.metrics import Metrics
from bridge.ports import Place, Source
from bridge.relay import RelaySettings
from bridge.supervisor import Route, RoutePlan, Timings, place_of, supervise
from config.settings import OnError, RetrySettings, Unroutable, WindowSettings
from connectors import memory
from tests.virtual import VirtualLoop

PLACE = Place("bridge", "node", "route", 10, 1000)


class Setting:
    """A route between two memory brokers in virtual time, whose source can be made to fail for good."""

    def __init__(self, on_error: OnError = "stop", unroutable: Unroutable = "dead_letter") -> None:
        self.loop = VirtualLoop()
        self.origin, self.target = memory.MemoryBroker(), memory.MemoryBroker()
        self.failure: Exception | None = None
        self.opened = 0
        self.stop = asyncio.Event()
        self.registry = CollectorRegistry()
        window = WindowSettings(messages=10)
        settings = RelaySettings("route", {"sink": None}, window, RetrySettings(), on_error, unroutable)
        plan = RoutePlan(
            settings,
            ("origin", self.open_source),
            {"sink": ("target", lambda: memory.open_sink(self.target, "out", PLACE))},
        )

        async def run() -> int:
            self.route = Route(plan, Metrics(self.registry, "test"), Timings())
            return await self.route.run(self.stop, 5.0)

        self.running = self.loop.create_task(run())

    @asynccontextmanager
    async def open_source(self) -> AsyncIterator[Source]:
        self.opened += 1
        if self.failure is not None:
            raise self.failure
        async with memory.open_source(self.origin, "in", PLACE) as source:
            yield source

    def state(self) -> State:
        return self.route.state

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"fedbridge_{name}", {"route": "route", **labels})


@pytest.fixture
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    made = Setting(*getattr(request, "param", ()))
    yield made
    made.loop.end(made.running)


def test_a_route_runs_when_source_and_sinks_are_open(setting: Setting) -> None:
    setting.target.stop()
    setting.loop.pass_time(0.1)
    assert setting.state() is State.BACKING_OFF
    assert setting.value("connection_up", broker="origin", role="source") == 1
    assert setting.value("connection_up", broker="target", role="sink") == 0
    assert setting.value("route_state", state="backing_off") == 1
    setting.target.start()
    setting.loop.pass_time(5)
    assert setting.state() is State.RUNNING
    assert setting.route.reason == ""
    assert setting.value("connection_up", broker="target", role="sink") == 1
    assert setting.value("reconnects_total", broker="target", role="sink", reason="refused") is None, "a first one"
    setting.target.cut()
    setting.loop.pass_time(5)
    assert setting.value("reconnects_total", broker="target", role="sink", reason="lost") == 1


def test_a_lost_source_is_a_reconnect(setting: Setting) -> None:
    setting.loop.pass_time(0.1)
    setting.origin.cut()
    setting.loop.pass_time(5)
    assert setting.value("reconnects_total", broker="origin", role="source", reason="lost") == 1
    assert setting.state() is State.RUNNING


def test_the_backoff_grows_and_starts_afresh_after_progress(setting: Setting) -> None:
    setting.loop.pass_time(0.1)
    setting.origin.stop()
    setting.loop.pass_time(120)
    assert 6 <= setting.opened <= 12, "0.5 s, doubling to 30 s"
    setting.origin.start()
    setting.loop.pass_time(40)
    setting.origin.publish("in", Message(b"x", "1"))
    setting.loop.pass_time(1)
    opened = setting.opened
    setting.origin.cut()
    setting.loop.pass_time(1)
    assert setting.opened == opened + 1, "the first wait again"


def test_a_permanent_fault_fails_the_route_and_is_probed_slowly(setting: Setting) -> None:
    setting.failure = RouteFault("queue orders does not exist", "missing")
    setting.loop.pass_time(10)
    assert setting.state() is State.FAILED
    assert setting.route.reason == "source: queue orders does not exist"
    assert setting.opened == 1
    setting.failure = None
    setting.loop.pass_time(60)
    assert setting.state() is State.RUNNING


def test_a_bug_is_retried_and_then_fails_the_route(setting: Setting) -> None:
    setting.failure = ZeroDivisionError("oops")
    setting.loop.pass_time(1)
    assert setting.state() is State.BACKING_OFF
    setting.loop.pass_time(60)
    assert setting.state() is State.FAILED
    assert "oops" in setting.route.reason


def test_a_refused_message_stops_the_route_until_it_is_stopped(setting: Setting) -> None:
    setting.target.judge = lambda message: (
        Outcome(Verdict.REJECTED, "too_large", "5 MiB") if message.uid == "2" else DELIVERED
    )
    setting.origin.publish("in", *(Message(b"x", str(number)) for number in range(5)))
    setting.loop.pass_time(100)
    assert setting.state() is State.FAILED
    assert setting.route.reason == (
        "a message was refused at sink: too_large: 5 MiB (uid 2); see to it, then restart fedbridge"
    )
    assert [m.uid for m in setting.origin.messages("in") if isinstance(m, Message)] == ["2"], "it stays, alone"
    assert not setting.running.done()
    setting.stop.set()
    setting.loop.pass_time(1)
    assert setting.running.result() == 0


@pytest.mark.parametrize("setting", [("drop",)], indirect=True)
def test_an_undecodable_message_is_dropped_and_counted_where_the_route_says_so(setting: Setting) -> None:
    bad = Undecodable(b"", b"x", "too_deep", "byte 7")
    setting.origin.publish("in", Message(b"x", "1"), bad, Message(b"x", "2"))
    setting.loop.pass_time(10)
    assert setting.state() is State.RUNNING
    assert setting.value("messages_total", outcome="dropped") == 1
    assert setting.value("messages_total", outcome="delivered") == 2
    assert not setting.origin.messages("in")


def test_a_stop_while_the_source_is_away_drains_what_is_in_hand(setting: Setting) -> None:
    setting.target.latency = 2
    setting.origin.publish("in", Message(b"x", "1"))
    setting.loop.pass_time(0.1)
    setting.origin.stop()
    setting.loop.pass_time(0.1)
    setting.stop.set()
    setting.loop.pass_time(3)
    assert setting.running.result() == 1, "it was delivered, and it comes again"
    assert setting.value("messages_total", outcome="delivered") == 1
    assert setting.value("stale_receipts_total") == 1


def test_what_a_sink_left_unanswered_is_given_up_when_the_source_is_lost_too(setting: Setting) -> None:
    setting.target.latency = 60
    setting.origin.publish("in", *(Message(b"x", str(number)) for number in range(5)))
    setting.loop.pass_time(0.1)
    setting.target.stop()
    setting.loop.pass_time(0.1)
    setting.origin.stop()
    setting.loop.pass_time(0.1)
    assert setting.route.relay.messages == 0, "the broker has all of them again"
    assert setting.value("messages_total", outcome="returned") == 5


def test_acknowledgements_that_are_not_taken_are_told(setting: Setting) -> None:
    setting.origin.publish("in", *(Message(b"x", str(number)) for number in range(3)))
    setting.loop.pass_time(1)
    setting.stop.set()
    setting.origin.stop()
    setting.loop.pass_time(1)
    assert setting.running.result() == 3


def test_without_routes_it_waits_to_be_stopped() -> None:
    loop = VirtualLoop()
    stop = asyncio.Event()
    running = loop.create_task(supervise([], stop, 1.0))
    loop.pass_time(1)
    assert not running.done()
    stop.set()
    loop.pass_time(1)
    assert running.result() == 0
    loop.close()


def test_a_bug_is_told_with_its_place() -> None:
    assert place_of(ZeroDivisionError()) == "unknown", "never raised"
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the place is the line below
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            raise ExceptionGroup("group", [error]) from None
    assert place_of(caught.value).startswith(f"{__file__}:")


def test_a_drain_that_takes_too_long_says_how_much_was_left(setting: Setting) -> None:
    setting.loop.pass_time(0.1)
    setting.target.latency = 60
    setting.origin.publish("in", Message(b"x", "1"))
    setting.loop.pass_time(0.1)
    setting.stop.set()
    setting.loop.pass_time(6)
    assert setting.running.result() == 1
    assert setting.value("messages_total", outcome="returned") == 1
    assert len(setting.origin.messages("in")) == 1


def test_a_broker_that_lacks_something_makes_the_route_wait_and_says_what(setting: Setting) -> None:
    full = True
    setting.target.judge = lambda message: Outcome(Verdict.HOLD, "nack", "queue stock is full") if full else DELIVERED
    setting.origin.publish("in", Message(b"x", "1"))
    setting.loop.pass_time(100)
    assert setting.state() is State.WAITING
    assert setting.route.reason == "sink: queue stock is full"
    assert setting.value("sink_blocked", sink="sink") == 1
    held = setting.value("retries_total", sink="sink", reason="nack")
    assert held is not None
    assert 5 < held < 20, "0.2 s, doubling to 30 s: it neither gives up nor loops hot"
    full = False
    setting.loop.pass_time(40)
    assert setting.state() is State.RUNNING
    assert setting.route.reason == ""
    assert setting.value("sink_blocked", sink="sink") == 0
    assert setting.value("messages_total", outcome="delivered") == 1


@pytest.mark.parametrize("setting", [("stop", "hold")], indirect=True)
def test_an_unroutable_message_is_held_where_the_route_says_so(setting: Setting) -> None:
    bound = False
    setting.target.judge = lambda message: (
        DELIVERED if bound else Outcome(Verdict.REJECTED, "unroutable", "NO_ROUTE for key eu")
    )
    setting.origin.publish("in", Message(b"x", "1"), Message(b"x", "2"))
    setting.loop.pass_time(10)
    assert (setting.state(), setting.route.reason) == (State.WAITING, "sink: NO_ROUTE for key eu")
    bound = True
    setting.loop.pass_time(40)
    assert setting.state() is State.RUNNING
    assert [m.uid for m in setting.target.messages("out") if isinstance(m, Message)] == ["1", "2"]


@pytest.mark.parametrize("setting", [("stop", "drop")], indirect=True)
def test_an_unroutable_message_is_dropped_where_the_route_says_so_and_others_are_not(setting: Setting) -> None:
    reasons = {"1": "unroutable", "3": "too_large"}
    setting.target.judge = lambda message: (
        Outcome(Verdict.REJECTED, reasons[message.uid]) if message.uid in reasons else DELIVERED
    )
    setting.origin.publish("in", Message(b"x", "1"), Message(b"x", "2"))
    setting.loop.pass_time(10)
    assert setting.state() is State.RUNNING
    assert setting.value("messages_total", outcome="dropped") == 1
    setting.origin.publish("in", Message(b"x", "3"))
    setting.loop.pass_time(10)
    assert setting.state() is State.FAILED, "on_error is for all other refusals"


def test_a_rebalance_takes_back_what_was_not_sent_and_is_no_reconnect(setting: Setting) -> None:
    setting.target.stop()
    setting.origin.publish("in", *(Message(b"x", str(number)) for number in range(3)))
    setting.loop.pass_time(0.1)
    assert setting.route.relay.messages == 3
    setting.origin.revoke()
    assert setting.value("messages_total", outcome="returned") == 3
    setting.target.start()
    setting.loop.pass_time(40)
    assert [m.uid for m in setting.target.messages("out") if isinstance(m, Message)] == ["0", "1", "2"]
    assert setting.value("messages_total", outcome="delivered") == 3
    assert setting.value("messages_received_total") == 6
    assert setting.value("reconnects_total", broker="origin", role="source", reason="lost") is None


def test_the_lag_is_what_the_broker_holds_and_nobody_knows_it_without_a_connection(setting: Setting) -> None:
    setting.target.stop()
    setting.origin.publish("in", *(Message(b"x", str(number)) for number in range(15)))
    setting.loop.pass_time(0.1)
    assert setting.value("source_lag") == 15, "a window of 10 is on loan"
    setting.origin.stop()
    setting.loop.pass_time(0.1)
    lag = setting.value("source_lag")
    assert lag is not None
    assert math.isnan(lag)


def test_the_log_says_when_a_route_begins_to_wait_and_when_it_runs_again() -> None:
    loop, stop = VirtualLoop(), asyncio.Event()
    origin, target = memory.MemoryBroker(), memory.MemoryBroker()
    target.judge = lambda _: Outcome(Verdict.HOLD, "nack", "queue orders is full")
    settings = RelaySettings("orders", {"sink": None}, WindowSettings(), RetrySettings(), "stop")
    plan = RoutePlan(
        settings,
        ("origin", lambda: memory.open_source(origin, "in", PLACE)),
        {"sink": ("target", lambda: memory.open_sink(target, "out", PLACE))},
    )

    async def run() -> None:
        await supervise([Route(plan, Metrics(CollectorRegistry(), "test"), Timings())], stop, 5.0)

    with capture_logs() as lines:
        running = loop.create_task(run())
        loop.pass_time(2)
        origin.publish("in", Message(b"x", "1"))
        loop.pass_time(30)
        target.judge = lambda _: DELIVERED
        loop.pass_time(40)
        stop.set()
        loop.run_until_complete(running)
    loop.end(running)
    told = [(line["log_level"], line["event"], line.get("reason")) for line in lines if line["event"] != "Connected."]
    assert told == [
        ("info", "The route runs.", None),
        ("warning", "The route waits.", "sink: queue orders is full"),
        ("info", "The route runs.", None),
    ]
