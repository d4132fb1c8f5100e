"""Whole routes with a filter and rules on real brokers: what arrives, what is left out, what becomes of the rest."""

import asyncio
from typing import Any

import pika
import redis.asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from bridge.cli.demo.brokers import Brokers
from tests.ends import Queue, Stream, Topic
from tests.legs import Ends, MakeBridge, route
from tests.routes import PATIENCE, everywhere, numbered, queued, wait

RULES = """
on_error = "drop"
filter = "properties.type == 'order.created' && headers['region'] in ['eu', 'uk']"
map.rename = { "header.old-*" = "header.new-*", "header.id" = "message_id", app_id = "header.app" }
map.remove = ["reply_to", "header.x-internal-*"]
map.default = { priority = 3, content_type = "text/plain", "header.trace" = "none" }
map.set = { key = "{message_id}", "header.region" = "{header.region}!", "header.from" = "{address}", "header.n" = 7 }
"""


def given(number: int) -> pika.BasicProperties:
    """Every fourth of a region that is not wanted, every tenth without a region, every seventh without an id."""
    headers: dict[str, Any] = {"number": number, "old-a": "a", "x-internal-a": "secret", "traceparent": "00-1-2-03"}
    if number % 10:
        headers["region"] = "us" if number % 4 == 0 else "eu"
    if number % 7:
        headers["id"] = number
    return pika.BasicProperties(
        delivery_mode=2, type="order.created", app_id="shop", reply_to="replies", headers=headers
    )


async def all_of(bootstrap: str, topic: str, count: int) -> list[ConsumerRecord]:
    """The first `count` records of a topic, and no more than those."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found: list[ConsumerRecord] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            found += batch
        return found
    finally:
        await consumer.stop()


async def test_messages_are_filtered_changed_and_refused_one_by_one(
    brokers: Brokers, ends: Ends, bridge: MakeBridge
) -> None:
    queue, topic = await ends.make("amqp", "in"), await ends.make("kafka", "out")
    assert isinstance(queue, Queue)
    assert isinstance(topic, Topic)

    def publish() -> None:
        with pika.BlockingConnection(pika.URLParameters(queue.url)) as connection:
            channel = connection.channel()
            for number in range(1000):
                channel.basic_publish("", queue.name, b"%d" % number, given(number))

    await asyncio.to_thread(publish)
    daemon = bridge(everywhere(brokers, route(queue, ("kafka", "out", topic.target), more=RULES)))
    regional = [number for number in range(1000) if number % 10]
    wanted = [number for number in regional if number % 4]
    mapped = [number for number in wanted if number % 7]
    found = await all_of(topic.bootstrap, topic.name, len(mapped))
    assert [int(record.value) for record in found] == mapped, "in order, each once"
    for record, number in zip(found, mapped, strict=True):
        assert record.key == b"%d" % number
        headers = [(name, value) for name, value in record.headers if not name.startswith("fedbridge-")]
        assert headers == [
            ("amqp-delivery-mode", b"2"),
            ("amqp-type", b"order.created"),
            ("amqp-message-id", b"%d" % number),
            ("amqp-priority", b"3"),
            ("content-type", b"text/plain"),
            ("amqp-exchange", b""),
            ("amqp-routing-key", queue.name.encode()),
            ("number", b"%d" % number),
            ("new-a", b"a"),
            ("traceparent", b"00-1-2-03"),
            ("app", b"shop"),
            ("trace", b"none"),
            ("region", b"eu!"),
            ("from", queue.name.encode()),
            ("n", b"7"),
        ]
    fates = {
        "received": 1000, "delivered": len(mapped), "filtered": len(regional) - len(wanted),
        "dropped": 1000 - len(regional) + len(wanted) - len(mapped), "dead": 0, "returned": 0,
    }  # fmt: skip
    wait(lambda: daemon.fates() == fates, lambda: f"{fates}, not {daemon.fates()}\n{daemon.tail()}")
    assert daemon.stop() == 0
    assert queued(queue.url, queue.name) == 0, "what was filtered is settled as well"


async def test_what_kafka_brought_is_changed_even_where_it_would_pass_unread(
    brokers: Brokers, ends: Ends, bridge: MakeBridge
) -> None:
    topic, stream, other = (
        await ends.make("kafka", "in"),
        await ends.make("redis", "out"),
        await ends.make("kafka", "out"),
    )
    assert isinstance(stream, Stream)
    assert isinstance(other, Topic)
    routes = route(topic, ("redis", "out", stream.target), more='map.set = { key = "{header.tenant}" }\n')
    routes += route(
        topic, ("kafka", "out", other.target), more='map.rename = { "header.tenant" = "header.t" }'
    ).replace("updates", "others")
    daemon = bridge(everywhere(brokers, routes))
    daemon.wait_state("running")
    daemon.wait_state("running", "others")
    await topic.fill(numbered(50))
    records = await all_of(other.bootstrap, other.name, 50)
    for record, body in zip(records, numbered(50), strict=True):
        assert (record.value, record.key) == (body.encode(), body.encode())
        own = [header for header in record.headers if not header[0].startswith(("fedbridge-", "amqp-timestamp"))]
        assert own == [("t", b"acme")]
    wait(lambda: daemon.fates()["delivered"] == 50, lambda: f"50, not {daemon.fates()}\n{daemon.tail()}")
    async with redis.asyncio.from_url(stream.url, decode_responses=True) as client:
        entries: list[Any] = [fields for _, fields in await client.xrange(stream.name) or ()]
    assert [(fields["body"], fields["key"], fields["h:tenant"]) for fields in entries] == [
        (body, "acme", "acme") for body in numbered(50)
    ]


async def test_a_message_that_the_filter_fails_for_stops_the_route_and_stays(
    brokers: Brokers, ends: Ends, bridge: MakeBridge
) -> None:
    queue, topic = await ends.make("amqp", "in"), await ends.make("kafka", "out")
    assert isinstance(queue, Queue)
    await queue.fill(numbered(3))
    more = """on_error = "stop"\nfilter = "headers.region == 'eu'"\n"""
    daemon = bridge(everywhere(brokers, route(queue, ("kafka", "out", topic.target), more=more)))
    reason = daemon.wait_state("failed")
    assert "before any sink: bad_filter: the filter failed: there is no 'region' (message_id 000000" in reason
    assert daemon.stop() == 0
    assert queued(queue.url, queue.name) == 3
