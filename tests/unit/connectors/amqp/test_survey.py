"""The commands that `fedbridge check --connect` prints for RabbitMQ."""

import pytest

from config import BrokerSettings
from connectors.amqp.survey import administering


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://localhost", "--vhost=/"),
        ("amqp://127.0.0.1:5673/", "--vhost=/"),
        ("amqp://[::1]/my%20shop", "'--vhost=my shop'"),
        ("amqp://me:SECRET@rabbit-1.example:5672/shop", "--host=rabbit-1.example --vhost=shop"),
        (["amqp://10.0.0.5", "amqp://10.0.0.6"], "--host=10.0.0.5 --vhost=/"),
    ],
)
def test_a_broker_that_is_elsewhere_is_named(url: object, words: str) -> None:
    broker = BrokerSettings.model_validate({"url": url})
    assert administering(broker, "declare", "queue", "name=q") == f"$ rabbitmqadmin {words} declare queue name=q"
