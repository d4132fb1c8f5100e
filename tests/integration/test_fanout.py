"""One source to several targets, on real brokers, with one of them away, refusing or slow: no other minds it."""

import asyncio

import pytest

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.ends import End, Queue, Topic, wait_found
from tests.legs import GROUP, Ends, MakeBridge, route, settled
from tests.proxy import slowed
from tests.routes import everywhere, numbered


@pytest.fixture(params=["kafka", "rabbitmq"])
def own(request: pytest.FixtureRequest) -> Kafka | RabbitMQ:
    """A broker of this test's own."""
    made: Kafka | RabbitMQ = request.getfixturevalue(f"own_{request.param}")
    return made


@pytest.mark.parametrize("source", ["amqp", "kafka"])
async def test_one_target_away_holds_no_other_back_and_misses_nothing(
    brokers: Brokers, ends: Ends, own: Kafka | RabbitMQ, bridge: MakeBridge, source: str
) -> None:
    window = 1000
    origin, queue, topic = (
        await ends.make(source, "in"),
        await ends.make("amqp", "out"),
        await ends.make("kafka", "out"),
    )
    away: End = (
        await asyncio.to_thread(Queue, own.url, "away") if isinstance(own, RabbitMQ) else Topic(own.bootstrap, "away")
    )
    target = away.target.replace('"rabbit"', '"away"').replace('"kafka"', '"away"')
    table = route(
        origin,
        ("amqp", "queue", queue.target),
        ("kafka", "topic", topic.target),
        (away.kind, "away", target + (", create = true" if away.kind == "kafka" else "")),
        more=f"window = {{ messages = {window} }}",
    )
    more = f"""
[brokers.away]
url = "{own.url}"
connect_timeout = "3s"
broker_timeout = "3s"
"""
    daemon = bridge(everywhere(brokers, table + more))
    daemon.wait_state("running")
    await origin.fill(numbered(300))
    await asyncio.to_thread(own.stop)  # with some of them on their way, or not
    await origin.fill(numbered(700, first=300))
    assert await wait_found(queue, 1000) == numbered(1000)
    assert await wait_found(topic, 1000) == numbered(1000)
    assert daemon.fates()["delivered"] <= 300, "nothing is settled before every target has it"
    daemon.wait_state("backing_off")
    await asyncio.to_thread(own.start)
    found = await wait_found(away, 1000)
    assert list(dict.fromkeys(found)) == numbered(1000)
    assert len(found) - 1000 <= window
    settled(daemon, 1000)
    assert daemon.stop() == 0
    assert await queue.found() == numbered(1000), "who had it was not sent it again"
    assert await topic.found() == numbered(1000)
    assert await origin.left(GROUP) == 0


@pytest.mark.parametrize("source", ["amqp", "kafka"])
async def test_a_full_queue_holds_the_route_visibly_and_misses_nothing(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, unique: str, source: str
) -> None:
    origin, topic = await ends.make(source, "in"), await ends.make("kafka", "out")
    full = Queue(brokers.amqp_url, f"{unique}-full", {"x-max-length": 100, "x-overflow": "reject-publish"})
    table = route(
        origin,
        ("amqp", "full", f"{full.target}, max_in_flight = 1"),  # else what is in flight may overtake the refused
        ("kafka", "topic", topic.target),
        more='retry = { initial = "50ms", max = "200ms" }',
    )
    daemon = bridge(everywhere(brokers, table))
    await origin.fill(numbered(1000))
    assert await wait_found(topic, 1000) == numbered(1000)
    assert "full" in daemon.wait_state("waiting")
    assert daemon.metric('fedbridge_sink_blocked{route="updates",sink="full"}') == 1
    retries = daemon.metric('fedbridge_retries_total{reason="nack",route="updates",sink="full"}')
    seen: list[str] = []
    while len(seen) < 1000:  # a consumer makes room, and takes them in order
        seen += await asyncio.to_thread(full.take_all)
    assert list(dict.fromkeys(seen)) == numbered(1000)
    assert len(seen) == 1000, "a nack is not a delivery"
    settled(daemon, 1000)
    assert 0 < retries < 1000, "it does not loop hot"
    assert daemon.stop() == 0
    assert await topic.found() == numbered(1000)


@pytest.mark.parametrize("source", ["amqp", "kafka"])
async def test_a_slow_target_slows_the_source_down_and_misses_nothing(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, source: str
) -> None:
    origin, topic = await ends.make(source, "in"), await ends.make("kafka", "out")
    slow = await ends.make("amqp", "slow")
    with slowed(brokers.amqp_url, seconds=0.05) as url:
        table = route(
            origin,
            ("amqp", "slow", slow.target.replace('"rabbit"', '"slow"')),
            ("kafka", "topic", topic.target),
            more="window = { messages = 100 }",
        )
        daemon = bridge(everywhere(brokers, f'{table}\n[brokers.slow]\nid = "slow"\nurl = "{url}"\nheartbeat = "2s"\n'))
        await origin.fill(numbered(1000))
        most = 0.0
        while daemon.fates()["delivered"] < 1000:
            most = max(most, daemon.metric('fedbridge_inflight_messages{route="updates"}'))
            await asyncio.sleep(0.05)
        assert most <= 100, "the window holds"
        settled(daemon, 1000)
        assert daemon.stop() == 0
    assert await slow.found() == numbered(1000)
    assert await topic.found() == numbered(1000)
    assert await origin.left(GROUP) == 0
