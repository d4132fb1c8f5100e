"""The Kafka connector: an idempotent sink that works around aiokafka's per-message path, one batch at a time."""

from connectors.kafka.sink import open_sink

__all__ = ["open_sink"]
