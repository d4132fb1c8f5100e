"""A Kafka that checks rights, and what it forbids."""

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest

from bridge.cli.demo.kafka import Kafka

_AUTHORIZER = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""
TOPIC, GROUP = 2, 3
"""Resource types of the Kafka protocol."""
_LITERAL, _DENY, _ALL = 3, 2, 2


def check_rights(broker: Kafka) -> None:
    """Restart a broker with an authorizer that permits everything nobody has forbidden; blocks."""
    broker.stop()
    settings = broker.folder / "server.properties"
    settings.write_text(settings.read_text() + _AUTHORIZER)
    broker.start()


async def forbid(broker: Kafka, resource: int, name: str) -> None:
    """Forbid everybody everything about one topic or group."""
    client = AIOKafkaClient(bootstrap_servers=broker.bootstrap)
    await client.bootstrap()
    try:
        request = CreateAclsRequest(resource, name, _LITERAL, "User:ANONYMOUS", "*", _ALL, _DENY)
        response = await client.send(client.get_random_node(), request)
        assert not any(code for code, *_ in response.creation_responses), response
    finally:
        await client.close()
