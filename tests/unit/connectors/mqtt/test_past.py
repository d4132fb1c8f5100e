"""What is remembered from one connection to the next."""

import pytest
from structlog.testing import capture_logs

from bridge.errors import Disconnected, RouteFault
from connectors.mqtt.past import MANY, QUICK, Past

LOST = Disconnected("mqtt://broker:1883: the connection was lost")


def test_a_rival_is_suspected_after_many_quick_ends_in_a_row() -> None:
    past = Past()
    for _ in range(MANY - 1):
        assert past.ended(LOST, "client-1", 0.5) is LOST
    for count in (MANY, MANY + 1):
        fault = past.ended(LOST, "client-1", QUICK - 1)
        assert isinstance(fault, RouteFault)
        assert (fault.reason, fault.final) == ("taken_over", False)
        assert f"{count} times in a row" in str(fault)
        assert "client-1" in str(fault)
        assert "if there is none, the broker's log may say" in str(fault), "at QoS 0 a message may be why"
        assert str(fault).startswith(str(LOST))


@pytest.mark.parametrize("calm", ["a long connection", "an explanation", "a suspected message"])
def test_what_lasts_or_is_explained_begins_anew(calm: str) -> None:
    past = Past()
    for _ in range(3):
        for _ in range(MANY - 1):
            assert past.ended(LOST, "client-1", 0.5) is LOST
        if calm == "a long connection":
            assert past.ended(LOST, "client-1", QUICK) is LOST
        elif calm == "an explanation":
            past.explained()
        else:
            past.suspects.count = 1
            assert past.ended(LOST, "client-1", 0.5) is LOST
            past.suspects.count = 0


def test_a_warning_is_told_once() -> None:
    past = Past()
    with capture_logs() as logs:
        for text in ("one", "two", "one"):
            past.tell_once(text, "mqtt://broker:1883", "client-1")
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("one", "warning"), ("two", "warning")]
    assert logs[0]["client_id"] == "client-1"
