"""What a session is asked for, and what the broker says of itself. Pure."""

from typing import Any, Final, NamedTuple

MOST: Final = 65_535
"""Messages in flight, and seconds of a keepalive, at most: both have two bytes."""


class Terms(NamedTuple):
    """What a session is asked for: `expiry` in seconds after the connection, `window` as Receive Maximum."""

    client_id: str
    clean: bool
    expiry: int = 0
    window: int = MOST


class Limits(NamedTuple):
    """What a broker says of itself in its CONNACK; the defaults are those of MQTT 5, section 3.2.2.3."""

    receive_maximum: int = MOST
    maximum_qos: int = 2
    retain: bool = True
    packet: int | None = None
    wildcards: bool = True
    shared: bool = True
    expiry: int | None = None


def limits_of(properties: Any) -> Limits:
    """Read them from the properties of a CONNACK, as paho has them."""

    def stated(name: str, otherwise: Any) -> Any:
        return getattr(properties, name, otherwise)

    return Limits(
        stated("ReceiveMaximum", MOST),
        stated("MaximumQoS", 2),
        bool(stated("RetainAvailable", 1)),
        stated("MaximumPacketSize", None),
        bool(stated("WildcardSubscriptionAvailable", 1)),
        bool(stated("SharedSubscriptionAvailable", 1)),
        stated("SessionExpiryInterval", None),
    )


def said_in(properties: Any) -> str:
    """Give the Reason String among properties, as paho has them; "" without one."""
    return str(getattr(properties, "ReasonString", ""))
