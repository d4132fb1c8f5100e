"""What there is to say of MQTT's topics: a session keeps messages, within limits, and properties need MQTT 5."""

from collections.abc import Iterator
from itertools import combinations

from bridge.cli.guarantees.view import TEMPORARY, Fact, View, several
from config.filters import overlap
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.values import Kind, format_duration


def reads(source: MqttSourceSettings, view: View) -> str:
    """What is read, and how."""
    shared = "" if source.share is None else f" shared as {source.share}"
    client = source.client_id or view.own.client_id
    return f"{several(source.topics, 'topic')}{shared} with QoS {source.qos} as client {client}"


def writes(target: MqttSinkSettings, source: Kind) -> str:
    """Where messages of that kind of source are written."""
    as_it_was = ", retained where it was" if source == "mqtt" else ""
    retained = as_it_was if target.retain is None else ", retained" if target.retain else ", not retained"
    return f"topic {target.topic} with QoS {target.qos}{retained}"


def reading(source: MqttSourceSettings, view: View) -> Iterator[Fact]:
    """What is promised of the messages of topics."""
    if source.qos == 1 and source.session_expiry:
        yield "delivery", view.promise("acknowledged")
        again = (
            "what the broker gives again has a new fedbridge-uid; Mosquitto 2.0.11 may give more again where more "
            "waits there than fits window.bytes"
        )
        yield "duplicates", view.duplicates("a crash or lost connection", again)
        yield (
            "session",
            f"kept by the broker for {format_duration(source.session_expiry)} while the bridge is away, with what is "
            "published meanwhile (but for QoS 0, unless Mosquitto has queue_qos0_messages true); after that, "
            "or if the broker loses it, that is LOST (counted as session_lost)",
        )
        yield "qos", "1: what is published with QoS 0 comes with 0 all the same, and does not come again"
    else:
        if source.qos == 1:
            yield "delivery", view.no_promise()
            yield "session", f"it ends with the connection (session_expiry is 0s): {TEMPORARY}"
        else:
            yield "delivery", f"nothing is acknowledged at {view.broker}; NOT at least once, since:"
            yield "qos", f"0: the broker gives a message once and forgets it: {TEMPORARY}"
        yield (
            "stop",
            "even one in order LOSES what the bridge has read ahead and not begun to relay, and counts it nowhere: up "
            f"to a window ({view.window} messages), and little where the targets keep up",
        )
        yield "duplicates", view.duplicates(f"a lost connection to {view.targets}")
    yield from _of_the_subscription(source)


def _of_the_subscription(source: MqttSourceSettings) -> Iterator[Fact]:
    if source.share is None:
        yield "share", "none: each replica of the bridge relays every message; with a share they divide them"
        yield "retained", "retained messages come once, when a subscription is new"
    else:
        yield (
            "share",
            f"replicas with share {source.share} divide the messages, without an order between them; retained messages "
            "do not come",
        )
    if (both := _overlapping(source)) is not None:
        yield "overlap", f"a topic that both {both[0]} and {both[1]} match may come once for each"
    yield (
        "limits",
        "a broker keeps only so much for a client that is slow or away: Mosquitto drops what is beyond "
        "max_queued_messages (1000) without a word; set it to 1000000 there (0 is no limit, but before 2.0.22 it then "
        "ends connections)",
    )
    yield (
        "mqtt 3.1.1",
        "a broker that speaks it alone gives topic and body, and no properties; retained messages come again at every "
        "start, and a second client of this id is not told from a lost connection",
    )


def writing(target: MqttSinkSettings) -> Iterator[Fact]:
    """What is to be known of a topic that is written to."""
    if target.qos == 0:
        yield "qos", "0: sent, and nobody knows: what the network or the broker loses is LOST"
    else:
        yield (
            "limits",
            "confirmed means that the broker has taken it, whether anybody subscribes or not; what it keeps for "
            "subscribers that are away is its own to limit (Mosquitto: max_queued_messages, 1000)",
        )
    yield (
        "mqtt 3.1.1",
        "a broker that speaks it alone is given topic and body, and no properties; what it refuses is LOST without a "
        "word",
    )


def _overlapping(source: MqttSourceSettings) -> tuple[str, str] | None:
    return next((pair for pair in combinations(source.topics, 2) if overlap(*pair)), None)
