"""The contract's kits of MQTT: a topic of a Mosquitto that the suite may stop, for each direction.

A broker keeps nothing that nobody has subscribed to: the sessions of the source and of who reads a target are made
first, as an earlier connection would have left them.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from bridge.cli.demo.mosquitto import Mosquitto
from bridge.message import Header, Message
from bridge.ports import Place, Sink, Source
from bridge.values import text_of
from config.brokers import BrokerSettings
from config.mqtt import MqttSinkSettings, MqttSourceSettings
from connectors import mqtt as connector
from tests import mqtt


class MqttSourceKit:
    """A topic, published to by a plain client and read in a session of its own."""

    cannot: Mapping[str, str] = {
        "what_is_not_settled_comes_back_and_nothing_else": "PUBACKs are sent in the order of receipt (MQTT 5, section "
        "4.6): what lies beyond a gap comes again",
    }

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self._topic = f"contract/{secrets.token_hex(4)}"
        self._client_id = f"{self._topic}-source"

    async def prepare(self) -> None:
        """Leave a session behind."""
        await asyncio.to_thread(self._subscribe)

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        settings = MqttSourceSettings.model_validate({"topics": [self._topic], "client_id": self._client_id})
        return connector.open_source(_settings(self._broker), settings, Place("b", "i", "r", messages, size))

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        await asyncio.to_thread(self._publish, bodies, headers)

    async def left(self) -> int:
        return await asyncio.to_thread(self._count)

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)

    def _subscribe(self) -> None:
        with mqtt.Session(self._broker.url, self._client_id) as session:
            session.subscribe(self._topic)

    def _publish(self, bodies: Sequence[bytes], headers: Sequence[Header]) -> None:
        pairs = [(name, text_of(kind, value)) for name, kind, value in headers]
        types = {name: kind for name, kind, _ in headers if kind != "string"}
        pairs += [("fedbridge-types", json.dumps(types))] if types else []
        pairs += [("fedbridge-uid", secrets.token_hex(8))] if headers else []  # else the topic is a header more
        properties = b"".join(b"\x26" + mqtt.text(name) + mqtt.text(value) for name, value in pairs)
        with mqtt.Session(self._broker.url, f"{self._topic}-writer", clean=True) as session:
            session.publish(
                mqtt.publish(self._topic, body, number % 60_000 + 1, properties) for number, body in enumerate(bodies)
            )

    def _count(self) -> int:
        with mqtt.Session(self._broker.url, self._client_id) as session:
            assert session.present
            return len(session.take())


class MqttSinkKit:
    """A topic, read by a plain client in a session of its own; another one has a wildcard, which no topic may."""

    cannot: Mapping[str, str] = {}
    refused = Message(b"refused", "uid-refused", headers=[("topic", "string", "contract/#")])

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self._topic = f"contract/{secrets.token_hex(4)}"
        self._found: list[mqtt.Published] = []

    async def prepare(self) -> None:
        """Leave the reader's session behind."""
        await asyncio.to_thread(self._read, subscribe=True)

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        settings = MqttSinkSettings.model_validate({"topic": f"{{header.topic:{self._topic}}}"})
        return connector.open_sink(_settings(self._broker), settings, Place("b", "i", "r", messages, 1 << 25))

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        await asyncio.to_thread(self._read, subscribe=False)
        assert len(self._found) >= count, f"{len(self._found)} messages, of {count}"
        return [(message.body, _headers(message)) for message in self._found]

    async def stop(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self._broker.start)

    def _read(self, *, subscribe: bool) -> None:
        with mqtt.Session(self._broker.url, f"{self._topic}-reader") as session:
            if subscribe:
                session.subscribe(self._topic)
            self._found += session.take()


def _settings(broker: Mosquitto) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": broker.url, "broker_timeout": "5s", "connect_timeout": "5s"})


def _headers(message: mqtt.Published) -> Mapping[str, bytes | None]:
    """Headers by their names; what is marked as void has no value."""
    texts = dict(mqtt.properties_of(message.properties).UserProperty)
    types = json.loads(texts.get("fedbridge-types", "{}"))
    return {name: None if types.get(name) == "void" else text.encode() for name, text in texts.items()}
