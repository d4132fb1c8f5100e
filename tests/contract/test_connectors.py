"""Every connector against every check of the contract; what one cannot do is declared in its kit, with the reason."""

import pytest

from tests.contract import sink_checks, source_checks
from tests.contract.amqp_kits import AmqpSinkKit, AmqpSourceKit
from tests.contract.kafka_kits import KafkaSinkKit, KafkaSourceKit
from tests.contract.kits import SinkCheck, SinkKit, SourceCheck, SourceKit
from tests.contract.memory_kits import MemorySinkKit, MemorySourceKit
from tests.contract.mqtt_kits import MqttSinkKit, MqttSourceKit
from tests.contract.redis_kits import RedisSinkKit, RedisSourceKit


@pytest.fixture(params=["memory", "amqp", "kafka", "mqtt", "redis"])
async def source_kit(request: pytest.FixtureRequest) -> SourceKit:
    if request.param == "memory":
        return MemorySourceKit()
    if request.param == "amqp":
        return AmqpSourceKit(request.getfixturevalue("stoppable_rabbitmq"))
    if request.param == "redis":
        return RedisSourceKit(request.getfixturevalue("stoppable_redis"))
    kit: KafkaSourceKit | MqttSourceKit
    if request.param == "mqtt":
        kit = MqttSourceKit(request.getfixturevalue("stoppable_mosquitto"))
    else:
        kit = KafkaSourceKit(request.getfixturevalue("stoppable_kafka"))
    await kit.prepare()
    return kit


@pytest.fixture(params=["memory", "amqp", "kafka", "mqtt", "redis"])
async def sink_kit(request: pytest.FixtureRequest) -> SinkKit:
    kit: AmqpSinkKit | KafkaSinkKit | MqttSinkKit | RedisSinkKit
    if request.param == "memory":
        return MemorySinkKit()
    if request.param == "amqp":
        kit = AmqpSinkKit(request.getfixturevalue("stoppable_rabbitmq"))
    elif request.param == "mqtt":
        kit = MqttSinkKit(request.getfixturevalue("stoppable_mosquitto"))
    elif request.param == "redis":
        kit = RedisSinkKit(request.getfixturevalue("stoppable_redis"))
    else:
        kit = KafkaSinkKit(request.getfixturevalue("stoppable_kafka"))
    await kit.prepare()
    return kit


@pytest.mark.parametrize("check", source_checks.CHECKS, ids=lambda check: check.__name__)
async def test_source(source_kit: SourceKit, check: SourceCheck) -> None:
    if reason := source_kit.cannot.get(check.__name__):
        pytest.xfail(reason)
    await check(source_kit)


@pytest.mark.parametrize("check", sink_checks.CHECKS, ids=lambda check: check.__name__)
async def test_sink(sink_kit: SinkKit, check: SinkCheck) -> None:
    if reason := sink_kit.cannot.get(check.__name__):
        pytest.xfail(reason)
    await check(sink_kit)
