"""AMQP 0-9-1 (RabbitMQ): `open_source` reads a queue, or an exchange through a queue of the bridge's own; `open_sink`
publishes to exchanges."""

from connectors.amqp.sink import open_sink
from connectors.amqp.source import open_source

__all__ = ["open_sink", "open_source"]
