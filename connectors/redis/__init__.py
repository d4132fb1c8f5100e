"""Redis streams: `open_source` reads them in a consumer group; `open_sink` appends to them."""

from connectors.redis.past import Past
from connectors.redis.sink import open_sink
from connectors.redis.source import open_source

__all__ = ["Past", "open_sink", "open_source"]
