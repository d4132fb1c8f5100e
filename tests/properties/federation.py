"""The relay and supervisor between memory brokers, as a hypothesis state machine.

The rules publish, break, refuse, hold and restart; the invariants look at what the brokers hold after every step; the
teardown heals everything, lets it come to rest and adds up. All of it runs in virtual time.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client import CollectorRegistry

from bridge.mapping import Rules
from bridge.message import DELIVERED, Message, Outcome, Undecodable, Verdict
from bridge.metrics import Metrics
from bridge.ports import Place, Sink, Source
from bridge.relay import RelaySettings
from bridge.supervisor import Route, RoutePlan, Timings, supervise
from config.settings import RetrySettings, WindowSettings
from connectors import memory
from tests.virtual import VirtualLoop

SIZE = 10
REFUSALS = 3
UNWANTED = b"unwanted"
"""The key of messages that the route's filter leaves out."""
VERDICTS = st.sampled_from([Verdict.HOLD, Verdict.RETRY, Verdict.UNKNOWN, Verdict.REJECTED, Verdict.FILTERED])


class Federation(RuleBasedStateMachine):
    """One route from a memory queue to one to three others."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.numbers = count()
        self.published: list[Message | Undecodable] = []
        self.trimmed: list[Message | Undecodable] = []
        self.missed_before = 0.0
        self.stop = asyncio.Event()
        self.overtaken: list[str] = []

    @initialize(
        sinks=st.integers(1, 3),
        window=st.integers(1, 12),
        window_bytes=st.sampled_from([25, 1000]),
        sink_window=st.integers(1, 12),
        in_flight=st.sampled_from([None, 1, 3]),
        latency=st.sampled_from([0.0, 0.01, 0.5]),
        redelivers=st.sampled_from([True, True, False]),
    )
    def begin(
        self,
        sinks: int,
        window: int,
        window_bytes: int,
        sink_window: int,
        in_flight: int | None,
        latency: float,
        redelivers: bool,
    ) -> None:
        self.window = WindowSettings.model_validate({"messages": window, "bytes": window_bytes})
        self.sink_window = sink_window
        self.in_flight = in_flight
        self.redelivers = redelivers
        self.origin = memory.MemoryBroker()
        self.targets = {f"sink{number}": memory.MemoryBroker() for number in range(sinks)}
        self.faults: dict[str, dict[str, list[Verdict]]] = {name: {} for name in self.targets}
        self.rejected: dict[str, set[str]] = {name: set() for name in self.targets}
        self.retries: dict[str, Counter[str]] = {name: Counter() for name in self.targets}
        self.filtered: dict[str, Counter[str]] = {name: Counter() for name in self.targets}
        self.filtered_before: dict[str, set[str]] = {name: set() for name in self.targets}
        self.unwanted = 0
        self.refused: set[str] = set()
        self.behind: dict[str, dict[str, set[str]]] = {name: {} for name in self.targets}
        self.judged: dict[str, set[str]] = {name: set() for name in self.targets}
        for name, target in self.targets.items():
            target.latency = latency
            target.judge = self._judge_of(name)
        self.registry = CollectorRegistry()
        self.start()

    def start(self) -> None:
        place = Place("bridge", "node", "route", self.window.messages, int(self.window.bytes))
        retry = RetrySettings.model_validate({"initial": "100ms", "max": "1s", "refusals": REFUSALS})
        settings = RelaySettings(
            "route",
            dict.fromkeys(self.targets, self.in_flight),
            self.window,
            retry,
            "drop",
            rules=Rules(wanted=self._wanted),
        )

        async def run() -> int:
            self.route = Route(
                RoutePlan(
                    settings,
                    ("origin", lambda: self.open_source(place)),
                    {
                        name: (name, lambda target=target: self.open_sink(target, place))  # type: ignore[misc] # a loop variable
                        for name, target in self.targets.items()
                    },
                ),
                Metrics(self.registry, "test"),
                Timings(),
            )
            return await supervise([self.route], self.stop, 60.0)

        self.running = self.loop.create_task(run(), name="route")
        self.loop.pass_time(0)

    @asynccontextmanager
    async def open_source(self, place: Place) -> AsyncIterator[Source]:
        async with memory.open_source(self.origin, "in", place, redelivers=self.redelivers) as source:
            yield source

    @asynccontextmanager
    async def open_sink(self, target: memory.MemoryBroker, place: Place) -> AsyncIterator[Sink]:
        async with memory.open_sink(target, "out", place._replace(messages=self.sink_window)) as sink:
            yield sink

    def _wanted(self, message: Message) -> bool:
        unwanted = message.key == UNWANTED
        self.unwanted += unwanted
        return not unwanted

    def _judge_of(self, name: str) -> memory.Judge:
        def judge(message: Message) -> Outcome:
            self._check_overtaking(name, message.uid)
            self.behind[name].pop(message.uid, None)
            planned = self.faults[name].get(message.uid)
            if not planned:
                return DELIVERED
            verdict = planned.pop(0)
            self.loop.call_soon(self._note_ahead, name, message.uid)  # just before the lane learns of it
            if verdict is Verdict.REJECTED:
                self.rejected[name].add(message.uid)
            elif verdict is Verdict.RETRY:
                self.retries[name][message.uid] += 1
            elif verdict is Verdict.FILTERED:
                self.filtered[name][message.uid] += 1
            return Outcome(verdict, "planned")

        return judge

    def _note_ahead(self, name: str, uid: str) -> None:
        if uid not in self.gave_up(name):
            in_flight = {sent.uid for sent in self.targets[name].in_flight()}
            self.behind[name][uid] = self.judged[name] | in_flight

    def _check_overtaking(self, name: str, uid: str) -> None:
        """What was not in flight when a sink said something else than yes must not come before that message."""
        self.judged[name].add(uid)
        self.overtaken += [
            f"{uid} overtook {held} at {name}"
            for held, ahead in self.behind[name].items()
            if uid > held and uid not in ahead
        ]

    @invariant()
    def nothing_overtakes_a_known_setback(self) -> None:
        assert not self.overtaken, self.overtaken[0]

    # ---- what happens

    @rule(amount=st.integers(1, 15), unwanted=st.sampled_from([None, None, 0, 1]))
    def publish(self, amount: int, unwanted: int | None) -> None:
        """Publish messages, of which none or every other is not wanted."""
        keys = [UNWANTED if number % 2 == unwanted else None for number in range(amount)]
        messages = [Message(b"x" * SIZE, f"{next(self.numbers):06}", key=key) for key in keys]
        self.published += messages
        self.origin.publish("in", *messages)

    @rule()
    def publish_undecodable(self) -> None:
        message = Undecodable(b"?", b"x" * SIZE, "bad_header_table", "planned", address=f"{next(self.numbers):06}")
        self.published.append(message)
        self.origin.publish("in", message)

    @rule(amount=st.integers(1, 3))
    def trim(self, amount: int) -> None:
        """Have the source's broker lose what it had not given yet, or has back."""
        gone = self.origin.trim("in", amount)
        self.trimmed += gone
        for held in self.behind.values():
            for message in gone:
                held.pop(message.uid if isinstance(message, Message) else "", None)

    @rule(ahead=st.integers(0, 10), verdicts=st.lists(VERDICTS, min_size=1, max_size=5), data=st.data())
    def plan_refusal(self, ahead: int, verdicts: list[Verdict], data: st.DataObject) -> None:
        """Have one sink say something else than yes to a message that is soon to come."""
        name = data.draw(st.sampled_from(sorted(self.targets)))
        uid = f"{len(self.published) + ahead:06}"
        self.faults[name].setdefault(uid, list(verdicts))
        self.refused.add(uid)

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.01, 0.3, 2.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.loop.pass_time(seconds)

    @rule()
    def lose_source(self) -> None:
        self.origin.cut()

    @rule()
    def revoke(self) -> None:
        """Take back what was given, as a rebalance does."""
        self.origin.revoke()

    @rule(data=st.data())
    def lose_sink(self, data: st.DataObject) -> None:
        self.targets[data.draw(st.sampled_from(sorted(self.targets)))].cut()

    @rule(data=st.data())
    def lose_both(self, data: st.DataObject) -> None:
        self.origin.cut()
        self.targets[data.draw(st.sampled_from(sorted(self.targets)))].cut()

    @rule(seconds=st.sampled_from([0.1, 5.0]), data=st.data())
    def take_down(self, seconds: float, data: st.DataObject) -> None:
        broker = data.draw(st.sampled_from([self.origin, *self.targets.values()]))
        broker.stop()
        self.loop.pass_time(seconds)
        broker.start()

    @rule()
    def crash(self) -> None:
        """Kill the bridge: nothing is said to anybody, every connection ends, and a new one starts."""
        self.running.cancel()
        self.loop.run_until_complete(asyncio.wait({self.running}))
        self.origin.cut()
        if not self.redelivers:  # what was in hand is gone
            self.behind = {name: {} for name in self.targets}
        self.begin_anew()

    @precondition(lambda self: not self.stop.is_set())
    @rule()
    def drain_and_restart(self) -> None:
        self.loop.pass_time(0.001)
        whole = self.route.connections[0].port is not None
        whole = whole and not any(batch.epoch.lost for batch in self.route.relay._batches.values())
        self.stop.set()
        undrained = self.loop.run_until_complete(self.running)
        assert not (whole and undrained), "source and sinks are up, so a drain leaves nothing"
        self.check_conservation()
        self.stop.clear()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Start the bridge again, with metrics from 0."""
        self.missed_before += self.missed()
        self.unwanted = 0
        for name, filtered in self.filtered.items():
            self.filtered_before[name] |= filtered.keys()
            filtered.clear()
        self.registry = CollectorRegistry()
        self.start()

    # ---- what must hold

    @invariant()
    def nothing_is_settled_early(self) -> None:
        if not hasattr(self, "origin"):
            return
        for name, target in self.targets.items():
            arrived = {m.uid for m in target.messages("out") if isinstance(m, Message)}
            for message in self.origin.acknowledged:
                if isinstance(message, Message) and message.key is None and message.uid not in self.gave_up(name):
                    assert message.uid in arrived, f"{message.uid} was settled before {name} had it"

    def gave_up(self, name: str) -> set[str]:
        """Messages that the sink has rejected or filtered, or has refused more often than the route tries."""
        tired = {uid for uid, count in self.retries[name].items() if count > REFUSALS}
        return self.rejected[name] | self.filtered_before[name] | self.filtered[name].keys() | tired

    @invariant()
    def memory_is_within_the_window(self) -> None:
        if hasattr(self, "route"):
            relay = self.route.relay
            assert relay.messages <= self.window.messages
            # Messages are of one size here, so the byte window may be passed by the first batch alone.
            first = max(1, self.window.messages // 4) * SIZE
            assert relay.bytes < int(self.window.bytes) + first

    def check_conservation(self) -> None:
        received = self.count("fedbridge_messages_received_total")
        ends = {
            outcome: self.count("fedbridge_messages_total", outcome=outcome)
            for outcome in ("delivered", "dead", "dropped", "filtered", "returned")
        }
        assert received == sum(ends.values()), f"received {received}, but {ends}"
        by_every_sink = Counter[str](next(iter(self.filtered.values())))
        for filtered in self.filtered.values():
            by_every_sink &= filtered
        assert self.unwanted <= ends["filtered"] <= self.unwanted + by_every_sink.total(), "filtered by all or by none"
        if not self.redelivers:
            assert not ends["returned"], "what a source gives only once is worked off to the end"

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, {"route": "route", **labels}) or 0.0

    def missed(self) -> float:
        return self.count("fedbridge_source_missed_total", reason="trimmed")

    def teardown(self) -> None:
        if not hasattr(self, "route"):
            self.loop.close()
            return
        try:
            self.loop.pass_time(300)
            self.check_at_rest()
        finally:
            self.loop.end(self.running)
            asyncio.set_event_loop(None)

    def check_at_rest(self) -> None:
        assert not self.origin.messages("in"), "everything was taken"
        settled = {m.uid for m in self.origin.acknowledged if isinstance(m, Message)}
        sent = [m.uid for m in self.published if isinstance(m, Message)]
        unwanted = {m.uid for m in self.published if isinstance(m, Message) and m.key == UNWANTED}
        trimmed = {m.uid for m in self.trimmed if isinstance(m, Message)}
        assert self.missed_before + self.missed() == len(self.trimmed), "what was gone was told, once"
        if self.redelivers:
            assert settled == set(sent) - trimmed, "everything was settled that was still there"
        self.nothing_is_settled_early()
        self.memory_is_within_the_window()
        self.check_conservation()
        assert self.route.relay.messages == 0
        for name, target in self.targets.items():
            arrived = list(dict.fromkeys(m.uid for m in target.messages("out") if isinstance(m, Message)))
            owed = set(sent) - trimmed if self.redelivers else settled
            assert owed - unwanted - self.gave_up(name) <= set(arrived), f"lost on the way to {name}"
            assert set(arrived) <= set(sent) - unwanted
            ordered = arrived if self.in_flight == 1 else [uid for uid in arrived if uid not in self.refused]
            assert ordered == sorted(ordered), f"out of order at {name}"
