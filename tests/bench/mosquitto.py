"""Topics of one run at an MQTT broker: a session that holds messages back, and a subscriber that counts."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from bridge import names
from tests import mqtt
from tests.bench.rabbit import message_id

_CONTENT_TYPE, _USER_PROPERTY = b"\x03", b"\x26"
_PACKET_IDS = 60_000


class HeldSession:
    """A client's session, subscribed at QoS 1; `client_id` is the client's and the topic's name.

    The broker gives a client that is connected everything at once, so that nothing can wait in the session for one that
    is already there. Instead the relay's process stands still (SIGSTOP) while the messages are published.
    """

    def __init__(self, url: str, client_id: str, count: int, body: bytes) -> None:
        self._url = url
        self._client_id = client_id
        self._packets = list(encoded_messages(client_id, count, body))
        self._first = mqtt.Session(url, client_id)
        self._first.subscribe(client_id)

    async def attached(self) -> bool:
        """Whether a relay has taken the session over from us."""
        try:
            self._first.arrived()
        except mqtt.Refused:
            return True
        return False

    async def release(self, pid: int | None) -> None:
        """Stop the relay, publish everything, and let the relay go on."""
        assert pid is not None, "a relay of MQTT is a process"
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.to_thread(self._publish)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def left(self) -> int:
        """Give the number of messages that the broker still holds, and end the session; the relay must have ended."""
        with mqtt.Session(self._url, self._client_id, expiry=0) as session:
            return len(session.take())

    def close(self) -> None:
        """End our connection, and the session, if it is still there."""
        self._first.close()
        with contextlib.suppress(mqtt.Refused), mqtt.Session(self._url, self._client_id, clean=True, expiry=0):
            pass

    def _publish(self) -> None:
        with mqtt.Session(self._url, f"{self._client_id}-load", clean=True, expiry=0) as session:
            session.publish(self._packets)


class CountedTopic:
    """A topic whose messages a subscriber of ours counts and forgets: at QoS 0, so that it has nothing to confirm."""

    def __init__(self, url: str, topic: str) -> None:
        self._session = mqtt.Session(url, f"{topic}-count", clean=True, expiry=0)
        self._session.subscribe(topic, qos=0)
        self._count = 0

    async def count(self) -> int:
        """Give the number of messages that came so far, duplicates too."""
        self._count += self._session.arrived()
        return self._count

    def close(self) -> None:
        """Disconnect."""
        self._session.close()


@asynccontextmanager
async def held_session(url: str, name: str, messages: int, body: bytes) -> AsyncIterator[HeldSession]:
    """Make a session subscribed to a topic, both of that name, and messages for it."""
    with contextlib.closing(HeldSession(url, name, messages, body)) as held:
        yield held


@asynccontextmanager
async def counted_topic(url: str, topic: str) -> AsyncIterator[CountedTopic]:
    """Subscribe to a topic, and count."""
    with contextlib.closing(CountedTopic(url, topic)) as counted:
        yield counted


def encoded_messages(topic: str, count: int, body: bytes) -> Iterator[bytes]:
    """Give the packets that publish each message to `topic` at QoS 1: five properties and three headers.

    They are those of the load at RabbitMQ: the content type where MQTT has it, the others as user properties.
    """
    constant = _CONTENT_TYPE + mqtt.text("application/json")
    constant += b"".join(_user(name, value) for name, value in constant_fields() if name != "content-type")
    for number in range(count):
        properties = constant + b"".join(_user(name, value) for name, value in own_fields(number))
        yield mqtt.publish(topic, body, number % _PACKET_IDS + 1, properties)


def constant_fields() -> list[tuple[str, str]]:
    """The properties and headers of the load that are the same in every message, by the names they cross under."""
    known = {"content_type": "application/json", "timestamp": "1764000000000", "type": "product.updated"}
    properties = [(names.PROPERTY_NAMES[name], value) for name, value in {**known, "app_id": "catalogue"}.items()]
    return [*properties, ("tenant", "acme"), ("express", "true")]


def own_fields(number: int) -> list[tuple[str, str]]:
    """The property and the header that differ from message to message."""
    return [(names.PROPERTY_NAMES["message_id"], message_id(number)), ("revision", str(number))]


def _user(name: str, value: str) -> bytes:
    return _USER_PROPERTY + mqtt.text(name) + mqtt.text(value)
