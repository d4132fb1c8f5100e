"""What a broker says of itself."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt.terms import Limits, limits_of, said_in


def test_what_a_broker_does_not_say_is_as_the_specification_has_it() -> None:
    nothing = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    assert limits_of(nothing) == Limits(65_535, 2, True, None, True, True, None)
    assert said_in(nothing) == ""


def test_what_it_says_is_read() -> None:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = 20
    properties.MaximumQoS = 0
    properties.RetainAvailable = 0
    properties.MaximumPacketSize = 1000
    properties.WildcardSubscriptionAvailable = 0
    properties.SharedSubscriptionAvailable = 0
    properties.SessionExpiryInterval = 60
    properties.ReasonString = "hello"
    assert limits_of(properties) == Limits(20, 0, False, 1000, False, False, 60)
    assert said_in(properties) == "hello"
