"""What operators and senders get wrong at Redis and MQTT: whole routes (test_bad_input.py has RabbitMQ and Kafka).

Each fault has its state and reason, and costs neither what is beside it nor a neighbouring route anything.
"""

import asyncio
import itertools
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.install import Files
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.redis import Redis
from tests.ends import End, MqttTopic, Stream, wait_found
from tests.integration.mqtt_topics import mosquitto, publish
from tests.integration.redis_streams import Streams
from tests.legs import GROUP
from tests.routes import Bridge, configuration, numbered, wait

MakeBridge = Callable[[str], Bridge]
Tagged = Sequence[tuple[str, str | None]]
"""Bodies, each with the header `to`, or without one."""

LIMITED = """
[brokers.limited]
id = "limited"
url = "{url}"
username = "some"
password = "sesame"
broker_timeout = "5s"
"""


class Bad(NamedTuple):
    """Where a message cannot go, with TEST for the test's name, and why it is refused."""

    to: str | None
    reason: str


TOPICS = {
    "wildcard": Bad("TEST/+/a", "bad_topic"),
    "reserved": Bad("$TEST/a", "bad_topic"),
    "NUL": Bad("TEST/\0", "bad_topic"),
    "long": Bad("x" * 65_536, "bad_topic"),
    "empty": Bad("", "bad_topic"),
    "none": Bad(None, "missing_field"),
    "right": Bad("TEST/shut", "forbidden"),
}
STREAMS = {
    "type": Bad("TEST-string", "wrong_type"),
    "right": Bad("TEST-shut", "forbidden"),
    "empty": Bad("", "bad_stream"),
    "none": Bad(None, "missing_field"),
}


@pytest.fixture
def guarded(broker_files: Files, unique: str, tmp_path: Path) -> Iterator[Mosquitto]:
    """A Mosquitto where nobody may write but to TEST/good; a user with a name is not let in."""
    acl, passwords = tmp_path / "acl", tmp_path / "passwords"
    acl.write_text(f"topic readwrite {unique}/good\ntopic read #\n")
    passwords.touch()
    files = (f"acl_file {acl}", f"password_file {passwords}")
    with mosquitto(broker_files, *files, "max_queued_messages 100000") as broker:
        yield broker


@pytest.fixture
async def limiting(own_redis: Redis, unique: str) -> Redis:
    """A Redis with the key TEST-string, which is no stream, and a user who may not touch TEST-shut."""
    async with Streams(own_redis.url, unique).client() as client:
        await client.set(f"{unique}-string", "a string")
        keys = (f"~{unique}-good", f"~{unique}-string")
        await client.execute_command("ACL", "SETUSER", "some", "on", ">sesame", *keys, "+@all")  # type: ignore[no-untyped-call]
    return own_redis


def tagged(bads: Sequence[Bad], good: str, name: str, run: int = 10) -> Tagged:
    """So many good messages before, between and behind the bad ones."""
    bodies = iter(numbered(run * (len(bads) + 1) + len(bads)))
    found: list[tuple[str, str | None]] = [(body, good) for body in itertools.islice(bodies, run)]
    for bad in bads:
        found.append((next(bodies), None if bad.to is None else bad.to.replace("TEST", name)))
        found += [(body, good) for body in itertools.islice(bodies, run)]
    return found


async def fill_stream(stream: Stream, messages: Tagged) -> None:
    async with Streams(stream.url, stream.name).client() as client, client.pipeline() as pipeline:
        for body, to in messages:
            fields: dict[Any, Any] = {"body": body} | ({} if to is None else {"to": to})
            pipeline.xadd(stream.name, fields)
        await pipeline.execute()


async def fill_topic(topic: MqttTopic, messages: Tagged) -> None:
    for to, some in itertools.groupby(messages, lambda message: message[1]):
        how: dict[str, Any] = {} if to is None else {"UserProperty": [("to", to)]}
        await asyncio.to_thread(publish, topic.url, topic.name, [body.encode() for body, _ in some], **how)


def deliverable(messages: Tagged, good: str) -> list[str]:
    """The bodies of the messages that can be delivered."""
    return [body for body, to in messages if to == good]


async def stopped_and_started(
    bridge: MakeBridge, toml: str, reason: str, fill: Callable[[], Awaitable[None]], target: End, expected: list[str]
) -> list[str]:
    """Have a route stop at a bad message for that reason, then do without it; give what is in the target."""
    daemon = bridge(toml.replace("ON_ERROR", "stop"))
    for name in ("updates", "healthy"):
        daemon.wait_state("running", name)
    await fill()
    told = daemon.wait_state("failed")
    assert f": {reason}: " in told
    assert "restart fedbridge" in told
    daemon.wait_state("running", "healthy")
    assert daemon.stop() == 0
    found = await target.found()
    assert found == expected[: len(found)], "none is left out, none comes twice"
    assert len(found) >= 10, "what came before it went through"
    daemon = bridge(toml.replace("ON_ERROR", "drop"))
    found = await wait_found(target, len(expected))
    wait(lambda: daemon.fates()["dropped"] == 1, daemon.tail)
    daemon.wait_state("running")
    assert daemon.stop() == 0
    return found


def from_stream_to_topic(unique: str, redis: Redis, broker: Mosquitto) -> tuple[Stream, MqttTopic, Stream, str]:
    """A stream, a topic that it is relayed to, the stream of a neighbour, and both routes."""
    origin, healthy = Stream(redis.url, f"{unique}-in"), Stream(redis.url, f"{unique}-healthy")
    target = MqttTopic(broker.url, f"{unique}/good")
    routes = f"""
[routes.updates]
from.redis = {origin.source}
to.mqtt = {{ topic = "{{header.to}}" }}
on_error = "ON_ERROR"
[routes.healthy]
from.redis = {origin.source}
to.redis = {{ {healthy.target} }}
"""
    return origin, target, healthy, routes


async def test_topics_that_cannot_be_cost_their_neighbours_and_other_routes_nothing(
    brokers: Brokers, own_redis: Redis, guarded: Mosquitto, bridge: MakeBridge, unique: str
) -> None:
    origin, target, healthy, routes = from_stream_to_topic(unique, own_redis, guarded)
    urls = {"redis_url": own_redis.url, "mqtt_url": guarded.url}
    toml = configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes.replace("ON_ERROR", "drop"), **urls)
    daemon = bridge(toml)
    messages = tagged(list(TOPICS.values()), target.name, unique)
    await fill_stream(origin, messages)
    assert await wait_found(healthy, len(messages)) == [body for body, _ in messages]
    expected = deliverable(messages, target.name)
    assert await wait_found(target, len(expected)) == expected, "each once, in order"
    wait(lambda: daemon.fates()["dropped"] == len(TOPICS), daemon.tail)
    assert daemon.fates()["delivered"] == len(expected)
    daemon.wait_state("running")
    daemon.wait_state("running", "healthy")
    assert daemon.stop() == 0
    assert await origin.left(GROUP) == 0


@pytest.mark.parametrize("bad", TOPICS.values(), ids=TOPICS)
async def test_a_topic_that_cannot_be_stops_its_route_and_nothing_is_lost(
    brokers: Brokers, own_redis: Redis, guarded: Mosquitto, bridge: MakeBridge, unique: str, bad: Bad
) -> None:
    origin, target, healthy, routes = from_stream_to_topic(unique, own_redis, guarded)
    urls = {"redis_url": own_redis.url, "mqtt_url": guarded.url}
    toml = configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes, **urls)
    messages = tagged([bad], target.name, unique)
    expected = deliverable(messages, target.name)
    found = await stopped_and_started(bridge, toml, bad.reason, lambda: fill_stream(origin, messages), target, expected)
    assert found == expected, "each once, in order: a stream's entries are acknowledged one by one"
    assert await wait_found(healthy, len(messages)) == [body for body, _ in messages]
    assert await origin.left(GROUP) == 0


def from_topic_to_stream(unique: str, mqtt_url: str, redis: Redis) -> tuple[MqttTopic, Stream, Stream, str]:
    """A topic, a stream that it is relayed to by a user with few rights, the stream of a neighbour, and both routes."""
    origin = MqttTopic(mqtt_url, f"{unique}/in")
    target, healthy = Stream(redis.url, f"{unique}-good"), Stream(redis.url, f"{unique}-healthy")
    routes = f"""{LIMITED.format(url=redis.url)}
[routes.updates]
from.mqtt = {origin.source}
to.redis = {{ broker = "limited", stream = "{{header.to}}" }}
on_error = "ON_ERROR"
[routes.healthy]
from.mqtt = {{ topics = ["{origin.name}"], client_id = "{unique}-healthy" }}
to.redis = {{ {healthy.target} }}
"""
    return origin, target, healthy, routes


async def test_streams_that_cannot_be_cost_their_neighbours_and_other_routes_nothing(
    brokers: Brokers, limiting: Redis, bridge: MakeBridge, unique: str
) -> None:
    origin, target, healthy, routes = from_topic_to_stream(unique, brokers.mqtt_url, limiting)
    urls = {"redis_url": limiting.url, "mqtt_url": brokers.mqtt_url}
    toml = configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes.replace("ON_ERROR", "drop"), **urls)
    daemon = bridge(toml)
    daemon.wait_state("running", "healthy")
    messages = tagged(list(STREAMS.values()), target.name, unique)
    await fill_topic(origin, messages)
    assert await wait_found(healthy, len(messages)) == [body for body, _ in messages]
    expected = deliverable(messages, target.name)
    assert await wait_found(target, len(expected)) == expected, "each once, in order"
    wait(lambda: daemon.fates()["dropped"] == len(STREAMS), daemon.tail)
    assert daemon.fates()["delivered"] == len(expected)
    daemon.wait_state("running")
    daemon.wait_state("running", "healthy")
    assert daemon.stop() == 0
    assert await origin.left(GROUP) == 0


@pytest.mark.parametrize("bad", STREAMS.values(), ids=STREAMS)
async def test_a_stream_that_cannot_be_stops_its_route_and_nothing_is_lost(
    brokers: Brokers, limiting: Redis, bridge: MakeBridge, unique: str, bad: Bad
) -> None:
    origin, target, healthy, routes = from_topic_to_stream(unique, brokers.mqtt_url, limiting)
    urls = {"redis_url": limiting.url, "mqtt_url": brokers.mqtt_url}
    toml = configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes, **urls)
    messages = tagged([bad], target.name, unique)
    expected = deliverable(messages, target.name)
    found = await stopped_and_started(bridge, toml, bad.reason, lambda: fill_topic(origin, messages), target, expected)
    assert list(dict.fromkeys(found)) == expected, "PUBACK goes in order: what was behind it comes again"
    assert await wait_found(healthy, len(messages)) == [body for body, _ in messages]
    assert await origin.left(GROUP) == 0


async def test_ends_that_are_none_or_forbidden_fail_their_routes_alone(
    brokers: Brokers, limiting: Redis, guarded: Mosquitto, bridge: MakeBridge, unique: str
) -> None:
    origin, healthy = Stream(limiting.url, f"{unique}-good"), Stream(limiting.url, f"{unique}-healthy")
    mended = {name: Stream(limiting.url, f"{unique}-{name}") for name in ("string", "shut")}

    def route(name: str, source: str, target: str) -> str:
        return f"[routes.{name}]\nfrom.{source}\nto.{target}\n"

    source = f"redis = {origin.source}"
    toml = configuration(
        brokers.amqp_url,
        brokers.kafka_bootstrap,
        LIMITED.format(url=limiting.url)
        + f'[brokers.unknown]\nid = "unknown"\nurl = "{guarded.url}"\nusername = "nobody"\npassword = "sesame"\n'
        + route("healthy", source, f"redis = {{ {healthy.target} }}")
        + route("to-no-stream", source, f"redis = {{ {mended['string'].target} }}")
        + route("to-a-forbidden-one", source, f'redis = {{ broker = "limited", stream = "{unique}-shut" }}')
        + route("from-no-stream", f"redis = {mended['string'].source}", 'redis = { broker = "redis", stream = "a" }')
        + route(
            "from-a-forbidden-one",
            f'redis = {{ broker = "limited", streams = ["{unique}-shut"] }}',
            'redis = { broker = "redis", stream = "a" }',
        )
        + route("from-mqtt", 'mqtt = { broker = "unknown", topics = ["a"] }', f"redis = {{ {healthy.target} }}")
        + route("to-mqtt", source, 'mqtt = { broker = "unknown", topic = "a" }'),
        mqtt_url=guarded.url,
        redis_url=limiting.url,
    )
    await origin.fill(numbered(10))
    daemon = bridge(toml)
    assert await wait_found(healthy, 10) == numbered(10)
    for name in ("to-no-stream", "from-no-stream"):
        reason = daemon.wait_state("failed", name)
        assert "WRONGTYPE" in reason
        assert "the key is no stream: name another one, or delete it" in reason
        assert f"stream {unique}-string" in reason
    for name in ("to-a-forbidden-one", "from-a-forbidden-one"):
        reason = daemon.wait_state("failed", name)
        assert "NOPERM" in reason
        assert "grant the user the stream (ACL SETUSER), or name another one" in reason
        assert f"stream {unique}-shut" in reason
    for name in ("from-mqtt", "to-mqtt"):
        reason = daemon.wait_state("failed", name)
        assert "not authorized to connect (0x87)" in reason
        assert "sesame" not in reason
    before = len(daemon.log.read_text().splitlines())
    await asyncio.sleep(3)  # a time in which a hot loop would show
    assert len(daemon.log.read_text().splitlines()) - before < 20, daemon.tail()
    await origin.fill(numbered(10, first=10))
    assert await wait_found(healthy, 20) == numbered(20), "the neighbours' trouble is theirs"
    daemon.wait_state("running", "healthy")
    assert daemon.stop() in {0, 1}
    async with Streams(limiting.url, unique).client() as client:
        await client.delete(f"{unique}-string")
        await client.execute_command("ACL", "SETUSER", "some", "~*")  # type: ignore[no-untyped-call]
    daemon = bridge(toml)
    for stream in mended.values():
        assert await wait_found(stream, 20) == numbered(20), "what a target did not take stayed at the source"
    assert daemon.stop() in {0, 1}


@pytest.mark.parametrize("more", ["", ", max_in_flight = 1"], ids=["the window", "one by one"])
async def test_a_redis_without_memory_is_waited_for_and_nothing_doubles(
    brokers: Brokers, own_redis: Redis, bridge: MakeBridge, unique: str, more: str
) -> None:
    """It refuses each command by itself, and may take a later one of a block, so that order takes one by one."""
    origin, healthy = Stream(brokers.redis_url, f"{unique}-in"), Stream(brokers.redis_url, f"{unique}-healthy")
    target = Stream(own_redis.url, f"{unique}-out")
    routes = f"""
[brokers.full]
url = "{own_redis.url}"
broker_timeout = "5s"
[routes.updates]
from.redis = {origin.source}
to.redis = {{ broker = "full", stream = "{target.name}"{more} }}
retry = {{ initial = "50ms", max = "200ms" }}
[routes.healthy]
from.redis = {origin.source}
to.redis = {{ {healthy.target} }}
"""
    bodies = [body + "." * 5000 for body in numbered(400)]
    async with Streams(own_redis.url, unique).client() as client:
        used = int((await client.info("memory"))["used_memory"])
        await client.config_set("maxmemory", used + 1_000_000)
        toml = configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes, redis_url=brokers.redis_url)
        daemon = bridge(toml)
        await origin.fill(bodies)
        assert "OOM" in daemon.wait_state("waiting")
        assert await wait_found(healthy, 400) == bodies
        daemon.wait_state("running", "healthy")
        assert 0 < await target.size() < 400
        await client.config_set("maxmemory", 0)
        found = await wait_found(target, 400)
    daemon.wait_state("running")
    assert sorted(found) == bodies, "nothing doubles"
    assert not more or found == bodies, "nothing changes places"
    assert daemon.stop() == 0
    assert await origin.left(GROUP) == 0


async def test_a_redis_that_comes_back_empty_is_read_from_its_beginning_and_told(
    brokers: Brokers, own_redis: Redis, bridge: MakeBridge, unique: str
) -> None:
    origin, target = Stream(own_redis.url, f"{unique}-in"), Stream(brokers.redis_url, f"{unique}-out")
    routes = f"""
[brokers.forgetful]
url = "{own_redis.url}"
broker_timeout = "5s"
[routes.updates]
from.redis = {{ broker = "forgetful", streams = ["{origin.name}"], start = "$" }}
to.redis = {{ {target.target} }}
"""
    daemon = bridge(configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes, redis_url=brokers.redis_url))
    daemon.wait_state("running")
    await origin.fill(numbered(10))
    assert await wait_found(target, 10) == numbered(10)
    own_redis.kill()
    daemon.wait_state("backing_off")
    shutil.rmtree(own_redis.data)
    own_redis.data.mkdir()
    await asyncio.to_thread(own_redis.start)
    await origin.fill(numbered(10, first=10))
    assert await wait_found(target, 20) == numbered(20)
    daemon.wait_state("running")
    assert daemon.metric('fedbridge_source_missed_total{reason="group_lost",route="updates"}') == 1
    assert daemon.stop() == 0
