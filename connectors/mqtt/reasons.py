"""MQTT's reason codes, in words and as the bridge's errors and verdicts. Pure.

The codes are those of MQTT 5 (section 2.4); paho gives the return codes of 3.1.1 as the codes that mean the same.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.errors import Disconnected, RouteFault
from bridge.message import Outcome, Verdict
from connectors.mqtt.properties import reason_of

FAILURE: Final = 0x80
"""Reason codes from here on say that something was not done."""

UNSUPPORTED_VERSION: Final = 0x84
"""In a CONNACK: the broker does not speak this version."""

POISONOUS: Final = frozenset({0x81, 0x82, 0x87, 0x90, 0x95, 0x99, 0x9A, 0x9B})
"""Codes of a DISCONNECT that one PUBLISH may be the cause of: malformed, protocol error, not authorized, topic name
invalid, packet too large, payload format invalid, retain or QoS not supported."""

_KEEPALIVE, _PROTOCOL = 0x8D, 0x82


class _Fault(NamedTuple):
    """What is wrong with a route, and what to do; `reason` is RouteFault's."""

    reason: str
    words: str
    advice: str


_LOGIN: Final = "change username and password, or let the broker accept them"
_FAULTS: Final[Mapping[int, _Fault]] = {
    0x85: _Fault("conflict", "it refuses the client id {client_id}", "state another one, or another instance"),
    0x86: _Fault("authentication", "bad user name or password", _LOGIN),
    0x8A: _Fault("forbidden", "this client is banned", "have the ban lifted"),
    0x8C: _Fault("authentication", "bad authentication method", "let the broker accept a user name and password"),
    0x8E: _Fault(
        "taken_over",
        "another client has connected as {client_id} and taken the session over",
        "give each replica an instance of its own, end the other client, and restart the bridge",
    ),
    0x8F: _Fault("conflict", "topic filter invalid", "change the topics of the route"),
    0x9D: _Fault("conflict", "the server has moved", "change the broker's url"),
    0x9E: _Fault("conflict", "it has no shared subscriptions", "take share out of the route"),
    0xA1: _Fault("conflict", "it has no subscription identifiers", "use another broker"),
    0xA2: _Fault("conflict", "it has no subscriptions with wildcards", "name topics without + and #"),
}

_WORDS: Final[Mapping[int, str]] = {
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
}

_REFUSALS: Final[Mapping[int, tuple[Verdict, str]]] = {
    0x87: (Verdict.REJECTED, "forbidden"),
    0x90: (Verdict.REJECTED, "bad_topic"),
    0x95: (Verdict.REJECTED, "too_large"),  # not among PUBACK's codes, but Mosquitto's answer above message_size_limit
    0x97: (Verdict.HOLD, "quota"),
    0x99: (Verdict.REJECTED, "payload_format"),
}
_OTHERWISE: Final = (Verdict.RETRY, "refused")


def words(code: int) -> str:
    """Say what a reason code means, with its number."""
    fault = _FAULTS.get(code)
    return f"{_WORDS.get(code) or (fault.words if fault else 'unknown reason')} ({code:#04x})"


def advice(code: int) -> str:
    """Say what to do about a reason code that stands for a fault of the route."""
    return _FAULTS[code].advice


def refusal(broker: str, code: int, block: bytes) -> Outcome:
    """Give the outcome of a message whose PUBACK has that code and that block of properties."""
    verdict, reason = _REFUSALS.get(code, _OTHERWISE)
    said = reason_of(block)
    return Outcome(verdict, reason, f"{broker} refused it: {words(code)}" + (f": {said}" if said else ""))


def blame(code: int, ending: RouteFault | Disconnected) -> Outcome:
    """Give the outcome of the message for which the broker ended the connection with that code, or without a word (0).

    Without a word it is not certain, so that it counts as one of `retry.refusals`.
    """
    if not code:
        text = f"{ending}, again and again while nothing but this message was on its way"
        return Outcome(*_OTHERWISE, text)
    return Outcome(Verdict.REJECTED, _REFUSALS.get(code, _OTHERWISE)[1], str(ending))


def refused_connection(broker: str, code: int, client_id: str, said: str = "") -> RouteFault | Disconnected:
    """Make the error of a CONNACK with that code; `said` is the broker's own text, if it gave one."""
    if code == 0x87:  # what Mosquitto says of a bad password
        return RouteFault(_sentence(broker, "not authorized to connect (0x87)", said, _LOGIN), "authentication")
    return _fault(broker, code, client_id, said) or Disconnected(
        _sentence(broker, f"it refused the connection: {words(code)}", said), "refused"
    )


def ended(
    broker: str, code: int, client_id: str, said: str = "", *, publishing: bool = False
) -> RouteFault | Disconnected:
    """Make the error of a DISCONNECT from the broker with that code; `said` is the broker's own text, if any.

    `publishing` says that messages have no answer, one of which may be what is not authorized: not the whole route.
    """
    if code == 0x87 and not publishing:
        advice = "grant the user what the route needs"
        return RouteFault(
            _sentence(broker, "it ended the connection: not authorized (0x87)", said, advice), "forbidden"
        )
    reason = "timeout" if code == _KEEPALIVE else "error" if code in POISONOUS else "lost"
    text = "it ended the connection" + (f": {words(code)}" if code >= FAILURE else "")
    return _fault(broker, code, client_id, said) or Disconnected(_sentence(broker, text, said), reason)


def broken(broker: str, code: int) -> Disconnected:
    """Make the error of a connection that ended without a word, by the code that paho gives for it."""
    if code == _KEEPALIVE:
        return Disconnected(f"{broker}: it gave no sign of life", "timeout")
    if code == _PROTOCOL:
        return Disconnected(f"{broker}: not MQTT: a packet that makes no sense", "error")
    return Disconnected(f"{broker}: the connection was lost")


def unspoken(broker: str, reason: str) -> Disconnected:
    """Make the error of a broker that has accepted neither version; `reason` is that of the last attempt."""
    if reason == "lost":
        text = "it ended the connection without a word when asked for MQTT 5, and when asked for 3.1.1"
        return Disconnected(f"{broker}: {text}: is it a broker of MQTT?", "lost")
    return Disconnected(f"{broker}: it speaks neither MQTT 5 nor 3.1.1", "refused")


def refused_subscription(broker: str, code: int, topic: str, *, version: int) -> RouteFault | Disconnected:
    """Make the error of a topic filter that was not granted, by its code in the SUBACK."""
    if code == 0x87 or version < 5:  # 3.1.1 has one code for everything
        text = f"{broker}: it refused the subscription to {topic}: {words(code)}: let the user subscribe to it"
        return RouteFault(text, "forbidden")
    if (fault := _FAULTS.get(code)) is not None:
        text = f"{broker}: it refused the subscription to {topic}: {words(code)}: {fault.advice}"
        return RouteFault(text, fault.reason)
    return Disconnected(f"{broker}: it refused the subscription to {topic}: {words(code)}", "refused")


def _fault(broker: str, code: int, client_id: str, said: str) -> RouteFault | None:
    fault = _FAULTS.get(code)
    if fault is None:
        return None
    text = _sentence(broker, f"{fault.words.format(client_id=client_id)} ({code:#04x})", said, fault.advice)
    return RouteFault(text, fault.reason, final=fault.reason == "taken_over")


def _sentence(broker: str, text: str, said: str, remedy: str = "") -> str:
    return ": ".join(part for part in (broker, text, said[:200], remedy) if part)
