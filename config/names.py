"""What a route is called at its brokers where the configuration does not say so (DESIGN section 5). Pure."""

from typing import NamedTuple


class Names(NamedTuple):
    """The names of one route of one replica: `instance` is `[bridge] instance`, else the host name."""

    bridge: str
    route: str
    instance: str

    @property
    def group(self) -> str:
        """The source's queue or group, which replicas share."""
        return f"fedbridge.{self.bridge}.{self.route}"

    @property
    def client_id(self) -> str:
        """The source's MQTT session."""
        return self.client_id_of("source")

    @property
    def consumer(self) -> str:
        """The source in a Redis group."""
        return self.instance

    @property
    def member(self) -> str:
        """The source in a Kafka group, where it is a static member."""
        return f"{self.bridge}.{self.route}.{self.instance}"

    def client_id_of(self, role: str) -> str:
        """An MQTT session: `role` is "source" or the name of a target."""
        return f"{self.group}.{role}.{self.instance}"
