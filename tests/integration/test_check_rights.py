"""Rights that `fedbridge check --connect` finds missing on brokers that check them, and that looking does nothing."""

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pika
import pytest
from aiokafka.client import AIOKafkaClient
from pika.adapters.blocking_connection import BlockingChannel

from bridge.cli import Exit
from bridge.cli.demo.install import Files
from bridge.cli.demo.kafka import Kafka
from bridge.cli.demo.rabbitmq import RabbitMQ
from tests.integration.looking import NOBODY, look, remedies, told
from tests.rights import GROUP, TOPIC, check_rights, forbid
from tests.routes import configuration


class Host(NamedTuple):
    """A virtual host with an all-powerful channel, and its URL for the user `bridge`, who may do nothing at first."""

    broker: RabbitMQ
    name: str
    channel: BlockingChannel
    url: str

    def permit(self, configure: str, write: str, read: str) -> None:
        self.broker.ctl("set_permissions", "-p", self.name, "bridge", configure, write, read)

    def run(self, remedy: str) -> None:
        """Do what a remedy says: a rabbitmqctl command."""
        dollar, program, *arguments = shlex.split(remedy)
        assert (dollar, program) == ("$", "rabbitmqctl")
        self.broker.ctl(*arguments)

    def things(self) -> list[str]:
        """Everything that looking must not change."""
        return [
            self.broker.ctl("-q", "list_queues", "-p", self.name, "name", "messages", "consumers"),
            self.broker.ctl("-q", "list_exchanges", "-p", self.name, "name", "type"),
            self.broker.ctl("-q", "list_bindings", "-p", self.name, "source_name", "destination_name", "routing_key"),
        ]


@pytest.fixture(scope="module")
def guarded(broker_files: Files) -> Iterator[RabbitMQ]:
    """A RabbitMQ with the user `bridge`: rights are not a matter of the shared one."""
    with tempfile.TemporaryDirectory(prefix="fedbridge-rabbitmq-", ignore_cleanup_errors=True) as folder:
        broker = RabbitMQ(broker_files.rabbit, Path(folder))
        with contextlib.closing(broker):
            broker.start()
            broker.ctl("add_user", "bridge", "secret")
            yield broker


@pytest.fixture
def host(guarded: RabbitMQ, unique: str) -> Iterator[Host]:
    guarded.ctl("add_vhost", unique)
    guarded.ctl("set_permissions", "-p", unique, "guest", ".*", ".*", ".*")
    with pika.BlockingConnection(pika.URLParameters(guarded.url + unique)) as connection:
        url = guarded.url.replace("guest:guest", "bridge:secret") + unique
        host = Host(guarded, unique, connection.channel(), url)
        host.permit("", "", "")
        yield host


SOURCE = 'from.amqp = { exchange = "news", exchange_type = "topic", exchange_durable = true, binding_keys = ["k"] }'
RIGHTS = f"""
[routes.a]
{SOURCE}
to.amqp = {{ exchange = "out", routing_key = "k" }}
"""


async def test_every_right_that_is_missing_at_rabbitmq_and_one_command_for_all(host: Host, tmp_path: Path) -> None:
    host.channel.exchange_declare("out", "topic")
    toml = configuration(host.url, NOBODY, RIGHTS)
    found = await look(tmp_path, toml)
    assert [verdict for verdict, _ in told(found, "a.from.amqp")] == ["forbidden"] * 4
    texts = " ".join(text for _, text in told(found, "a.from.amqp"))
    for doing in ("create exchange news", "create queue fedbridge.test.a", "read queue", "bind queue fedbridge.test.a"):
        assert f"user bridge may not {doing}" in texts
    assert [verdict for verdict, _ in told(found, "a.to.amqp")] == ["ok", "forbidden"]
    (command,) = {remedy for remedy in remedies(found, "a.to.amqp") if remedy.startswith("$ ")}
    before = host.things()
    host.run(command)
    found = await look(tmp_path, toml)
    assert [verdict for verdict, _ in told(found, "a.from.amqp")] == ["created", "created"]
    assert told(found, "a.to.amqp") == [("ok", "exchange out is there")]
    assert found.exit == Exit.OK
    assert host.things() == before, "looking makes nothing"


async def test_each_right_is_looked_up_for_itself(host: Host, tmp_path: Path) -> None:
    host.channel.exchange_declare("out", "topic")
    host.channel.exchange_declare("news", "topic", durable=True)
    host.channel.queue_declare("fedbridge.test.a", durable=True)
    host.channel.queue_bind("fedbridge.test.a", "news", "k")
    host.channel.basic_publish("", "fedbridge.test.a", b"stays")
    host.channel.queue_declare("seen")
    host.channel.queue_bind("seen", "out", "k")
    toml = configuration(host.url, NOBODY, RIGHTS)
    before = host.things()
    for permissions, lacking in (
        (("", "^(out|fedbridge.test.a)$", "^fedbridge.test.a$"), {"bind"}),
        (("", "^out$", ".*"), {"bind"}),
        (("", "^(out|fedbridge.test.a)$", "^news$"), {"read"}),
        (("", "^fedbridge.test.a$", ".*"), {"publish"}),
        (("", "^(out|fedbridge.test.a)$", ".*"), set()),
    ):
        host.permit(*permissions)
        found = await look(tmp_path, toml)
        faults = [*told(found, "a.from.amqp"), *told(found, "a.to.amqp")]
        assert {text.split()[4] for verdict, text in faults if verdict == "forbidden"} == lacking, permissions
    host.broker.ctl("set_topic_permissions", "-p", host.name, "bridge", "out", "^other$", ".*")
    found = await look(tmp_path, toml)
    assert told(found, "a.to.amqp")[1][0] == "forbidden"
    host.run(remedies(found, "a.to.amqp")[0])
    assert told(await look(tmp_path, toml), "a.to.amqp") == [("ok", "exchange out is there")]
    host.broker.ctl("set_topic_permissions", "-p", host.name, "bridge", "out", "^k$", "^$")
    host.broker.ctl("set_user_tags", "bridge", "impersonator")
    assert (await look(tmp_path, toml)).exit == Exit.OK
    host.broker.ctl("set_user_tags", "bridge")
    assert host.things() == before, "nothing was consumed, bound, unbound or published"


async def test_a_temporary_queue_needs_rights_to_its_names(host: Host, tmp_path: Path) -> None:
    host.channel.queue_declare("taken")
    source = 'exchange = "amq.topic", exchange_type = "topic", exclusive = true'
    table = f"""
[routes.a]
from.amqp = {{ {source} }}
to.amqp = {{ exchange = "", routing_key = "taken" }}
[routes.b]
from.amqp = {{ {source}, queue = "taken" }}
to.amqp = {{ exchange = "amq.fanout", exchange_type = "fanout" }}
"""
    toml = configuration(host.url, NOBODY, table)
    found = await look(tmp_path, toml)
    assert [verdict for verdict, _ in told(found, "a.from.amqp")] == ["ok", "forbidden", "forbidden", "forbidden"]
    assert told(found, "b.from.amqp")[1] == ("conflict", "queue taken is there and not exclusive")
    (command,) = {remedy for remedy in remedies(found, "a.from.amqp") if remedy.startswith("$ ")}
    host.run(command)
    found = await look(tmp_path, toml)
    assert told(found, "a.from.amqp")[1:] == [("created", "a temporary queue will be created")]
    assert told(found, "a.to.amqp") == [("ok", "queue taken is there")]
    assert [verdict for verdict, _ in told(found, "b.to.amqp")] == ["ok"]


async def test_what_belongs_to_somebody_else(host: Host, tmp_path: Path) -> None:
    host.permit(".*", ".*", ".*")
    host.channel.queue_declare("theirs", exclusive=True)
    host.channel.exchange_declare("inside", "fanout", internal=True)
    host.channel.queue_declare("flow", durable=True, arguments={"x-queue-type": "stream"})
    table = """
[routes.a]
from.amqp = { queue = "theirs" }
to.amqp = { exchange = "inside" }
[routes.b]
from.amqp = { queue = "flow" }
to.amqp = { exchange = "amq.fanout" }
"""
    found = await look(tmp_path, configuration(host.url, NOBODY, table))
    assert [verdict for verdict, _ in told(found, "a.from.amqp")] == ["conflict"]
    assert told(found, "b.from.amqp")[1] == ("conflict", "flow is a stream, which has no acknowledgements")
    assert told(found, "a.to.amqp")[1] == ("conflict", "exchange inside is internal: nobody may publish to it")


async def test_every_right_that_is_missing_at_kafka(own_kafka: Kafka, tmp_path: Path) -> None:
    await asyncio.to_thread(check_rights, own_kafka)
    for resource, name in ((TOPIC, "closed"), (TOPIC, "shut"), (GROUP, "fedbridge.test.a")):
        await forbid(own_kafka, resource, name)
    table = """
[routes.a]
from.kafka = { topics = ["closed"] }
to.kafka = { topic = "shut", create = true }
[routes.b]
from.kafka = { topics = ["__not-there"] }
to.kafka = { topic = "open", create = true }
"""
    found = await look(tmp_path, configuration(f"amqp://{NOBODY}", own_kafka.bootstrap, table))
    assert told(found, "a.from.kafka") == [
        ("forbidden", "User:ANONYMOUS may not read topic closed (nor see whether it is there)"),
        ("forbidden", "User:ANONYMOUS may not read as group fedbridge.test.a"),
    ]
    server = f"kafka-acls.sh --bootstrap-server {own_kafka.bootstrap}"
    assert remedies(found, "a.from.kafka") == [
        f"$ {server} --add --allow-principal User:ANONYMOUS --operation Read --operation Describe --topic closed",
        f"and remove what denies it, if {server} --list --topic closed shows such",
        f"$ {server} --add --allow-principal User:ANONYMOUS --operation Read --group fedbridge.test.a",
        f"and remove what denies it, if {server} --list --group fedbridge.test.a shows such",
    ]
    assert told(found, "a.to.kafka") == [
        ("forbidden", "User:ANONYMOUS may not write to topic shut (nor see whether it is there)")
    ]
    assert [verdict for verdict, _ in told(found, "b.from.kafka")] == ["missing", "ok"]
    assert told(found, "b.to.kafka") == [("created", "topic open is not there yet and will be created")]
    client = AIOKafkaClient(bootstrap_servers=own_kafka.bootstrap)
    await client.bootstrap()
    try:
        assert client.cluster.topics(exclude_internal_topics=False) == set(), "looking makes no topic"
    finally:
        await client.close()
