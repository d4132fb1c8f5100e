"""The MQTT source on a real Mosquitto: what comes, in what order, and what comes again."""

import asyncio
import time

import pytest

from bridge.errors import Disconnected
from bridge.message import Delivery, Message
from connectors import mqtt as connector
from connectors.mqtt.source import MqttSource
from tests import mqtt
from tests.integration.mqtt_topics import (
    CHUNK,
    PATIENCE,
    Topics,
    bodies,
    nothing_more,
    numbered,
    publish,
    settle,
    speaking_311,
    take,
    take_and_settle,
)


@pytest.fixture
def topics(mqtt_url: str, unique: str) -> Topics:
    return Topics(mqtt_url, unique)


def message(delivery: Delivery) -> Message:
    assert isinstance(delivery.message, Message)
    return delivery.message


async def test_every_property_comes_as_another_library_writes_it(topics: Topics) -> None:
    async with topics.source() as source:
        await asyncio.to_thread(
            publish,
            topics.url,
            f"{topics.name}/größe",
            [b"\x00body"],
            ContentType="text/plain",
            CorrelationData=b"c-\xff",
            ResponseTopic="replies",
            PayloadFormatIndicator=1,
            MessageExpiryInterval=60,
            UserProperty=[("tenant", "acmé"), ("tenant", "two"), ("amqp-message-id", "m-1")],
        )
        (delivery,) = await take(source, 1)
    found = message(delivery)
    assert (found.body, found.address, found.exchange, found.key) == (
        b"\x00body",
        f"{topics.name}/größe",
        None,
        None,
    )
    assert found.properties == {
        "content_type": "text/plain",
        "correlation_id": "c-\udcff",
        "expiration": "60000",
        "message_id": "m-1",
        "delivery_mode": 2,
    }
    assert found.headers == [
        ("mqtt-payload-format", "u8", 1),
        ("mqtt-response-topic", "string", "replies"),
        ("tenant", "string", "acmé"),
        ("tenant", "string", "two"),
        ("mqtt-topic", "string", f"{topics.name}/größe"),
    ]
    assert found.uid.startswith("mqtt:")
    assert not delivery.redelivered


async def test_publishers_of_every_quality_are_served(topics: Topics) -> None:
    async with topics.source() as source:
        for qos in (0, 1, 2):
            await asyncio.to_thread(publish, topics.url, f"{topics.name}/{qos}", numbered(20, 100 * qos), qos)
        found = await take_and_settle(source, 60)
        for qos, mode in ((0, 1), (1, 2), (2, 2)):
            own = [each for each in found if message(each).address.endswith(f"/{qos}")]
            assert bodies(own) == numbered(20, 100 * qos)
            assert [message(each).properties.get("delivery_mode") for each in own] == [mode] * 20
    assert await asyncio.to_thread(topics.left) == []


async def test_a_subscription_of_quality_0_gives_what_never_comes_again(topics: Topics) -> None:
    async with topics.source(qos=0) as source:
        assert not source.redelivers
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(5))
        assert bodies(await take(source, 5)) == numbered(5)
    async with topics.source(qos=0) as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"next"])
        assert bodies(await take(source, 1)) == [b"next"]


@pytest.mark.parametrize("expiry", ["0s", "1h"])
async def test_a_session_that_ends_with_its_connection_redelivers_nothing(topics: Topics, expiry: str) -> None:
    past = connector.Past()
    async with topics.source(past, session_expiry=expiry) as source:
        assert source.redelivers == (expiry == "1h")
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(5))
        assert bodies(await take(source, 5)) == numbered(5)
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"meanwhile"])
    missed: list[tuple[str, int]] = []
    async with topics.source(past, session_expiry=expiry) as source:
        source.on_missed(lambda *what: missed.append(what))
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"next"])
        expected = [b"next"] if expiry == "0s" else [*numbered(5), b"meanwhile", b"next"]
        assert bodies(await take(source, len(expected))) == expected
    assert missed == [], "nothing was promised, or nothing was lost"


async def test_several_filters_are_one_session_and_overlapping_ones_lose_nothing(topics: Topics) -> None:
    wanted = [f"{topics.name}/a", f"{topics.name}/+/x", f"{topics.name}/a/#", f"{topics.name}/größe"]
    async with topics.source(topics=wanted) as source:
        for topic in ("a", "b/x", "a/x", "größe", "unwanted"):
            await asyncio.to_thread(publish, topics.url, f"{topics.name}/{topic}", numbered(10))
        await source.flush()
        found = await take(source, 40)
        async with asyncio.timeout(PATIENCE):
            while len(found) < 40 or source._inbox._ready:  # type: ignore[attr-defined]
                found += await source.receive(100)
        settle(source, found)
        await nothing_more(source)
        by_topic: dict[str, list[bytes | None]] = {}
        for delivery in found:
            seen = by_topic.setdefault(message(delivery).address.removeprefix(f"{topics.name}/"), [])
            if delivery.message.body not in seen:
                seen.append(delivery.message.body)
        assert by_topic == dict.fromkeys(("a", "b/x", "a/x", "größe"), numbered(10))
    assert await asyncio.to_thread(topics.left) == []


async def test_a_route_that_is_given_a_share_has_its_messages_once(topics: Topics) -> None:
    """The broker keeps the subscription of before with the session: without a share, and so beside it."""
    async with topics.source():
        pass
    async with topics.source(share="group") as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(10))
        assert bodies(await take_and_settle(source, 10)) == numbered(10)
        await nothing_more(source)
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(10, 10))
    async with topics.source(share="group") as source:
        assert bodies(await take_and_settle(source, 10)) == numbered(10, 10)
        await nothing_more(source)


async def test_sources_of_one_share_divide_the_messages_between_them(topics: Topics) -> None:
    one = topics.source(share="group", client_id=f"{topics.name}-1")
    two = topics.source(share="group", client_id=f"{topics.name}-2")
    async with one as first, two as second:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(100))
        parts: list[list[bytes | None]] = []
        for source in (first, second):
            await source.flush()
            found: list[Delivery] = []
            while source._inbox._ready:  # type: ignore[attr-defined]
                found += await source.receive(100)
            settle(source, found)
            parts.append(bodies(found))
        assert sorted(int(body or b"") for part in parts for body in part) == list(range(100))
        assert all(len(part) > 10 for part in parts)
        assert all([int(body or b"") for body in part] == sorted(int(body or b"") for body in part) for part in parts)


async def test_retained_messages_come_once_when_the_subscription_is_new(topics: Topics) -> None:
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/old", [b"retained"], retain=True)
    async with topics.source() as source:
        (delivery,) = await take(source, 1)
        assert ("mqtt-retain", "bool", True) in message(delivery).headers
        settle(source, [delivery])
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/new", [b"fresh"], retain=True)
        (delivery,) = await take_and_settle(source, 1)
        assert ("mqtt-retain", "bool", True) in message(delivery).headers, "as it was published"
    for past in (connector.Past(), connector.Past()):
        async with topics.source(past) as source:
            await nothing_more(source)
    async with topics.source(topics=[f"{topics.name}/#", f"{topics.name}/old"]) as source:
        assert bodies(await take_and_settle(source, 1)) == [b"retained"], "one filter is new"
        await nothing_more(source)
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/old", [b""], retain=True)


async def test_what_is_published_while_the_bridge_is_away_comes_when_it_is_back(topics: Topics) -> None:
    async with topics.source() as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(10))
        first = await take(source, 10)
        settle(source, first[:4])
        await source.flush()
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(10, 10))
    async with topics.source() as source:
        second = await take_and_settle(source, 16)
        assert bodies(second) == numbered(16, 4)
        assert [each.redelivered for each in second] == [True] * 6 + [False] * 10
        assert {message(each).uid for each in first}.isdisjoint(message(each).uid for each in second)
    assert await asyncio.to_thread(topics.left) == []


async def test_a_filter_that_is_taken_out_stays_in_the_session(topics: Topics) -> None:
    """MQTT has no way to see the subscriptions of a session: the documentation says what helps."""
    async with topics.source(topics=[f"{topics.name}/a", f"{topics.name}/b"]):
        pass
    async with topics.source(topics=[f"{topics.name}/b"]) as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/a", [b"unwanted"])
        assert bodies(await take_and_settle(source, 1)) == [b"unwanted"]


async def test_what_an_earlier_subscription_left_of_quality_2_is_served_and_acknowledged(topics: Topics) -> None:
    with mqtt.Session(topics.url, topics.client_id) as session:
        session.subscribe(f"{topics.name}/#", 2)
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(5), 2)
    async with topics.source() as source:
        found = await take(source, 5)
        assert bodies(found) == numbered(5)
        assert [message(each).properties.get("delivery_mode") for each in found] == [2] * 5
        settle(source, found)
        await source.flush()
        await source.flush()  # the first was answered before the broker's releases had been
    assert await asyncio.to_thread(topics.left) == []


async def test_reading_stops_at_the_window_of_bytes_and_the_link_lives_on(topics: Topics) -> None:
    size = 100_000
    async with topics.source(size=1_000_000, broker={"heartbeat": "1s"}) as source:
        assert isinstance(source, MqttSource)
        large = [number.to_bytes(1, "big") * size for number in range(40)]
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", large)
        found = await take(source, 9)
        await asyncio.sleep(3.5)  # above the keepalive and as much again, in which the broker cannot be heard
        assert source.read_ahead <= 1_000_000 + CHUNK + size
        assert not source._session.reading
        while len(found) < 40:
            settle(source, found[-9:])
            found += await take(source, min(9, 40 - len(found)))
        assert bodies(found) == large
        settle(source, found[-9:])
        await source.flush()
        assert source._session.reading
    assert await asyncio.to_thread(topics.left) == []


async def test_a_session_with_more_in_it_than_the_window_can_be_taken_up(topics: Topics) -> None:
    """The answer to SUBSCRIBE comes behind what the window cannot hold."""
    async with topics.source():
        pass
    large = [number.to_bytes(1, "big") * 100_000 for number in range(60)]
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", large)
    async with topics.source(size=500_000, broker={"broker_timeout": "300ms"}) as source:
        found = await take(source, 4)
        await asyncio.sleep(0.7)  # which nobody reads: that the answer does not come is not the broker's fault
        settle(source, found)
        while len(found) < 60:
            fresh = await take(source, 1)
            settle(source, fresh)
            found += fresh
        assert bodies(found) == large
        await source.flush()
    assert await asyncio.to_thread(topics.left) == []


async def test_flushing_with_a_full_window_reads_on_and_what_does_not_fit_comes_again(topics: Topics) -> None:
    large = [number.to_bytes(1, "big") * 100_000 for number in range(60)]
    with pytest.raises(Disconnected, match="window"):  # noqa: PT012 - the loss ends the context
        async with topics.source(size=500_000) as source:
            await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", large)
            settle(source, await take(source, 3))
            await source.flush()
            await asyncio.Event().wait()
    assert await asyncio.to_thread(topics.left) == large[3:]


async def test_a_session_that_is_gone_is_noticed_once(topics: Topics) -> None:
    past = connector.Past()
    missed: list[tuple[str, int]] = []
    async with topics.source(past) as source:
        source.on_missed(lambda *what: missed.append(what))
    async with topics.source(past) as source:
        source.on_missed(lambda *what: missed.append(what))
    assert missed == []
    await asyncio.to_thread(topics.forget)
    async with topics.source(past) as source:
        source.on_missed(lambda *what: missed.append(what))
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"next"])
        assert bodies(await take_and_settle(source, 1)) == [b"next"], "it is subscribed again"
    async with topics.source(past) as source:
        source.on_missed(lambda *what: missed.append(what))
    assert missed == [("session_lost", 1)]


async def test_a_receipt_of_an_old_connection_acknowledges_nothing_though_the_identifiers_are_the_same(
    topics: Topics,
) -> None:
    """M8: packet identifiers begin at 1 again in a new session."""
    async with topics.source() as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"old"])
        stale = await take(source, 1)
    await asyncio.to_thread(topics.forget)
    async with topics.source() as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"new"])
        assert bodies(await take(source, 1)) == [b"new"]
        settle(source, stale)
        source.settle([*[delivery.receipt for delivery in stale], "nonsense", -1, 0, 1])
        await source.flush()
    assert await asyncio.to_thread(topics.left) == [b"new"]


async def test_settling_twice_acknowledges_once(topics: Topics) -> None:
    async with topics.source() as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"one"])
        first = await take_and_settle(source, 1)
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", [b"two"])
        await take(source, 1)
        settle(source, first)
        await source.flush()
    assert await asyncio.to_thread(topics.left) == [b"two"]


async def test_a_broker_of_3_1_1_is_spoken_to_in_its_words(topics: Topics) -> None:
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/kept", [b"retained"], retain=True)
    async with speaking_311(topics.url) as url:
        old = Topics(url, topics.name)
        past = connector.Past()
        async with old.source(past) as source:
            assert source.redelivers
            await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(20), ContentType="text/plain")
            found = await take(source, 21)
            assert bodies(found) == [b"retained", *numbered(20)]
            assert message(found[1]).properties == {"delivery_mode": 2}
            settle(source, found[:11])
            await source.flush()
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(5, 20))
        async with old.source(past) as source:
            assert bodies(await take_and_settle(source, 15)) == numbered(15, 10)
            await nothing_more(source)
        async with old.source() as source:
            assert bodies(await take_and_settle(source, 1)) == [b"retained"], "a new start has to subscribe again"
    await asyncio.to_thread(publish, topics.url, f"{topics.name}/kept", [b""], retain=True)


async def test_the_receive_maximum_is_the_window(topics: Topics) -> None:
    async with topics.source(messages=10) as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(50))
        first = await take(source, 10)
        await source.flush()
        assert source._inbox.empty  # type: ignore[attr-defined]
        settle(source, first)
        assert bodies([*first, *await take(source, 10)]) == numbered(20)


async def test_a_window_of_messages_holds_at_quality_0_too(topics: Topics) -> None:
    async with topics.source(messages=10, qos=0) as source:
        await asyncio.to_thread(publish, topics.url, f"{topics.name}/t", numbered(50), 0)
        found = await take(source, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await source.receive(10)
        while len(found) < 50:
            settle(source, found[-10:])
            found += await take(source, 10)
        assert bodies(found) == numbered(50)


async def test_a_client_id_has_bridge_route_and_instance_unless_it_is_stated(topics: Topics) -> None:
    async with topics.source(client_id=None) as source:
        assert isinstance(source, MqttSource)
        name = source._session.client_id
        assert name == f"fedbridge.test.{topics.name}.source.one"
    with mqtt.Session(topics.url, name, expiry=0) as session:
        assert session.present


async def test_ten_thousand_come_in_order(topics: Topics) -> None:
    async with topics.source() as source:
        packets = [
            mqtt.publish(f"{topics.name}/t", body, place % 60_000 + 1) for place, body in enumerate(numbered(10_000))
        ]
        with mqtt.Session(topics.url, f"{topics.name}-writer", clean=True) as writer:
            await asyncio.to_thread(writer.publish, packets)
        started = time.monotonic()
        found: list[bytes | None] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < 10_000:
                batch = await source.receive(700)
                found += bodies(batch)
                settle(source, batch)
        await source.flush()
        print(f"received and acknowledged {10_000 / (time.monotonic() - started):,.0f} msg/s")
    assert found == numbered(10_000)
    assert await asyncio.to_thread(topics.left) == []
