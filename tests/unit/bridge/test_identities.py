"""What brokers are called."""

import pytest

from bridge.errors import RouteFault
from bridge.identities import Identities


def test_two_brokers_are_not_called_the_same() -> None:
    known = Identities()
    known.claim("one", "mqtt:a:1883")
    known.claim("one", "mqtt:a:1883")
    known.claim("other", "mqtt:b:1883")
    with pytest.raises(
        RouteFault, match=r"\[brokers.one\] and \[brokers.third\] are both called mqtt:a:1883.* id "
    ) as told:
        known.claim("third", "mqtt:a:1883")
    assert told.value.reason == "conflict"
