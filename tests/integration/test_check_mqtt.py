"""`fedbridge check --connect` at MQTT brokers: what they grant and what not, and that looking disturbs nobody."""

import asyncio
from pathlib import Path

import pytest

from bridge.cli import Exit
from bridge.cli.demo.install import Files
from tests import mqtt
from tests.integration.looking import look, remedies, told
from tests.integration.mqtt_topics import (
    Peer,
    Topics,
    bodies,
    connack,
    mosquitto,
    nothing_more,
    numbered,
    playing,
    publish,
    settle,
    speaking_311,
    take,
)


def toml(url: str, route: str, login: str = "") -> str:
    return f"""
[bridge]
name = "test"
instance = "one"
[brokers.mosquitto]
url = "{url}"
connect_timeout = "3s"
broker_timeout = "3s"
{login}
[routes.a]
{route}
"""


async def test_what_is_granted_and_what_shows_only_with_a_message(mqtt_url: str, unique: str, tmp_path: Path) -> None:
    route = f"""
from.mqtt = {{ topics = ["{unique}/a", "{unique}/+/b/#"] }}
to.mqtt = [{{ name = "a", topic = "{unique}-out/{{topic}}", retain = true }}, {{ name = "b", topic = "{unique}-out" }}]
"""
    found = await look(tmp_path, toml(mqtt_url, route))
    assert (found.exit, found.away) == (Exit.OK, {})
    (login, *source) = told(found, "a.from.mqtt")
    assert login[0] == "ok"
    assert login[1].startswith("a client without a user name may connect, with MQTT 5; the broker takes 1000 unconf")
    granted = "is granted; which of its topics may be read shows when they come"
    assert source == [
        ("ok", f"topic filter {unique}/a {granted}"),
        ("ok", f"topic filter {unique}/+/b/# {granted}"),
    ]
    assert told(found, "a.to.mqtt[0]")[1:] == [
        (
            "unknown",
            f"topic {unique}-out/{{topic}}: which one depends on the message, and whether it may be published to shows "
            "with a message",
        )
    ]
    assert told(found, "a.to.mqtt[1]")[1:] == [
        ("unknown", f"topic {unique}-out: whether it may be published to shows with a message")
    ]
    assert remedies(found, "a.from.mqtt") == remedies(found, "a.to.mqtt[0]") == []


@pytest.mark.parametrize("share", [None, "group"])
async def test_looking_takes_no_session_over_and_no_message_away(
    mqtt_url: str, unique: str, tmp_path: Path, share: str | None
) -> None:
    """A member of a share would take messages from the others, and retained ones would be many."""
    topics = Topics(mqtt_url, "a")
    client_id = f"{unique}-source"
    shared = "" if share is None else f', share = "{share}"'
    route = f"""
from.mqtt = {{ topics = ["{unique}/#"], client_id = "{client_id}"{shared} }}
to.mqtt = {{ topic = "{unique}-out" }}
"""
    await asyncio.to_thread(publish, mqtt_url, f"{unique}/kept", [b"retained"], retain=True)
    async with topics.source(topics=[f"{unique}/#"], client_id=client_id, share=share) as source:
        settle(source, await take(source, 1))  # Mosquitto 2.0.11 gives it to a share too
        for number in range(0, 20, 5):
            await asyncio.to_thread(publish, mqtt_url, f"{unique}/t", numbered(5, number))
            found = await look(tmp_path, toml(mqtt_url, route))
            assert found.exit is Exit.OK
        assert bodies(await take(source, 20)) == numbered(20)
        await nothing_more(source)
    await asyncio.to_thread(publish, mqtt_url, f"{unique}/kept", [b""], retain=True)


async def test_what_the_broker_has_not_is_said_with_what_to_do(
    broker_files: Files, unique: str, tmp_path: Path
) -> None:
    route = f"""
from.mqtt = {{ topics = ["{unique}/#"] }}
to.mqtt = [{{ name = "a", topic = "{unique}-out", retain = true }}, {{ name = "b", topic = "{unique}-out", qos = 0 }}]
"""
    limits = ("max_qos 0", "retain_available false", "max_packet_size 5000", "max_inflight_messages 20")
    with mosquitto(broker_files, *limits) as broker:
        found = await look(tmp_path, toml(broker.url, route))
    assert found.exit is Exit.NEGATIVE
    (login, conflict, granted) = told(found, "a.from.mqtt")
    assert login[1].endswith(
        "the broker takes 20 unconfirmed messages, takes packets of at most 5000 bytes, has no QoS above 0, retains "
        "nothing"
    )
    assert conflict == ("conflict", "the broker grants QoS 0 only, and the route wants 1")
    assert granted[0] == "ok"
    assert remedies(found, "a.from.mqtt") == [
        "write routes.a.from.mqtt.qos = 0, at which messages may be lost, or use another broker"
    ]
    assert told(found, "a.to.mqtt[0]")[1:] == [
        ("conflict", "the broker takes QoS 0 only, and the route wants 1"),
        ("conflict", "the broker retains nothing"),
        ("ok", "the broker takes 20 unconfirmed messages, which makes the route slow"),
        ("unknown", f"topic {unique}-out: whether it may be published to shows with a message"),
    ]
    assert remedies(found, "a.to.mqtt[0]") == [
        "write routes.a.to.mqtt[0].qos = 0, which nobody confirms, or use another broker",
        "write routes.a.to.mqtt[0].retain = false",
        "raise that limit; Mosquitto: max_inflight_messages 1000 in its configuration",
    ]
    assert told(found, "a.to.mqtt[1]")[1:2] == [
        ("ok", "the broker retains nothing: messages that ask for it are published without")
    ]


async def test_a_filter_that_is_refused_is_said_with_its_code(tmp_path: Path) -> None:
    given_back: list[bytes] = []

    async def broker(peer: Peer) -> None:
        await peer.accepts(b"\x2a\x00")
        for topic, code in (("a", 0x87), ("b", 0x8F), ("c", 0x97), ("d", 0)):
            subscribe = await peer.grants(code)
            assert subscribe[3:] == mqtt.text(topic) + b"\x28", "not shared, nothing retained, and QoS 0"
        given_back.append(await peer.packet(10))

    route = """
from.mqtt = { topics = ["a", "b", "c", "d"], share = "group" }
to.mqtt = { topic = "out" }
"""
    async with playing(broker) as url:
        found = await look(tmp_path, toml(url, route, 'username = "me"'))
    assert found.exit is Exit.NEGATIVE
    assert [unsubscribe[3:] for unsubscribe in given_back] == [mqtt.text("d")]
    assert told(found, "a.from.mqtt")[1:5] == [
        ("conflict", "the broker has no shared subscriptions"),
        ("forbidden", "me may not subscribe to topic filter a: not authorized (0x87)"),
        ("conflict", "me may not subscribe to topic filter b: topic filter invalid (0x8f)"),
        ("unknown", "me may not subscribe to topic filter c: quota exceeded (0x97)"),
    ]
    assert remedies(found, "a.from.mqtt")[:2] == [
        "take routes.a.from.mqtt.share out",
        "let me subscribe to a, and read what it matches",
    ]


async def test_a_broker_without_wildcards_is_said_to_have_none(tmp_path: Path) -> None:
    async def broker(peer: Peer) -> None:
        await peer.accepts(b"\x28\x00")
        subscribe = await peer.grants(0)
        assert subscribe[3:] == mqtt.text("b") + b"\x28", "it is asked only for what it may have"

    route = """
from.mqtt = { topics = ["a/#", "b", "+/c"] }
to.mqtt = { topic = "out" }
"""
    async with playing(broker) as url:
        found = await look(tmp_path, toml(url, route))
    assert found.exit is Exit.NEGATIVE
    assert [each for each in told(found, "a.from.mqtt") if each[0] == "conflict"] == [
        ("conflict", f"the broker has no subscriptions with wildcards, and topic filter {topic} is one")
        for topic in ("a/#", "+/c")
    ]
    assert "name topics without + and # in routes.a.from.mqtt.topics" in remedies(found, "a.from.mqtt")


async def test_a_connection_that_is_refused_as_a_conflict_is_told_as_one(tmp_path: Path) -> None:
    async def broker(peer: Peer) -> None:
        await peer.packet(mqtt.CONNECT)
        await peer.gives(connack(0x85))

    route = """
from.mqtt = { topics = ["a"] }
to.mqtt = { topic = "out" }
"""
    async with playing(broker) as url:
        found = await look(tmp_path, toml(url, route))
    ((verdict, text),) = told(found, "a.from.mqtt")
    assert verdict == "conflict"
    assert "it refuses the client id" in text


async def test_a_refused_login_is_said(broker_files: Files, unique: str, tmp_path: Path) -> None:
    route = f"""
from.mqtt = {{ topics = ["{unique}"] }}
to.mqtt = {{ topic = "{unique}-out" }}
"""
    with mosquitto(broker_files, "allow_anonymous false") as broker:
        found = await look(tmp_path, toml(broker.url, route, 'username = "me"\npassword = "s3cret"'))
    assert found.exit is Exit.NEGATIVE
    ((verdict, text),) = told(found, "a.from.mqtt")
    assert verdict == "forbidden"
    assert "not authorized to connect" in text
    assert "s3cret" not in text


async def test_a_broker_of_3_1_1_is_told_of_with_what_that_costs(mqtt_url: str, unique: str, tmp_path: Path) -> None:
    route = f"""
from.mqtt = {{ topics = ["{unique}"] }}
to.mqtt = {{ topic = "{unique}-out" }}
"""
    async with speaking_311(mqtt_url) as url:
        found = await look(tmp_path, toml(url, route))
    assert found.exit is Exit.OK
    for key in ("a.from.mqtt", "a.to.mqtt"):
        verdict, text = told(found, key)[0]
        assert verdict == "ok"
        assert "with MQTT 3.1.1: properties and headers do not cross" in text
        assert remedies(found, key)[0] == "let the broker speak MQTT 5, if that is too little"
