"""What each reason code makes the bridge do."""

import pytest

from bridge.errors import Disconnected, RouteFault
from bridge.message import Verdict
from connectors.mqtt import reasons
from tests.unit.connectors.mqtt.raw import content, text

BROKER = "mqtt://broker:1883"


@pytest.mark.parametrize(
    ("code", "verdict", "reason"),
    [
        (0x80, Verdict.RETRY, "refused"),
        (0x83, Verdict.RETRY, "refused"),
        (0x87, Verdict.REJECTED, "forbidden"),
        (0x90, Verdict.REJECTED, "bad_topic"),
        (0x91, Verdict.RETRY, "refused"),
        (0x95, Verdict.REJECTED, "too_large"),
        (0x97, Verdict.HOLD, "quota"),
        (0x99, Verdict.REJECTED, "payload_format"),
        (0xFF, Verdict.RETRY, "refused"),
    ],
)
def test_a_refused_message(code: int, verdict: Verdict, reason: str) -> None:
    outcome = reasons.refusal(BROKER, code, content(b"\x1f" + text(b"because")))
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.detail.startswith(f"{BROKER} refused it: ")
    assert outcome.detail.endswith(f"({code:#04x}): because")
    assert reasons.refusal(BROKER, code, b"").detail.endswith(f"({code:#04x})")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x80, "refused"),
        (0x85, RouteFault("", "conflict")),
        (0x86, RouteFault("", "authentication")),
        (0x87, RouteFault("", "authentication")),
        (0x88, "refused"),
        (0x89, "refused"),
        (0x8A, RouteFault("", "forbidden")),
        (0x8C, RouteFault("", "authentication")),
        (0x97, "refused"),
        (0x9D, RouteFault("", "conflict")),
        (0x9F, "refused"),
        (0xFE, "refused"),
    ],
)
def test_a_refused_connection(code: int, kind: str | RouteFault) -> None:
    alike(reasons.refused_connection(BROKER, code, "client-1", "its own words"), kind)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x00, "lost"),
        (0x81, "error"),
        (0x82, "error"),
        (0x87, RouteFault("", "forbidden")),
        (0x8B, "lost"),
        (0x89, "lost"),
        (0x8D, "timeout"),
        (0x8E, RouteFault("", "taken_over", final=True)),
        (0x95, "error"),
        (0x97, "lost"),
        (0x98, "lost"),
        (0x9E, RouteFault("", "conflict")),
    ],
)
def test_a_connection_that_the_broker_ended(code: int, kind: str | RouteFault) -> None:
    alike(reasons.ended(BROKER, code, "client-1", "its own words"), kind)


def test_not_authorized_may_mean_one_message_while_one_has_no_answer() -> None:
    alike(reasons.ended(BROKER, 0x87, "client-1", "its own words", publishing=True), "error")


def test_who_is_blamed_without_a_word_may_be_sent_again() -> None:
    blamed = reasons.blame(0, reasons.broken(BROKER, 0x80))
    assert (blamed.verdict, blamed.reason) == (Verdict.RETRY, "refused")
    assert blamed.detail.startswith(BROKER)


def test_a_takeover_names_the_client_and_says_what_to_do() -> None:
    text = str(reasons.ended(BROKER, 0x8E, "client-1"))
    assert "another client has connected as client-1" in text
    assert "instance of its own" in text
    assert "client id client-1" in str(reasons.refused_connection(BROKER, 0x85, "client-1"))


@pytest.mark.parametrize(
    ("code", "version", "kind"),
    [
        (0x80, 5, "refused"),
        (0x80, 4, RouteFault("", "forbidden")),
        (0x83, 5, "refused"),
        (0x87, 5, RouteFault("", "forbidden")),
        (0x8F, 5, RouteFault("", "conflict")),
        (0x97, 5, "refused"),
        (0x9E, 5, RouteFault("", "conflict")),
        (0xA1, 5, RouteFault("", "conflict")),
        (0xA2, 5, RouteFault("", "conflict")),
    ],
)
def test_a_refused_subscription(code: int, version: int, kind: str | RouteFault) -> None:
    error = reasons.refused_subscription(BROKER, code, "a/#", version=version)
    alike(error, kind)
    assert "a/#" in str(error)


def alike(error: RouteFault | Disconnected, kind: str | RouteFault) -> None:
    """Whether an error is of a kind, and names the broker."""
    assert str(error).startswith(f"{BROKER}: ")
    if isinstance(kind, str):
        assert isinstance(error, Disconnected)
        assert error.reason == kind
    else:
        assert isinstance(error, RouteFault)
        assert (error.reason, error.final) == (kind.reason, kind.final)


def test_a_connection_that_ended_without_a_word() -> None:
    assert [reasons.broken(BROKER, code).reason for code in (0x80, 0x82, 0x8D)] == ["lost", "error", "timeout"]
    assert "not MQTT" in str(reasons.broken(BROKER, 0x82))


def test_every_code_has_words() -> None:
    assert reasons.words(0x97) == "quota exceeded (0x97)"
    assert reasons.words(0x9E) == "it has no shared subscriptions (0x9e)"
    assert reasons.words(0xFE) == "unknown reason (0xfe)"
