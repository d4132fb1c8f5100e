"""What `fedbridge check` says of routes from and to MQTT and Redis."""

from pathlib import Path

import pytest

from tests.unit.bridge.guarantees import OVERTAKEN, RETENTION, facts, lines

AT_MQTT, AT_REDIS = "at mosquitto (mqtt://localhost:1883)", "at redis (redis://localhost:6379/0)"
GONE = (
    "messages published while the bridge is away are lost, and what is in hand when the connection is lost exists "
    "nowhere else: it is worked off, and LOST if the bridge ends before that"
)
STOP = (
    "even one in order LOSES what the bridge has read ahead and not begun to relay, and counts it nowhere: up to a "
    "window (4000 messages), and little where the targets keep up"
)
CLIENT = "client fedbridge.fedbridge.x.source.node"


def told(tmp_path: Path, source: str, target: str = "kafka.topic = 't'") -> list[str]:
    text = lines(tmp_path, f"from.{source}\nto.{target}\n")
    assert "SECRET" not in "".join(text)
    assert not [line for line in text[1:] if line[12:13] != " "], "labels have ten characters at most"
    return text


def test_a_session_keeps_what_is_published_and_what_is_in_hand(tmp_path: Path) -> None:
    text = told(tmp_path, "mqtt = { topics = ['a/+', 'b'], session_expiry = '2h' }")
    assert facts(text, "from") == [f"topics a/+, b with QoS 1 as {CLIENT} {AT_MQTT}"]
    assert facts(text, "delivery") == ["at least once: acknowledged at mosquitto only after main confirmed"]
    assert facts(text, "duplicates") == [
        "at most window.messages (4000) after a crash or lost connection; what the broker gives again has a new "
        "fedbridge-uid; Mosquitto 2.0.11 may give more again where more waits there than fits window.bytes"
    ]
    assert facts(text, "session") == [
        "kept by the broker for 2h while the bridge is away, with what is published meanwhile (but for QoS 0, unless "
        "Mosquitto has queue_qos0_messages true); after that, or if the broker loses it, that is LOST "
        "(counted as session_lost)"
    ]
    assert facts(text, "qos") == ["1: what is published with QoS 0 comes with 0 all the same, and does not come again"]
    assert facts(text, "retained") == ["retained messages come once, when a subscription is new"]
    assert facts(text, "limits") == [
        "a broker keeps only so much for a client that is slow or away: Mosquitto drops what is beyond "
        "max_queued_messages (1000) without a word; set it to 1000000 there (0 is no limit, but before 2.0.22 it then "
        "ends connections)",
        f"kafka: {RETENTION}",
    ]
    assert facts(text, "mqtt 3.1.1") == [
        "a broker that speaks it alone gives topic and body, and no properties; retained messages come again at every "
        "start, and a second client of this id is not told from a lost connection"
    ]
    assert facts(text, "share") == [
        "none: each replica of the bridge relays every message; with a share they divide them"
    ]
    assert facts(text, "overlap") == []


def test_a_session_that_ends_with_the_connection(tmp_path: Path) -> None:
    text = told(tmp_path, "mqtt = { topics = ['a'], session_expiry = '0s', client_id = 'me' }")
    assert facts(text, "from") == [f"topic a with QoS 1 as client me {AT_MQTT}"]
    assert facts(text, "delivery") == ["acknowledged at mosquitto only after main confirmed; NOT at least once, since:"]
    assert facts(text, "session") == [f"it ends with the connection (session_expiry is 0s): {GONE}"]
    assert facts(text, "stop") == [STOP]
    assert facts(text, "duplicates") == ["at most window.messages (4000) after a lost connection to main"]
    assert facts(text, "qos") == []


def test_a_source_with_qos_0(tmp_path: Path) -> None:
    text = told(tmp_path, "mqtt = { topics = ['a'], qos = 0 }")
    assert facts(text, "from") == [f"topic a with QoS 0 as {CLIENT} {AT_MQTT}"]
    assert facts(text, "delivery") == ["nothing is acknowledged at mosquitto; NOT at least once, since:"]
    assert facts(text, "qos") == [f"0: the broker gives a message once and forgets it: {GONE}"]
    assert facts(text, "stop") == [STOP]
    assert facts(text, "session") == []


def test_a_shared_subscription_and_filters_that_overlap(tmp_path: Path) -> None:
    text = told(tmp_path, "mqtt = { topics = ['a/#', 'b', '+/c'], share = 'g' }")
    assert facts(text, "from") == [f"topics a/#, b, +/c shared as g with QoS 1 as {CLIENT} {AT_MQTT}"]
    assert facts(text, "share") == [
        "replicas with share g divide the messages, without an order between them; retained messages do not come"
    ]
    assert facts(text, "overlap") == ["a topic that both a/# and +/c match may come once for each"]
    assert facts(text, "retained") == []


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("", 'kept only within a partition, since no key is set (key = "{topic}" keeps that of each topic)'),
        (", key = '{topic}'", "kept per key, of messages from one topic of the source"),
        (", key = '{header.h}'", "kept per key; without a key only within a partition, of messages from one topic of "
         "the source"),
    ],
)  # fmt: skip
def test_the_order_from_mqtt_into_kafka(tmp_path: Path, key: str, order: str) -> None:
    text = told(tmp_path, "mqtt = { topics = ['a'] }", f"kafka = {{ topic = 't'{key} }}")
    assert facts(text, "order") == [f"kafka: {order}; {OVERTAKEN}"]


def test_from_mqtt_to_everything_else(tmp_path: Path) -> None:
    text = told(
        tmp_path,
        "mqtt = { topics = ['a/+'] }",
        "mqtt = [{ name = 'b', topic = 'b/{topic}' }, { name = 'c', topic = 'c', retain = true, max_in_flight = 1 },\n"
        "{ name = 'd', topic = 'd', retain = false, qos = 0 }]\n"
        "to.redis = [{ name = 'r', stream = 'r' }, { name = 's', stream = 's:{topic}', max_length = 1000 }]\n"
        "to.amqp.exchange = 'e'\n",
    )
    assert facts(text, "to") == [
        "amqp: exchange e, an empty routing key, at rabbit (amqp://localhost:5672/)",
        f"b: topic b/{{topic}} with QoS 1, retained where it was, {AT_MQTT}",
        f"c: topic c with QoS 1, retained, {AT_MQTT}",
        f"d: topic d with QoS 0, not retained, {AT_MQTT}",
        f"r: stream r, {AT_REDIS}",
        f"s: stream s:{{topic}}, about 1000 entries kept, {AT_REDIS}",
    ]
    assert facts(text, "delivery") == [
        "at least once, but for d (qos): acknowledged at mosquitto only after rabbit, mosquitto and redis confirmed "
        "and it was sent to mosquitto"
    ]
    assert facts(text, "order") == [
        f"amqp: kept per topic of the source, one after the other; {OVERTAKEN}",
        f"b: kept per topic, of messages from one topic of the source; {OVERTAKEN}",
        "c: kept per topic of the source, one after the other; through refusals too (max_in_flight = 1)",
        "d: kept per topic of the source, one after the other",
        f"r: kept per topic of the source, one after the other; {OVERTAKEN}",
        f"s: kept per stream, of messages from one topic of the source; {OVERTAKEN}",
    ]
    assert [line for line in facts(text, "qos") if line.startswith("d")] == [
        "d: 0: sent, and nobody knows: what the network or the broker loses is LOST"
    ]
    limits = (
        "confirmed means that the broker has taken it, whether anybody subscribes or not; what it keeps for "
        "subscribers that are away is its own to limit (Mosquitto: max_queued_messages, 1000)"
    )
    assert facts(text, "limits")[1:] == [f"b: {limits}", f"c: {limits}"]
    given = (
        "a broker that speaks it alone is given topic and body, and no properties; what it refuses is LOST without a "
        "word"
    )
    assert facts(text, "mqtt 3.1.1")[1:] == [f"{name}: {given}" for name in "bcd"]
    assert facts(text, "trimmed") == ["s: about 1000 entries are kept: the oldest go, read by its groups or not"]
    durable = (
        "as Redis is set up: confirmed means in its memory; without appendonly a restart loses it, with appendfsync "
        "everysec a crash the last second, a failover what the replica had not got"
    )
    assert facts(text, "durable") == [f"{name}: {durable}" for name in "rs"]


def test_a_target_that_nobody_confirms_alone(tmp_path: Path) -> None:
    text = told(tmp_path, "amqp.queue = 'q'", "mqtt = { topic = 't', qos = 0 }")
    assert facts(text, "delivery") == [
        "at least once, but for mqtt (qos): acknowledged at rabbit only after it was sent to mosquitto"
    ]
    assert facts(text, "to") == [f"mqtt: topic t with QoS 0, {AT_MQTT}"]
    assert facts(text, "order") == ["mqtt: kept, one after the other"]


@pytest.mark.parametrize(
    ("start", "begins"),
    [
        ("0", "with all that is there"),
        ("$", "at the end: what is there before is not relayed"),
        ("1700000000000-5", "after entry 1700000000000-5"),
    ],
)
def test_a_redis_group(tmp_path: Path, start: str, begins: str) -> None:
    text = told(
        tmp_path, f"redis = {{ streams = ['a', 'b'], start = '{start}', claim_idle = '90s', body = 'payload' }}"
    )
    assert facts(text, "from") == [f"streams a, b as consumer node of group fedbridge.fedbridge.x {AT_REDIS}"]
    assert facts(text, "delivery") == ["at least once: acknowledged at redis only after main confirmed"]
    assert facts(text, "duplicates") == [
        "at most window.messages (4000) after a crash or lost connection, or when another consumer takes entries over; "
        "what comes again has the same fedbridge-uid; a crash or failover of Redis itself brings again all that was "
        "acknowledged since it last saved or replicated that, however much it is"
    ]
    assert facts(text, "group") == [
        "what another consumer has not touched for 90s is taken over; each replica needs a consumer's name of its own"
    ]
    assert facts(text, "start") == [f"{start}: a group that is created begins {begins}"]
    assert facts(text, "no_body") == [
        'json: an entry without a field "payload" is relayed with its fields as a JSON object for a body'
    ]
    assert facts(text, "trimmed") == [
        "what is trimmed or deleted before it was read is LOST in silence, while it was pending LOST and counted as "
        "trimmed; a stream or group that goes while the bridge runs is made again, read from its beginning, and "
        "counted as group_lost"
    ]
    assert facts(text, "order") == [
        "kafka: kept per key; without a key only within a partition, of messages from one stream of the source; "
        + OVERTAKEN
    ]
    assert facts(text, "to") == ["kafka: topic t (must exist), the message's own key, at main (kafka://a:9092,b:9092)"]


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        ("empty", "is relayed with an empty body, and its fields as headers"),
        ("dead_letter", "cannot be delivered: as on_error says"),
    ],
)
def test_entries_without_a_body(tmp_path: Path, policy: str, what: str) -> None:
    text = told(tmp_path, f"redis = {{ streams = ['a'], group = 'g', consumer = 'c', no_body = '{policy}' }}")
    assert facts(text, "from") == [f"stream a as consumer c of group g {AT_REDIS}"]
    assert facts(text, "no_body") == [f'{policy}: an entry without a field "body" {what}']
