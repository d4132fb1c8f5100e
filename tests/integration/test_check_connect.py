"""`fedbridge check --connect` on real brokers: what is missing, how to make it, and that looking changes nothing."""

import re
from pathlib import Path

from bridge.cli import Exit
from bridge.cli.connect import Surveyed
from bridge.cli.demo.brokers import Brokers
from bridge.findings import Finding
from tests.conftest import MakeTopic
from tests.integration.looking import NOBODY, look, remedies, told
from tests.routes import configuration


async def test_what_is_missing_is_said_with_how_to_make_it(
    brokers: Brokers, kafka_topic: MakeTopic, unique: str, tmp_path: Path
) -> None:
    topic = await kafka_topic()
    routes = f"""
[routes.a]
from.amqp = {{ exchange = "{unique}", exchange_type = "fanout" }}
to.kafka = {{ topic = "{unique}-none" }}
[routes.b]
from.amqp = {{ queue = "{unique}-q" }}
to.kafka = [{{ name = "a", topic = "{unique}-made", create = true }}, {{ name = "b", topic = "x-{{message_id}}" }}]
[routes.c]
from.kafka = {{ topics = ["{topic}", "{unique}-none"] }}
to.amqp = [{{ name = "a", exchange = "{unique}-made", exchange_type = "topic", exchange_durable = true }},
           {{ name = "b", exchange = "amq.topic", exchange_type = "direct" }},
           {{ name = "c", exchange = "", routing_key = "{unique}-q" }},
           {{ name = "d", exchange = "{{header.x}}" }}]
[routes.d]
from.kafka = {{ pattern = "{unique}-nothing-.*" }}
to.amqp = {{ exchange = "amq.fanout" }}
[routes.e]
from.kafka = {{ topics = ["{unique}-made"] }}
to.amqp = [{{ name = "a", exchange = "{unique}-made" }},
           {{ name = "b", exchange = "", routing_key = "fedbridge.test.a" }}]
[routes.off]
enabled = false
from.amqp = {{ queue = "{unique}-off" }}
to.kafka = {{ topic = "{unique}-off" }}
"""
    found = await look(tmp_path, configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes))
    assert (found.exit, found.away) == (Exit.NEGATIVE, {})
    assert told(found, "a.from.amqp") == [
        ("missing", f"there is no exchange {unique}: the route will wait for whoever declares it"),
        ("created", "queue fedbridge.test.a is not there yet and will be created"),
    ]
    assert remedies(found, "a.from.amqp") == [
        f"$ rabbitmqadmin --vhost=/ declare exchange name={unique} type=fanout durable=true",
        "or let the route make it: routes.a.from.amqp.exchange_durable = true",
    ]
    assert told(found, "a.to.kafka") == [("missing", f"there is no topic {unique}-none")]
    assert remedies(found, "a.to.kafka") == [
        f"$ kafka-topics.sh --bootstrap-server {brokers.kafka_bootstrap} --create --topic {unique}-none",
        "or let the route make it: routes.a.to.kafka.create = true",
    ]
    assert told(found, "b.from.amqp") == [("missing", f"there is no queue {unique}-q")]
    assert remedies(found, "b.from.amqp")[1] == "or let the route make it: routes.b.from.amqp.declare = true"
    assert told(found, "b.to.kafka[0]") == [("created", f"topic {unique}-made is not there yet and will be created")]
    assert told(found, "b.to.kafka[1]") == [("unknown", "topic x-{message_id}: which one depends on the message")]
    assert told(found, "c.from.kafka") == [
        ("ok", f"topic {topic} is there"),
        ("missing", f"there is no topic {unique}-none: the route will wait for it"),
        ("ok", "group fedbridge.test.c may be joined"),
    ]
    assert [verdict for verdict, _ in told(found, "c.to.amqp[0]")] == ["created"]
    assert told(found, "c.to.amqp[1]") == [("conflict", "amq.topic is a topic exchange, and the route says direct")]
    assert remedies(found, "c.to.amqp[1]") == ['write routes.c.to.amqp[1].exchange_type = "topic"']
    assert [verdict for verdict, _ in told(found, "c.to.amqp[2]")] == ["missing"]
    assert told(found, "c.to.amqp[3]") == [("unknown", "exchange {header.x}: which one depends on the message")]
    assert [verdict for verdict, _ in told(found, "d.from.kafka")] == ["missing", "ok"]
    assert told(found, "d.to.amqp") == [("ok", "exchange amq.fanout is there")]
    later = "is not there yet and will be created by route"
    assert told(found, "e.from.kafka")[0] == ("created", f"topic {unique}-made {later} b")
    assert told(found, "e.to.amqp[0]") == [("created", f"exchange {unique}-made {later} c")]
    assert told(found, "e.to.amqp[1]") == [("created", f"queue fedbridge.test.a {later} a")]
    assert not any(key.startswith("routes.off") for key in found.findings)
    again = await look(tmp_path, configuration(brokers.amqp_url, brokers.kafka_bootstrap, routes))
    assert again == found, "looking makes nothing"


async def test_a_broker_that_is_away_hides_nothing_of_the_others(
    brokers: Brokers, kafka_topic: MakeTopic, tmp_path: Path
) -> None:
    topic = await kafka_topic()
    table = f"""
[routes.a]
from.kafka = {{ topics = ["{topic}"] }}
to.amqp = {{ exchange = "amq.fanout" }}
"""
    found = await look(tmp_path, configuration(f"amqp://{NOBODY}", brokers.kafka_bootstrap, table))
    assert found.exit == Exit.UNREACHABLE
    assert list(found.away) == ["rabbit"]
    assert [verdict for verdict, _ in told(found, "a.from.kafka")] == ["ok", "ok"]
    lines = list(found.lines("a"))
    assert lines[0] == "  at kafka, for from.kafka:"
    assert lines[-2] == "  at rabbit, for to.amqp:"
    assert re.fullmatch(rf"    away       amqp://{NOBODY}/: Connect call failed.*", lines[-1])
    found = await look(tmp_path, configuration(brokers.amqp_url, NOBODY, table))
    assert (found.exit, list(found.away)) == (Exit.UNREACHABLE, ["kafka"])
    assert told(found, "a.to.amqp") == [("ok", "exchange amq.fanout is there")]


async def test_a_login_that_is_refused_and_a_virtual_host_that_is_missing(brokers: Brokers, tmp_path: Path) -> None:
    table = '[routes.a]\nfrom.amqp = { queue = "q" }\nto.amqp = { exchange = "amq.fanout" }\n'
    wrong = brokers.amqp_url.replace("guest:guest", "guest:wrong")
    for url, verdict in ((wrong, "forbidden"), (f"{brokers.amqp_url}nowhere", "missing")):
        found = await look(tmp_path, configuration(url, NOBODY, table))
        assert found.exit == Exit.NEGATIVE
        assert [told(found, key)[0][0] for key in ("a.from.amqp", "a.to.amqp")] == [verdict, verdict]


def test_the_findings_as_lines() -> None:
    fault = Finding("missing", "there is no queue q", ("$ make it", "or not"))
    found = Surveyed({"routes.a.from.amqp": "rabbit"}, {"routes.a.from.amqp": [fault]}, {})
    assert list(found.lines("a")) == [
        "  at rabbit, for from.amqp:",
        "    missing    there is no queue q",
        "                 $ make it",
        "                 or not",
    ]
    assert list(found.lines("b")) == []
