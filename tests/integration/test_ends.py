"""The ends of a leg say the truth: what is there, in order, and what a route would still have to settle."""

import asyncio

import pytest
import redis

from bridge.cli.demo.brokers import Brokers
from tests import mqtt
from tests.ends import End, MqttTopic, Stream
from tests.routes import numbered

COUNT = 2500  # above max_inflight_messages


@pytest.fixture(params=["mqtt", "redis"])
def end(request: pytest.FixtureRequest, brokers: Brokers, unique: str) -> End:
    return MqttTopic(brokers.mqtt_url, unique) if request.param == "mqtt" else Stream(brokers.redis_url, unique)


async def test_an_end_shows_what_is_in_it_and_leaves_it_there(end: End) -> None:
    assert await end.found() == []
    await end.fill(numbered(COUNT))
    for _ in range(2):
        assert await end.found() == numbered(COUNT)
        assert await end.size() == COUNT
    await end.fill(["000007"])
    assert await end.found() == [*numbered(COUNT), "000007"], "duplicates too"
    assert await end.left("route") == COUNT + 1, "no route has settled anything"


async def test_left_at_mqtt_is_what_the_broker_holds_for_the_session(mqtt_url: str, unique: str) -> None:
    end = MqttTopic(mqtt_url, unique)
    await end.fill(numbered(COUNT))
    with mqtt.Session(mqtt_url, end.client_id) as session:
        assert [message.body.decode() for message in session.take()] == numbered(COUNT)
    await end.fill(numbered(3))
    with mqtt.Session(mqtt_url, end.client_id):
        await end.fill(numbered(4))  # given to a client that confirms nothing
    assert await end.left("") == 7


@pytest.mark.parametrize("server", ["redis_url", "redis_6_url", "valkey_url"])
async def test_left_at_redis_is_what_is_pending_or_unread(
    request: pytest.FixtureRequest, unique: str, server: str
) -> None:
    end = Stream(await asyncio.to_thread(request.getfixturevalue, server), unique)
    await end.fill(numbered(10))
    with redis.Redis.from_url(end.url) as client:
        client.xgroup_create(unique, "group", "0")
        assert await end.left("group") == 10
        ((_, entries),) = client.xreadgroup("group", "consumer", {unique: ">"}, count=6)
        assert await end.left("group") == 10
        client.xack(unique, "group", *(entry for entry, _ in entries[:5]))
        assert await end.left("group") == 5
        assert await end.found() == numbered(10)
