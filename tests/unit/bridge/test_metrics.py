from collections import Counter as Fates

from prometheus_client import CollectorRegistry, generate_latest

from bridge.batch import Fate
from bridge.message import Delivery, Message, Verdict
from bridge.metrics import MISSED, Metrics, follow

ROUTE = {"route": "orders"}


def test_every_outcome_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    Metrics(registry, "1.2.3").route("orders").lane("kafka")
    for fate in Fate:
        assert registry.get_sample_value("fedbridge_messages_total", {**ROUTE, "outcome": fate.name.lower()}) == 0
    for verdict in Verdict:
        labels = {**ROUTE, "sink": "kafka", "outcome": verdict.value}
        assert registry.get_sample_value("fedbridge_sink_messages_total", labels) == 0
    for name in ("messages_received", "redelivered", "stale_receipts", "unknown_outcomes", "payload_bytes"):
        assert registry.get_sample_value(f"fedbridge_{name}_total", ROUTE) == 0
    for reason in MISSED:
        assert registry.get_sample_value("fedbridge_source_missed_total", {**ROUTE, "reason": reason}) == 0
    assert registry.get_sample_value("fedbridge_build_info", {"version": "1.2.3"}) == 1


def test_a_batch_moves_the_counters_once() -> None:
    registry = CollectorRegistry()
    meters = Metrics(registry, "1").route("orders")
    messages = [Message(b"four", "1"), Message(None, "2"), Message(b"sixsix", "3")]
    meters.received([Delivery(message, 0, 99, redelivered=True) for message in messages], messages)
    meters.concluded(Fates({Fate.DELIVERED: 2, Fate.DROPPED: 1}), 0.2)
    meters.stale(4)
    meters.reconnected("rabbit", "source", "lost")
    value = registry.get_sample_value
    assert value("fedbridge_messages_received_total", ROUTE) == 3
    assert value("fedbridge_payload_bytes_total", ROUTE) == 10
    assert value("fedbridge_redelivered_total", ROUTE) == 3
    assert value("fedbridge_messages_total", {**ROUTE, "outcome": "delivered"}) == 2
    assert value("fedbridge_messages_total", {**ROUTE, "outcome": "dropped"}) == 1
    assert value("fedbridge_relay_duration_seconds_count", ROUTE) == 1
    assert value("fedbridge_stale_receipts_total", ROUTE) == 4
    labels = {"broker": "rabbit", "route": "orders", "role": "source", "reason": "lost"}
    assert value("fedbridge_reconnects_total", labels) == 1


def test_what_was_missed_is_counted_by_reason() -> None:
    registry = CollectorRegistry()
    meters = Metrics(registry, "1").route("orders")
    meters.missed("trimmed", 3)
    meters.missed("session_lost", 1)
    meters.missed("trimmed", 2)
    value = registry.get_sample_value
    assert value("fedbridge_source_missed_total", {**ROUTE, "reason": "trimmed"}) == 5
    assert value("fedbridge_source_missed_total", {**ROUTE, "reason": "session_lost"}) == 1


def test_setbacks_are_counted_by_verdict_and_reason() -> None:
    registry = CollectorRegistry()
    lane = Metrics(registry, "1").route("orders").lane("kafka")
    lane.setback(Verdict.UNKNOWN, "timeout")
    lane.setback(Verdict.REJECTED, "too_large")
    value = registry.get_sample_value
    assert value("fedbridge_unknown_outcomes_total", ROUTE) == 1
    assert value("fedbridge_retries_total", {**ROUTE, "sink": "kafka", "reason": "timeout"}) == 1
    assert value("fedbridge_retries_total", {**ROUTE, "sink": "kafka", "reason": "too_large"}) is None


def test_gauges_are_read_at_the_scrape() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry, "1")
    current = [1.0]
    follow(metrics.inflight_messages, "orders", value=lambda: current[0])
    current[0] = 5.0
    assert b'fedbridge_inflight_messages{route="orders"} 5.0' in generate_latest(registry)
