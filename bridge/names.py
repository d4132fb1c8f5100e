"""The names under which crosses what a target has no place of its own for (DESIGN section 8, research/mapping.md 4).

They are the same in Kafka's headers, MQTT's user properties, Redis's fields, and where AMQP needs them in its headers.
"""

from collections.abc import Mapping
from typing import Final

from config.mapping import RESERVED

PROPERTY_NAMES: Final[Mapping[str, str]] = {
    "content_type": "content-type",
    "content_encoding": "amqp-content-encoding",
    "delivery_mode": "amqp-delivery-mode",
    "priority": "amqp-priority",
    "correlation_id": "amqp-correlation-id",
    "reply_to": "amqp-reply-to",
    "expiration": "amqp-expiration",
    "message_id": "amqp-message-id",
    "timestamp": "amqp-timestamp",
    "type": "amqp-type",
    "user_id": "amqp-user-id",
    "app_id": "amqp-app-id",
    "cluster_id": "amqp-cluster-id",
}
"""The name of each standard property. The timestamp is in milliseconds, as decimal text."""

NUMBERS: Final = frozenset({"delivery_mode", "priority", "timestamp"})
"""The standard properties that are numbers; as text they are decimal."""

EXCHANGE: Final = "amqp-exchange"
"""Where an AMQP message was published: present, even if empty, for what came by AMQP and for nothing else."""

ROUTING_KEY: Final = "amqp-routing-key"
"""The routing key of a message that came by AMQP."""

KEY: Final = "kafka-key"
"""A message's key, where the target has none."""

OURS: Final = RESERVED
"""What the names begin with that are a bridge's own."""

UID: Final = "fedbridge-uid"
"""The identity of a message from bridge to bridge (DESIGN section 4)."""

PATH: Final = "fedbridge-path"
"""The places a message was read from, a JSON array; see `bridge.paths`."""

TYPES: Final = "fedbridge-types"
"""The types of headers, where the target knows text only; see `bridge.marks`."""

NULL: Final = "fedbridge-null"
"""True where the message has no body, which is not the same as the empty body."""

MILLISECONDS: Final = "fedbridge-timestamp-ms"
"""The whole timestamp where the target's has seconds only."""
