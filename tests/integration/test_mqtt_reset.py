"""The MQTT connector on the daemon's event loop, when a broker resets the connection."""

import asyncio
import socket

import pytest
import uvloop

from bridge.errors import Disconnected
from bridge.message import Verdict
from tests import mqtt
from tests.integration.mqtt_topics import Topics, connack, messages


def test_a_connection_that_is_reset_behind_the_last_answers_is_lost_soon_on_the_loop_of_the_daemon() -> None:
    """uvloop tells a reader of a reset once, and Mosquitto resets a connection that it has not read to the end."""

    async def broker(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        client, _ = await loop.sock_accept(listener)
        with client:
            client.setblocking(False)
            await loop.sock_recv(client, 1 << 16)
            await loop.sock_sendall(client, connack(0))
            published = asyncio.Event()
            loop.add_reader(client, published.set)
            await published.wait()
            loop.remove_reader(client)
            client.send(mqtt.packet(mqtt.PUBACK, b"\0\1"))  # what was published is unread, so that closing is a reset

    async def sending() -> None:
        patient = {"heartbeat": "60s", "broker_timeout": "60s"}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            topics = Topics(f"mqtt://127.0.0.1:{listener.getsockname()[1]}", "t")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(broker(listener), name="broker")
                with pytest.raises(Disconnected, match="connection was lost"):  # noqa: PT012 - the loss ends the context
                    async with asyncio.timeout(10), topics.sink(broker=patient) as sink:
                        future = await sink.send(messages(2))
                        await asyncio.Event().wait()
        outcomes = [outcome.verdict for outcome in future.result()]
        assert outcomes == [Verdict.DELIVERED, Verdict.UNKNOWN], "the last answer was read"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(sending())
