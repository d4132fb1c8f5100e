"""What a route is called at its brokers where the configuration does not say so (DESIGN section 5). Pure."""

from typing import NamedTuple


class Names(NamedTuple):
    """The names of one route's source: of its queue or group, of its MQTT session, and of itself in a Redis group."""

    group: str
    client_id: str
    consumer: str


def names(bridge: str, route: str, instance: str) -> Names:
    """The names by default, of a route of a replica: `instance` is `[bridge] instance`, else the host name."""
    group = f"fedbridge.{bridge}.{route}"
    return Names(group, f"{group}.source.{instance}", instance)
