"""Which rights the routes of a configuration need at a RabbitMQ."""

import re
import shlex
from typing import Any

import pytest

from bridge.findings import End
from bridge.ports import Place
from config.settings import FromTable, ToTable
from connectors.amqp.rights import Rights, granting, literal, needed, queue_name

PLACE = Place("b", "node.1", "r", 1, 1)


def source(**table: Any) -> End:
    return End("routes.r.from.amqp", PLACE, FromTable.model_validate({"amqp": table}).settings)


def sink(**table: Any) -> End:
    return End("routes.r.to.amqp", PLACE, ToTable.model_validate({"amqp": table}).settings[0])


KAFKA = End("routes.r.to.kafka", PLACE, ToTable.model_validate({"kafka": {"topic": "t"}}).settings[0])


@pytest.mark.parametrize(
    ("end", "rights"),
    [
        (source(queue="q"), Rights((), (), ("q",))),
        (source(queue="q", declare=True), Rights(("q",), (), ("q",))),
        (
            source(exchange="e", exchange_type="fanout", queue="q", declare=False),
            Rights((), ("q",), ("q", "e")),
        ),
        (
            source(exchange="e", exchange_type="fanout", exchange_durable=False),
            Rights((r"fedbridge\.b\.r", "e"), (r"fedbridge\.b\.r",), (r"fedbridge\.b\.r", "e")),
        ),
        (
            source(exchange="e", exchange_type="fanout", exclusive=True),
            Rights((r"fedbridge\.b\.r\.node\.1-.*",), (r"fedbridge\.b\.r\.node\.1-.*",),
                   (r"fedbridge\.b\.r\.node\.1-.*", "e")),
        ),
        (sink(exchange=""), Rights((), (r"amq\.default",), ())),
        (sink(exchange="e", exchange_type="topic", exchange_durable=True), Rights(("e",), ("e",), ())),
        (sink(exchange="to-{header.x}.{{"), Rights((), (r"to-.*\.\{",), ())),
        (KAFKA, Rights((), (), ())),
    ],
)  # fmt: skip
def test_what_an_end_needs(end: End, rights: Rights) -> None:
    assert needed([end]) == rights


def test_all_ends_have_one_command() -> None:
    rights = needed([source(queue="q"), source(queue="a b"), sink(exchange="e"), sink(exchange="e"), KAFKA])
    command = granting(rights, "/", "me")
    assert shlex.split(command) == ["$", "rabbitmqctl", "set_permissions", "-p", "/", "me", "^$", "^(e)$", "^(q|a b)$"]


def test_the_name_of_a_queue_is_matched_by_its_pattern() -> None:
    for end in (source(queue="a.b*c"), source(exchange="e", exchange_type="fanout", exclusive=True)):
        assert re.fullmatch(needed([end]).read[0], queue_name(end))
    assert not re.fullmatch(literal("a.b"), "aXb")
