"""Every metric of the bridge, defined once (DESIGN section 7).

Labels come from closed sets: routes, sinks and brokers of the configuration, and the reasons the code knows. Counters
are moved once per batch through children that are resolved once per route; gauges are read at the scrape from the
objects they describe, so that nothing on the way of a message keeps them up to date.
"""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from bridge.batch import Fate
from bridge.message import Delivery, Message, Verdict

DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds, from a prompt relay on one machine to a broker that hesitates."""

MISSED = ("expired", "trimmed", "group_lost", "session_lost")
"""Why messages were gone that a route had still to get, see `Source.on_missed`."""


class LaneMeters:
    """What one sink's lane counts."""

    def __init__(self, metrics: "Metrics", route: str, sink: str) -> None:
        self._messages = {
            verdict: metrics.sink_messages.labels(route, sink, verdict.name.lower()) for verdict in Verdict
        }
        self._retries = metrics.retries
        self._unknown = metrics.unknown_outcomes.labels(route)
        self._labels = (route, sink)

    def delivered(self, count: int) -> None:
        """Count messages the sink has confirmed."""
        self._messages[Verdict.DELIVERED].inc(count)

    def setback(self, verdict: Verdict, reason: str) -> None:
        """Count one message that was not confirmed; `reason` is from a closed set."""
        self._messages[verdict].inc()
        if verdict is Verdict.UNKNOWN:
            self._unknown.inc()
        if verdict not in {Verdict.REJECTED, Verdict.FILTERED}:
            self._retries.labels(*self._labels, reason).inc()


class RouteMeters:
    """What one route's relay counts."""

    def __init__(self, metrics: "Metrics", route: str) -> None:
        self._metrics = metrics
        self._route = route
        self._received = metrics.received.labels(route)
        self._payload = metrics.payload_bytes.labels(route)
        self._redelivered = metrics.redelivered.labels(route)
        self._stale = metrics.stale_receipts.labels(route)
        self._duration = metrics.relay_duration.labels(route)
        self._fates = {fate: metrics.messages.labels(route, fate.name.lower()) for fate in Fate}
        metrics.unknown_outcomes.labels(route)
        for reason in MISSED:
            metrics.missed.labels(route, reason)

    def lane(self, sink: str) -> LaneMeters:
        """Give the meters of one sink of the route."""
        return LaneMeters(self._metrics, self._route, sink)

    def received(self, deliveries: Sequence[Delivery], messages: Sequence[Message]) -> None:
        """Count a batch as it comes in; `messages` are the same as mapped."""
        self._received.inc(len(deliveries))
        self._payload.inc(sum([len(message.body) for message in messages if message.body]))
        redelivered = sum([delivery.redelivered for delivery in deliveries])
        if redelivered:
            self._redelivered.inc(redelivered)

    def concluded(self, fates: Mapping[Fate, int], seconds: float) -> None:
        """Count a batch whose messages all have their fate, `seconds` after it was received."""
        for fate, count in fates.items():
            if count:
                self._fates[fate].inc(count)
        self._duration.observe(seconds)

    def missed(self, reason: str, count: int) -> None:
        """Count messages that were gone at the source before the route got them; `reason` is one of MISSED."""
        self._metrics.missed.labels(self._route, reason).inc(count)

    def stale(self, count: int) -> None:
        """Count receipts that were dropped because their epoch was lost."""
        self._stale.inc(count)

    def reconnected(self, broker: str, role: str, reason: str) -> None:
        """Count a connection that was opened again after a loss for `reason`."""
        self._metrics.reconnects.labels(broker, self._route, role, reason).inc()


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"fedbridge_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"fedbridge_{name}", text, labels, registry=registry)

        self.registry = registry
        Info("fedbridge_build", "What is running.", registry=registry).info({"version": version})
        self.received = counter("messages_received", "Messages received from the source.", "route")
        self.messages = counter("messages", "Messages by how they ended, counted once all sinks are done.", *_ROUTE_END)
        self.sink_messages = counter("sink_messages", "What a sink said of messages it was sent.", *_SINK_END)
        self.payload_bytes = counter("payload_bytes", "Bytes of message bodies received.", "route")
        self.redelivered = counter("redelivered", "Messages the source's broker marked as given before.", "route")
        self.stale_receipts = counter(
            "stale_receipts", "Receipts dropped because the connection they came with was lost.", "route"
        )
        self.missed = counter(
            "source_missed",
            "Messages gone at the source before the route got them; 1 where nobody can say how many.",
            "route",
            "reason",
        )
        self.unknown_outcomes = counter("unknown_outcomes", "Messages sent to which no answer came.", "route")
        self.retries = counter("retries", "Messages to be sent again, by reason.", "route", "sink", "reason")
        self.reconnects = counter("reconnects", "Connections opened again after a loss.", *_CONNECTION, "reason")
        self.relay_duration = Histogram(
            "fedbridge_relay_duration_seconds",
            "From received to settled, one observation per batch.",
            ["route"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.route_state = gauge("route_state", "1 for the state the route is in, else 0.", "route", "state")
        self.connection_up = gauge("connection_up", "1 while the connection is open, else 0.", *_CONNECTION)
        self.inflight_messages = gauge("inflight_messages", "Messages in hand.", "route")
        self.inflight_bytes = gauge("inflight_bytes", "Bytes in hand, bodies and properties.", "route")
        self.source_lag = gauge(
            "source_lag", "Messages the source's broker holds for the route, not settled; NaN if unknown.", "route"
        )
        self.oldest_unsettled = gauge(
            "oldest_unsettled_seconds", "How long the oldest message in hand has been in hand.", "route"
        )
        self.sink_blocked = gauge(
            "sink_blocked", "1 while the sink's broker lacks a resource and the messages are held.", "route", "sink"
        )

    def route(self, name: str) -> RouteMeters:
        """Give the meters of one route, every outcome at 0, so that rates and alerts see it from the start."""
        return RouteMeters(self, name)


def follow(gauge: Gauge, *labels: str, value: Callable[[], float]) -> None:
    """Have a gauge's child read `value` at every scrape."""
    gauge.labels(*labels).set_function(value)


_ROUTE_END = ("route", "outcome")
_SINK_END = ("route", "sink", "outcome")
_CONNECTION = ("broker", "route", "role")
