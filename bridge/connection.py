"""One connection of a route, and what it says of the route's state."""

from enum import Enum

from bridge.ports import Sink, Source


class State(Enum):
    """The state of a route, as metrics and probes show it (DESIGN section 7)."""

    STARTING = "starting"
    WAITING = "waiting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    PAUSED = "paused"
    DRAINING = "draining"
    FAILED = "failed"


class Connection:
    """One connection of a route: its source, or one of its sinks."""

    def __init__(self, broker: str, role: str, name: str) -> None:
        self.broker = broker
        """The broker's name in the configuration."""
        self.role = role
        """`source` or `sink`."""
        self.name = name
        """The sink's name, or `source`."""
        self.port: Source | Sink | None = None
        """What is open, or None."""
        self.trouble = State.STARTING
        """The state of the route as far as this connection goes, while it is not open."""
        self.reason = ""
        """Why it is not open, for a person."""

    @property
    def state(self) -> State:
        """The state of the route as far as this connection goes."""
        if self.port is None:
            return self.trouble
        return State.WAITING if self.port.waiting else State.RUNNING

    @property
    def detail(self) -> str:
        """What a person should know of it: what is awaited, or what went wrong."""
        if self.port is None:
            return self.reason
        return f"waiting for {self.port.waiting}" if self.port.waiting else ""
