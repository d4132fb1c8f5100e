"""The Kafka connector: it works around aiokafka's per-message paths, one batch at a time, in both directions."""

from connectors.kafka.membership import Claim
from connectors.kafka.sink import open_sink
from connectors.kafka.source import open_source

__all__ = ["Claim", "open_sink", "open_source"]
