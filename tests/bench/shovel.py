"""RabbitMQ's own relay: a dynamic shovel of the plugin rabbitmq_shovel, inside a node that is ours."""

import json
from pathlib import Path

from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.bench.ends import Names, Place
from tests.bench.relays import Relay, Tuning

PLUGIN = "rabbitmq_shovel"


class Shovel:
    """A shovel that was declared; it works until it is cleared."""

    pid = None

    def __init__(self, node: RabbitMQ, name: str, settings: dict[str, object]) -> None:
        self.name = "Shovel"
        self._node = node
        self._shovel = name
        self._cleared = False
        node.ctl("set_parameter", "shovel", name, json.dumps(settings))

    def running(self) -> bool:
        """Whether it is declared."""
        return not self._cleared

    def tail(self) -> str:
        """What the node says of its shovels."""
        return f"; {self._node.ctl('shovel_status')}"

    def stop(self) -> None:
        """Clear it: RabbitMQ ends it and closes its connections."""
        if not self._cleared:
            self._cleared = True
            self._node.ctl("clear_parameter", "shovel", self._shovel)

    kill = stop


def shovel(tuning: Tuning) -> Relay:
    """Give a shovel that acknowledges on confirm; `amqp://` connects it within the node, the fastest way there is."""

    def start(place: Place, names: Names, _folder: Path) -> Shovel:
        assert place.private is not None, "the shovel runs in a node of ours"
        settings: dict[str, object] = {
            "src-protocol": "amqp091",
            "src-uri": "amqp://",
            "src-queue": names.source,
            "src-prefetch-count": tuning.prefetch,
            "dest-protocol": "amqp091",
            "dest-uri": "amqp://",
            "dest-exchange": names.target,
            "dest-exchange-key": names.target,
            "ack-mode": "on-confirm",
        }
        return Shovel(place.private, names.source, settings)

    return Relay("Shovel", start)
