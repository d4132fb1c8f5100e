"""MQTT 5 and 3.1.1: topics, read and written through sessions of paho-mqtt.

`Past` is what a source or a sink remembers from one opening to the next: one is made for each, once.
"""

from connectors.mqtt.past import Past
from connectors.mqtt.sink import open_sink
from connectors.mqtt.source import open_source

__all__ = ["Past", "open_sink", "open_source"]
