"""The daemon under trouble (issue 1, points 4 to 6): crashes, outages, signals, permanent faults, poison."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import Callable

import pika
import pytest

from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.process import free_port
from tests.conftest import MakeTopic
from tests.routes import Bridge, numbered, publish, queued, records, toml, wait, wait_records

MakeBridge = Callable[[str], Bridge]


def make_queue(url: str, name: str) -> str:
    """Make a durable queue and give the route's source for it."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare(name, durable=True)
    return f'queue = "{name}"'


def first_occurrences(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))


async def test_killed_three_times_under_load_nothing_is_lost(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str
) -> None:
    count, window = 60_000, 4000
    topic = await kafka_topic()
    source = make_queue(amqp_url, unique)
    await asyncio.to_thread(publish, amqp_url, "", numbered(count), unique)
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}"'))
    delivered = 'fedbridge_messages_total{outcome="delivered",route="updates"}'
    for _ in range(3):
        wait(lambda: daemon.metric(delivered) > 5000, daemon.tail)
        daemon.process.kill()
        daemon.start()
    found = await wait_records(kafka_bootstrap, topic, count)
    wait(lambda: daemon.fates()["delivered"] == daemon.fates()["received"], lambda: f"{daemon.fates()}")
    assert daemon.stop() == 0
    found = await records(kafka_bootstrap, topic)
    assert sorted(set(found)) == numbered(count), "none is lost"
    duplicates = len(found) - count
    print(f"{duplicates} duplicates after three kills, window {window}")
    assert duplicates <= 3 * window
    assert max(Counter(found).values()) <= 4
    assert first_occurrences(found) == numbered(count), "in order of first occurrences"
    assert queued(amqp_url, unique) == 0


async def test_sigterm_under_load_loses_and_doubles_nothing(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str
) -> None:
    topic = await kafka_topic()
    source = make_queue(amqp_url, unique)
    await asyncio.to_thread(publish, amqp_url, "", numbered(30_000), unique)
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}"'))
    delivered = 'fedbridge_messages_total{outcome="delivered",route="updates"}'
    for _ in range(2):
        wait(lambda: daemon.metric(delivered) > 3000, daemon.tail)
        assert daemon.stop() == 0
        daemon.start()
    assert sorted(await wait_records(kafka_bootstrap, topic, 30_000)) == numbered(30_000), "each exactly once"
    assert daemon.stop() == 0
    assert await records(kafka_bootstrap, topic) == numbered(30_000), "and in order"


async def test_a_sink_outage_holds_and_counters_move_only_after_confirmation(
    amqp_url: str, own_kafka: Kafka, bridge: MakeBridge, unique: str
) -> None:
    source = make_queue(amqp_url, unique)
    configuration = toml(amqp_url, own_kafka.bootstrap, source, 'topic = "updates", create = true')
    daemon = bridge(configuration)
    daemon.wait_state("running")
    publish(amqp_url, "", numbered(100), unique)
    await wait_records(own_kafka.bootstrap, "updates", 100)
    wait(lambda: daemon.fates()["delivered"] == 100, lambda: f"{daemon.fates()}")

    await asyncio.to_thread(own_kafka.stop)
    publish(amqp_url, "", numbered(50, first=100), unique)
    wait(lambda: daemon.fates()["received"] == 150, lambda: f"{daemon.fates()}")
    daemon.wait_state("backing_off")
    assert daemon.fates()["delivered"] == 100, "nothing is counted before it is confirmed"
    assert daemon.metric('fedbridge_inflight_messages{route="updates"}') == 50
    assert daemon.metric('fedbridge_connection_up{broker="kafka",role="sink",route="updates"}') == 0
    assert daemon.metric('fedbridge_connection_up{broker="rabbit",role="source",route="updates"}') == 1
    assert daemon.get("/readyz")[0] == 503
    assert daemon.get("/livez")[0] == 200

    await asyncio.to_thread(own_kafka.start)
    daemon.wait_state("running")
    found = await wait_records(own_kafka.bootstrap, "updates", 150)
    assert first_occurrences(found) == numbered(150)
    wait(lambda: daemon.fates()["delivered"] == 150, lambda: f"{daemon.fates()}")
    assert daemon.fates() == {"received": 150, "delivered": 150, "dead": 0, "dropped": 0, "filtered": 0, "returned": 0}
    assert daemon.metric('fedbridge_inflight_messages{route="updates"}') == 0
    assert daemon.stop() == 0
    assert queued(amqp_url, unique) == 0


async def test_a_second_signal_ends_at_once_and_an_undrained_stop_says_so(
    amqp_url: str, own_kafka: Kafka, bridge: MakeBridge, unique: str
) -> None:
    source = make_queue(amqp_url, unique)
    configuration = toml(amqp_url, own_kafka.bootstrap, source, 'topic = "updates", create = true')
    unanswered = 'fedbridge_unknown_outcomes_total{route="updates"}'
    patient = bridge(configuration)
    patient.wait_state("running")
    await asyncio.to_thread(own_kafka.stop)
    publish(amqp_url, "", numbered(10), unique)
    wait(lambda: patient.metric(unanswered) > 0, patient.tail)
    patient.process.signal(signal.SIGTERM)
    patient.wait_state("draining")
    patient.process.signal(signal.SIGTERM)
    assert patient.process.wait(2) == 1
    wait(lambda: queued(amqp_url, unique) == 10, lambda: "they went back")

    await asyncio.to_thread(own_kafka.start)
    hasty = bridge(configuration.replace('drain_timeout = "20s"', 'drain_timeout = "1s"'))
    assert first_occurrences(await wait_records(own_kafka.bootstrap, "updates", 10)) == numbered(10)
    await asyncio.to_thread(own_kafka.stop)
    publish(amqp_url, "", numbered(10, first=10), unique)
    wait(lambda: hasty.metric(unanswered) > 0, hasty.tail)
    assert hasty.stop() == 1
    assert "not everything was drained" in hasty.tail()
    assert queued(amqp_url, unique) == 10, "they went back"


async def test_it_starts_before_any_broker_and_other_routes_are_independent(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str
) -> None:
    topic = await kafka_topic()
    away = free_port()
    source = make_queue(amqp_url, unique)
    more = f"""
[brokers.away]
url = "amqp://guest:guest@127.0.0.1:{away}/"
[brokers.locked]
url = "{amqp_url}"
username = "nobody"
password = "wrong"
[routes.to-come]
from.amqp = {{ broker = "away", queue = "{unique}-away", declare = true }}
to.kafka = {{ topic = "{topic}" }}
[routes.no-login]
from.amqp = {{ broker = "locked", queue = "{unique}" }}
to.kafka = {{ topic = "{topic}" }}
[routes.no-queue]
from.amqp = {{ broker = "rabbit", queue = "{unique}-mistyped" }}
to.kafka = {{ topic = "{topic}" }}
[routes.no-topic]
from.amqp = {{ broker = "rabbit", queue = "{unique}" }}
to.kafka = {{ topic = "{topic}-mistyped" }}
"""
    daemon = bridge(toml(amqp_url, kafka_bootstrap, 'broker = "rabbit", ' + source, f'topic = "{topic}"', more))
    daemon.wait_state("running")
    assert "127.0.0.1" in daemon.wait_state("backing_off", "to-come")
    assert "nobody" in daemon.wait_state("failed", "no-login") or "refused" in daemon.route("no-login")[1]
    assert f"{unique}-mistyped" in daemon.wait_state("failed", "no-queue")
    assert f"{topic}-mistyped" in daemon.wait_state("failed", "no-topic")
    assert "wrong" not in daemon.tail(), "no password in the log"
    assert daemon.metric('fedbridge_route_state{route="no-queue",state="failed"}') == 1
    publish(amqp_url, "", ["still relayed"], unique)
    wait(lambda: daemon.fates()["received"] + daemon.fates("no-topic")["received"] == 1, daemon.tail)
    assert daemon.stop() == 0


async def test_a_poisoned_message_stops_the_route_and_stays(
    amqp_url: str, kafka_bootstrap: str, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str
) -> None:
    topic = await kafka_topic(config={"max.message.bytes": "20000"})
    source = make_queue(amqp_url, unique)
    large = "x" * 50_000
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        for body in ("before", large, "after"):
            connection.channel().basic_publish("", unique, body.encode())
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}"'))
    assert "too_large" in daemon.wait_state("failed")
    wait(lambda: queued(amqp_url, unique) >= 1, daemon.tail)
    assert daemon.stop() == 0
    left = queued(amqp_url, unique)
    arrived = await records(kafka_bootstrap, topic)
    assert large not in arrived
    assert "before" in arrived
    assert left + len(arrived) == 3, "what did not arrive is still in the queue"

    dropping = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{topic}"', 'on_error = "drop"'))
    await wait_records(kafka_bootstrap, topic, 2)
    wait(lambda: dropping.fates()["dropped"] == 1, dropping.tail)
    assert dropping.stop() == 0
    assert queued(amqp_url, unique) == 0
    assert sorted(await records(kafka_bootstrap, topic)) == ["after", "before"]


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
async def test_metrics_are_served_in_both_formats(
    amqp_url: str, kafka_bootstrap: str, bridge: MakeBridge, unique: str, accept: str
) -> None:
    source = make_queue(amqp_url, unique)
    daemon = bridge(toml(amqp_url, kafka_bootstrap, source, f'topic = "{unique}", create = true'))
    daemon.wait_state("running")
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=5) as connection:
        connection.sendall(f"GET /metrics HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert "200 OK" in answer
    assert ("application/openmetrics-text" in answer) == bool(accept)
    assert answer.rstrip().endswith("# EOF") == bool(accept)
    for outcome in ("delivered", "dead", "dropped", "filtered", "returned"):
        assert f'fedbridge_messages_total{{outcome="{outcome}",route="updates"}} 0.0' in answer
    assert daemon.stop() == 0
