"""What the relay's model does not show of a lane: how soon it goes on after a HOLD, and when it says why it waits."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

from bridge.batch import Batch, Epoch, Fate, Parcel
from bridge.lane import Lane
from bridge.message import DELIVERED, Delivery, Message, Outcome, Verdict
from bridge.metrics import Metrics
from bridge.ports import Place
from config.settings import RetrySettings
from connectors import memory
from tests.virtual import VirtualLoop

PLACE = Place("bridge", "node", "route", 4000, 1 << 25)
FULL = Outcome(Verdict.HOLD, "nack", "a queue is full")
Judge = Callable[[Message], Outcome]


class Setting:
    """A lane with the default retry, to a memory broker in virtual time."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.broker = memory.MemoryBroker()
        self.broker.latency = 0.002
        self.tried = 0
        self.refused: list[tuple[str, str]] = []
        self._batches = 0
        self._source = memory.MemorySource(memory.MemoryBroker(), "in", PLACE, redelivers=True)
        self.lane: Lane
        self.running = self.loop.create_task(self._run())
        self.loop.pass_time(0)

    async def _run(self) -> None:
        meters = Metrics(CollectorRegistry(), "test").route("route").lane("sink")
        self.lane = Lane(
            "sink", RetrySettings(), None, meters, clock=self.loop.time, refuse=self._refuse, moved=lambda: None
        )
        async with memory.open_sink(self.broker, "out", PLACE) as sink:
            await self.lane.run(sink)

    def _refuse(self, message: Message, sink: str, outcome: Outcome) -> Fate:
        self.refused.append((message.uid, outcome.reason))
        return Fate.DROPPED

    def judge(self, judge: Judge) -> None:
        def counted(message: Message) -> Outcome:
            self.tried += 1
            return judge(message)

        self.broker.judge = counted

    def push(self, count: int) -> None:
        self.push_all([Message(b"%d" % number, f"{self._batches + 1}-{number}") for number in range(count)])

    def push_all(self, messages: list[Message]) -> Batch:
        self._batches += 1
        deliveries = [Delivery(message, number, 1) for number, message in enumerate(messages)]
        batch = Batch(self._batches, Epoch(self._source), deliveries, messages, self.loop.time(), 1, lambda _: None)
        self.lane.push(Parcel(batch, 0, len(messages)))
        return batch


@pytest.fixture
def setting() -> Iterator[Setting]:
    setting = Setting()
    yield setting
    setting.loop.end(setting.running)


def drained(per_second: int, room: int, clock: Callable[[], float]) -> Judge:
    """A queue with so much room at first, that refuses what is beyond, and is consumed at a steady rate."""
    taken = 0

    def judge(_: Message) -> Outcome:
        nonlocal taken
        if taken - per_second * clock() >= room:
            return FULL
        taken += 1
        return DELIVERED

    return judge


def test_a_full_queue_that_is_consumed_is_kept_full(setting: Setting) -> None:
    setting.judge(drained(1000, 1000, setting.loop.time))
    for _ in range(20):
        setting.push(4000)
    setting.loop.pass_time(30)
    assert setting.lane.confirmed > 25_000, "31,000 found room in this time"
    assert setting.tried < 3 * setting.lane.confirmed, "what is refused lands in the exchange's other queues each time"


def test_what_nobody_consumes_is_tried_with_one_message_at_a_time(setting: Setting) -> None:
    setting.judge(lambda _: FULL)
    setting.push(4000)
    setting.loop.pass_time(300)
    assert 4000 + 10 < setting.tried < 4000 + 30, "the pauses grow to 30 s"
    assert setting.lane.obstacle == "a queue is full"


def test_it_sends_as_much_as_before_soon_after_the_broker_takes_messages_again(setting: Setting) -> None:
    setting.judge(lambda _: FULL)
    setting.push(4000)
    setting.loop.pass_time(1)
    setting.judge(lambda _: DELIVERED)
    setting.push(4000)
    setting.loop.pass_time(2)
    assert setting.lane.confirmed == 8000
    assert setting.lane.obstacle == ""


def obstructed(setting: Setting) -> None:
    setting.judge(lambda _: FULL)
    setting.push(3)
    setting.loop.pass_time(0.1)
    assert setting.lane.obstacle == "a queue is full"


def test_no_obstacle_is_left_when_nothing_waits_behind_it(setting: Setting) -> None:
    obstructed(setting)
    setting.lane.recall(lambda _parcel, position: position > 0)
    assert setting.lane.obstacle, "one message still waits"
    setting.lane.recall(lambda _parcel, _position: True)
    assert setting.lane.obstacle == ""


def test_no_obstacle_is_left_when_everything_is_given_up(setting: Setting) -> None:
    obstructed(setting)
    setting.lane.abandon()
    assert setting.lane.obstacle == ""


def test_no_obstacle_is_left_when_the_broker_takes_some_and_refuses_others_for_good(setting: Setting) -> None:
    obstructed(setting)
    setting.judge(lambda message: DELIVERED if message.body == b"0" else Outcome(Verdict.REJECTED, "too_large"))
    setting.loop.pass_time(60)
    assert setting.lane.obstacle == ""
    assert setting.lane.confirmed == 1


def expiring(*milliseconds: str) -> list[Message]:
    return [Message(b"", f"m{number}", properties={"expiration": text}) for number, text in enumerate(milliseconds)]


def test_what_waited_has_less_time_left_and_what_has_none_is_not_sent(setting: Setting) -> None:
    setting.judge(lambda _: FULL)
    batch = setting.push_all([*expiring("90000", "100", "50000", "soon", "200"), Message(b"", "m5")])
    setting.loop.pass_time(8)
    taken: list[Message] = []
    setting.judge(lambda message: taken.append(message) or DELIVERED)  # type: ignore[func-returns-value]
    setting.loop.pass_time(20)
    assert setting.refused == [("m1", "expired"), ("m4", "expired")]
    assert batch.fates == {1: Fate.DROPPED, 4: Fate.DROPPED}
    assert [message.uid for message in taken] == ["m0", "m2", "m3", "m5"], "in the source's order"
    assert 90000 - 28000 <= int(taken[0].properties["expiration"]) < 90000 - 8000, "the time is taken off once"
    assert taken[2].properties["expiration"] == "soon", "no time"
    assert setting.lane.confirmed == 4


def test_what_does_not_wait_keeps_its_time(setting: Setting) -> None:
    taken: list[Message] = []
    setting.judge(lambda message: taken.append(message) or DELIVERED)  # type: ignore[func-returns-value]
    setting.push_all(expiring("1", "60000"))
    setting.loop.pass_time(5)
    assert [message.properties["expiration"] for message in taken] == ["1", "60000"]


def test_no_obstacle_is_left_when_all_that_waited_behind_it_has_expired(setting: Setting) -> None:
    setting.judge(lambda _: FULL)
    setting.push_all(expiring("3000", "3000", "3000"))
    setting.loop.pass_time(60)
    assert len(setting.refused) == 3
    assert setting.lane.obstacle == ""
