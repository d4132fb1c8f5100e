"""The MQTT connector on a real broker that knows 3.1.1 alone, and ends the connection at a CONNECT of MQTT 5."""

from pathlib import Path

from bridge.cli import Exit
from bridge.message import DELIVERED, Message
from tests.integration.looking import look, told
from tests.integration.mqtt_topics import Topics, bodies, messages, numbered, send, take_and_settle


async def test_source_and_sink_speak_3_1_1_and_the_session_is_kept(mqtt_3_url: str, unique: str) -> None:
    topics = Topics(mqtt_3_url, unique)
    async with topics.source() as source, topics.sink() as sink:
        assert await send(sink, messages(1000)) == [DELIVERED] * 1000
        found = [each for _ in range(100) for each in await take_and_settle(source, 10)]  # it gives ten at a time
        assert bodies(found) == numbered(1000)
        assert isinstance(found[0].message, Message)
        assert found[0].message.headers == [("mqtt-topic", "string", f"{unique}/t")]
    async with topics.sink() as sink:
        assert await send(sink, messages(10, 1000)) == [DELIVERED] * 10
    async with topics.source() as source:
        assert bodies(await take_and_settle(source, 10)) == numbered(10, 1000)


async def test_check_says_what_that_costs(mqtt_3_url: str, unique: str, tmp_path: Path) -> None:
    text = f"""
[bridge]
name = "test"
instance = "one"
[brokers.old]
url = "{mqtt_3_url}"
[routes.a]
from.mqtt = {{ topics = ["{unique}"] }}
to.mqtt = {{ topic = "{unique}-out" }}
"""
    found = await look(tmp_path, text)
    assert (found.exit, found.away) == (Exit.OK, {})
    for key in ("a.from.mqtt", "a.to.mqtt"):
        verdict, said = told(found, key)[0]
        assert verdict == "ok"
        assert "with MQTT 3.1.1: properties and headers do not cross" in said
