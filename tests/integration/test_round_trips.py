"""From RabbitMQ through each system and back, on real brokers: generated messages, with everything in them."""

import math
from urllib.parse import unquote, urlsplit

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given

from bridge.cli.demo.brokers import Brokers
from bridge.message import Header, Message, Properties
from tests.integration.round_trips import carried
from tests.legs import Ends
from tests.unit.connectors.genera import messages

COUNT = 120


def generated(login: str) -> list[Message]:
    """The same messages in every run; none of them expires, and none is another user's."""
    found: list[Message] = []

    @hypothesis.settings(
        max_examples=COUNT,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(messages)
    def collect(message: Message) -> None:
        found.append(message._replace(uid=f"uid-{len(found)}", properties=_lasting(message.properties, login)))

    collect()
    assert len(found) >= 50
    return found


def _lasting(properties: Properties, login: str) -> Properties:
    kept = properties.copy()
    if "expiration" in kept:
        kept["expiration"] = str(3_600_000 + int(kept["expiration"]) % 1000)
    if "user_id" in kept:
        kept["user_id"] = login
    return kept


def crossed(message: Message, *, counts_down: bool) -> str:
    """All that crosses, by its text; an expiration that the broker counts down is there or not."""
    properties = dict(message.properties)
    if counts_down and "expiration" in properties:
        assert 3_500_000 < int(str(properties["expiration"])) <= 3_601_000
        properties["expiration"] = ""
    return repr((message.uid, message.body, message.key, sorted(properties.items()), tuple(message.headers)))


@pytest.mark.parametrize("other", ["amqp", "kafka", "mqtt", "redis"])
async def test_what_leaves_rabbitmq_comes_home_as_it_was(brokers: Brokers, ends: Ends, other: str) -> None:
    first, through, last = await ends.make("amqp", "a"), await ends.make(other, "x"), await ends.make("amqp", "b")
    login = unquote(urlsplit(brokers.amqp_url).username or "guest")
    left = await carried(brokers, first, generated(login))
    elsewhere = await carried(brokers, through, left)
    home = await carried(brokers, last, elsewhere)
    counts_down = other == "mqtt"
    assert [crossed(message, counts_down=counts_down) for message in home] == [
        crossed(message, counts_down=counts_down) for message in left
    ]


async def test_numbers_that_are_not_finite_do_not_end_a_connection(brokers: Brokers, ends: Ends) -> None:
    numbers = [math.nan, math.inf, -math.inf]
    headers: list[Header] = [(str(number), "f64", number) for number in numbers]
    message = Message(b"", "uid", headers=[*headers, ("a", "array", tuple(("f32", number) for number in numbers))])
    (found,) = await carried(brokers, await ends.make("amqp", "a"), [message])
    assert found.headers == (
        *((str(number), "string", str(number)) for number in numbers),
        ("a", "array", tuple(("string", str(number)) for number in numbers)),
    )
