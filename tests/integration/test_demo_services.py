"""The shop's services at an MQTT broker that refuses them: they say so, and claim nothing that is not so."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.cli.demo.cast import Listener, Service, act
from bridge.cli.demo.errors import Unavailable
from tests import mqtt
from tests.integration.mqtt_topics import Peer, connack, playing

_FORBIDDEN = 0x87


async def refuse_the_connection(peer: Peer) -> None:
    await peer.packet(mqtt.CONNECT)
    await peer.gives(connack(_FORBIDDEN))


async def refuse_the_message(peer: Peer) -> None:
    await peer.accepts()
    published = mqtt.published(mqtt.Packet(mqtt.PUBLISH, 2, await peer.packet(mqtt.PUBLISH)))
    await peer.gives(mqtt.packet(mqtt.PUBACK, published.packet_id.to_bytes(2) + bytes([_FORBIDDEN])))


async def refuse_the_subscription(peer: Peer) -> None:
    await peer.accepts()
    await peer.grants(_FORBIDDEN)


@pytest.mark.parametrize("script", [refuse_the_connection, refuse_the_message])
async def test_a_kiosk_whose_order_is_refused_has_sent_nothing(script: Callable[[Peer], Awaitable[None]]) -> None:
    async with playing(script) as url:
        kiosk = Service("Kiosk (MQTT)", "kiosk.py", ("--url", url, "--topic", "t"), "published")
        with pytest.raises(Unavailable, match="not sent: order 2: a desk: Not authorized"):
            await asyncio.to_thread(act, kiosk, print)


@pytest.mark.parametrize("script", [refuse_the_connection, refuse_the_subscription])
async def test_labels_that_are_not_subscribed_do_not_wait_for_messages(
    script: Callable[[Peer], Awaitable[None]], tmp_path: Path
) -> None:
    async with playing(script) as url:
        service = Service("ShelfLabelService (MQTT)", "shelf_labels.py", ("--url", url, "--topic", "t"), "reads")
        labels = Listener(service, tmp_path / "log", print, outlives=False)
        try:
            with pytest.raises(Unavailable, match="Not authorized"):
                await asyncio.to_thread(labels.wait_ready)
        finally:
            labels.process.kill()
