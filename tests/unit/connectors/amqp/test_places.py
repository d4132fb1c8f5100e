"""The places of AMQP: what a source notes, and what a target is judged by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.paths import Guard, Trail
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from connectors.amqp.places import judge_of, locator

NAMES = st.text("a/%", max_size=2)
QUEUE = AmqpSourceSettings.model_validate({"queue": "q"})


def target(**more: str) -> AmqpSinkSettings:
    return AmqpSinkSettings.model_validate({"exchange": "events", "routing_key": "k", **more})


def passes(settings: AmqpSinkSettings, came: tuple[str, str], goes: tuple[str, str]) -> bool:
    """Whether what was read from a queue alone may go to another exchange with another key."""
    path = locator(QUEUE, Trail("amqp:r"))(*came, None)
    return judge_of(settings, Guard("amqp:r", 8))(path, *goes) is None


@given(st.tuples(NAMES, NAMES), st.tuples(NAMES, NAMES))
def test_places_are_one_only_where_exchange_and_key_are(came: tuple[str, str], goes: tuple[str, str]) -> None:
    assert passes(target(), came, goes) == (came != goes)


def test_an_exchange_may_have_in_its_name_what_separates_it_from_the_key() -> None:
    assert passes(target(), ("a", "b/c"), ("a/b", "c"))
    assert passes(target(), ("a%2Fb", "c"), ("a/b", "c"))
    assert not passes(target(), ("a/b", "c"), ("a/b", "c"))


def test_an_exchange_without_keys_keeps_its_name_apart_too() -> None:
    fanout = AmqpSourceSettings.model_validate({"exchange": "a/b", "exchange_type": "fanout"})
    path = locator(fanout, Trail("amqp:r"))("a/b", "k", None)
    assert path == '["amqp:r/a%2Fb"]'
    judge = judge_of(target(), Guard("amqp:r", 8))
    assert judge(path, "a", "b") is None
    assert judge(path, "a/b", "other") is not None


@pytest.mark.parametrize("exchange_type", ["fanout", "headers"])
def test_a_target_without_keys_knows_the_exchange_of_a_source_that_cannot_state_its_type(exchange_type: str) -> None:
    keyless = target(exchange_type=exchange_type)
    assert not passes(keyless, ("events", "k"), ("events", "other"))
    assert not passes(keyless, ("events", ""), ("events", ""))
    assert passes(keyless, ("events2", "k"), ("events", "k"))
    assert passes(keyless, ("", "events"), ("events", ""))
    assert passes(keyless, ("events/k", "k"), ("events", "k"))
