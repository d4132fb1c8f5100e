"""What operators and brokers get wrong (issue 2): each has its state with a reason, and no route minds another's."""

import asyncio
from collections.abc import Callable

import pika
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.kafka import Kafka
from tests.conftest import MakeTopic
from tests.ends import Queue, Topic, wait_found
from tests.integration.kafka_source import publish as produce
from tests.rights import GROUP, check_rights, forbid
from tests.routes import Bridge, configuration, numbered, wait

MakeBridge = Callable[[str], Bridge]


async def test_each_fault_has_its_state_and_reason_and_no_route_minds_anothers(
    brokers: Brokers, kafka_topic: MakeTopic, bridge: MakeBridge, unique: str
) -> None:
    healthy = Topic(brokers.kafka_bootstrap, await kafka_topic())
    arrived = Queue(brokers.amqp_url, f"{unique}-arrived")
    full = Queue(brokers.amqp_url, f"{unique}-full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    await full.fill(["it is full"])
    with pika.BlockingConnection(pika.URLParameters(brokers.amqp_url)) as owner:
        owner.channel().queue_declare(f"{unique}-locked", exclusive=True)
        source = f"from.kafka = {healthy.source}".replace(" }", ', group = "GROUP" }')

        def route(name: str, table: str) -> str:
            return f"[routes.{name}]\n{source.replace('GROUP', f'{unique}-{name}')}\n{table}\n"

        table = f"""
{route("healthy", f"to.amqp = {{ {arrived.target} }}")}
{route("full", f"to.amqp = {{ {full.target} }}")}
{route("no-exchange", f'to.amqp = {{ exchange = "{unique}-none" }}')}
{route("no-binding", f'to.amqp = {{ exchange = "{arrived.name}", routing_key = "none" }}')}
{route("held", f'to.amqp = {{ exchange = "{arrived.name}", routing_key = "none" }}')}unroutable = "hold"
[routes.locked]
from.amqp = {{ queue = "{unique}-locked" }}
to.kafka = {{ topic = "{healthy.name}-other", create = true }}
[routes.no-topic]
from.kafka = {{ topics = ["{unique}-none"] }}
to.amqp = {{ {arrived.target} }}
"""
        await healthy.fill(numbered(10))
        written = configuration(brokers.amqp_url, brokers.kafka_bootstrap, table)
        daemon = bridge(written.replace('drain_timeout = "20s"', 'drain_timeout = "1s"'))  # some are held to the end
        assert await wait_found(arrived, 10) == numbered(10)
        daemon.wait_state("running", "healthy")
        assert "full" in daemon.wait_state("waiting", "full")
        assert f"exchange {unique}-none" in daemon.wait_state("waiting", "no-exchange")
        assert "unroutable" in daemon.wait_state("failed", "no-binding")
        assert "none" in daemon.wait_state("waiting", "held")
        assert "lock" in daemon.wait_state("failed", "locked")
        assert f"topic {unique}-none" in daemon.wait_state("waiting", "no-topic")
        before = len(daemon.log.read_text().splitlines())
        await asyncio.sleep(3)  # a time in which a hot loop would show
        assert len(daemon.log.read_text().splitlines()) - before < 20, daemon.tail()
        await healthy.fill(numbered(10, first=10))
        assert await wait_found(arrived, 20) == numbered(20), "the neighbours' trouble is theirs"
    daemon.wait_state("running", "healthy")
    assert daemon.stop(40) in {0, 1}


async def test_a_group_without_rights_fails_the_route_with_its_name(
    brokers: Brokers, own_kafka: Kafka, bridge: MakeBridge, unique: str
) -> None:
    await asyncio.to_thread(check_rights, own_kafka)
    await forbid(own_kafka, GROUP, "fedbridge.test.updates")
    arrived = Queue(brokers.amqp_url, unique)
    routes = f"""
[routes.updates]
from.kafka = {{ topics = ["orders"] }}
to.amqp = {{ {arrived.target} }}
"""
    daemon = bridge(configuration(brokers.amqp_url, own_kafka.bootstrap, routes))
    assert "fedbridge.test.updates" in daemon.wait_state("failed")
    wait(lambda: daemon.metric('fedbridge_route_state{route="updates",state="failed"}') == 1, daemon.tail)
    assert daemon.stop() == 0


@pytest.mark.parametrize("on_error", ["drop", "stop"])
@pytest.mark.parametrize("known", [True, False], ids=["as the sink knows", "as only the broker knows"])
async def test_a_record_over_the_brokers_limit_costs_its_neighbours_and_other_routes_nothing(
    brokers: Brokers,
    kafka_topic: MakeTopic,
    kafka_admin: AIOKafkaAdminClient,
    bridge: MakeBridge,
    unique: str,
    known: bool,
    on_error: str,
) -> None:
    limit = {"max.message.bytes": "10000"}
    origin = Topic(brokers.kafka_bootstrap, await kafka_topic())
    target = Topic(brokers.kafka_bootstrap, await kafka_topic(config=limit if known else {}))
    healthy = Queue(brokers.amqp_url, unique)
    source = f"from.kafka = {origin.source}".replace(" }", ', group = "GROUP" }')
    table = f"""
[routes.updates]
{source.replace("GROUP", unique)}
to.kafka = {{ {target.target} }}
on_error = "{on_error}"
[routes.healthy]
{source.replace("GROUP", f"{unique}-healthy")}
to.amqp = {{ {healthy.target} }}
"""
    daemon = bridge(configuration(brokers.amqp_url, brokers.kafka_bootstrap, table))
    await origin.fill(numbered(10))
    await wait_found(target, 10)
    if not known:  # a sink asks for the limit once
        await kafka_admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, target.name, limit)])
    large = "x" * 20_000
    bodies = [body.encode() for body in (*numbered(10, first=10), large, *numbered(10, first=20))]
    await produce(brokers.kafka_bootstrap, origin.name, bodies, linger_ms=100, max_batch_size=1 << 20)
    assert await wait_found(healthy, 31) == [*numbered(20), large, *numbered(10, first=20)]
    if on_error == "drop":
        assert await wait_found(target, 30) == numbered(30)
        wait(lambda: daemon.fates()["dropped"] == 1, daemon.tail)
        daemon.wait_state("running")
    else:
        reason = daemon.wait_state("failed")
        assert "too_large" in reason
        assert target.name in reason
    daemon.wait_state("running", "healthy")
    assert daemon.stop() == 0
    found = await target.found()
    assert found == numbered(len(found)), "none is left out, none comes twice"
    assert len(found) >= 20, "what came before it went through"
    assert await origin.left(unique) == (0 if on_error == "drop" else 11), "it stays, with what is behind it"
