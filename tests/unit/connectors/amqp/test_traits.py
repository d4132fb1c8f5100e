"""What RabbitMQ's refusals tell of a queue; the texts are those of 3.10.8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.amqp import AmqpSourceSettings
from connectors.amqp.traits import PROBE, SINGLE, Difference, Traits, difference, differing, learned

HEAD = "PRECONDITION_FAILED - inequivalent arg "
PROBED = f"{HEAD}'{SINGLE}' for queue 'q' in vhost '/': received "


@pytest.mark.parametrize(
    ("refusal", "traits"),
    [
        (f"{HEAD}'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'", Traits(durable=False)),
        (
            f"{HEAD}'auto_delete' for queue 'q' in vhost '/': received 'false' but current is 'true'",
            Traits(auto_delete=True),
        ),
        (f"{PROBED}'not a boolean' but current is 'true'", Traits(single=True)),
        (f"{PROBED}'not a boolean' but current is 'false'", Traits()),
        (f"{PROBED}the value 'not a boolean' of type 'longstr' but current is none", Traits()),
        (
            f"{HEAD}'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type "
            "'longstr'",
            Traits(arguments=(("x-queue-type", "quorum"),)),
        ),
        (
            f"{HEAD}'x-expires' for queue 'q' in vhost '/': received none but current is the value '60000' of type "
            "'signedint'",
            Traits(arguments=(("x-expires", 60000),)),
        ),
        (
            f"{HEAD}'x-dead-letter-routing-key' for queue 'it's' in vhost '/': received none but current is the value "
            "'a' but current is 'b' of type 'longstr'",
            Traits(arguments=(("x-dead-letter-routing-key", "a' but current is 'b"),)),
        ),
        (f"{HEAD}'durable' for queue 'qqqq...", Traits(durable=False)),
        (f"{HEAD}'auto_delete' for queue 'qqqq' in vhost '/': received 'fal...", Traits(auto_delete=True)),
        (
            f"{HEAD}'auto_delete' for queue 'q' in vhost '/': received 'false' but current is 'tr...",
            Traits(auto_delete=True),
        ),
        (f"{HEAD}'{SINGLE}' for queue 'qqqq...", Traits(single=True)),
        (f"{PROBED}'not a boolean' but current is 'fal...", Traits(single=True)),
        (f"{HEAD}'x-queue-type' for queue 'qqqq...", Traits(single=True)),
        (f"PRECONDITION_FAILED - invalid arg '{SINGLE}' for queue 'qqqq...", Traits()),
        (f"PRECONDITION_FAILED - invalid arg '{SINGLE}' for queue 'q' in vhost '/': unacceptable", Traits()),
        ("", Traits()),
    ],
)
def test_a_refusal_corrects_one_assumption(refusal: str, traits: Traits) -> None:
    assert learned(Traits(), refusal) == traits
    assert learned(traits, refusal) == traits


def test_what_was_learned_goes_into_the_next_probe() -> None:
    traits = Traits(arguments=(("x-expires", 60000), ("x-overflow", "drop-head")))
    assert traits.probe == {"x-expires": 60000, "x-overflow": "drop-head", **PROBE}


def test_a_value_of_a_type_that_cannot_be_declared_ends_the_learning() -> None:
    refusal = f"{HEAD}'x-odd' for queue 'q' in vhost '/': received none but current is the value '[]' of type 'array'"
    assert learned(Traits(), refusal) == Traits()


@given(st.text() | st.text().map(lambda text: HEAD + text))
def test_whatever_is_said_it_never_raises(text: str) -> None:
    found = difference(text)
    assert found is None or learned(Traits(), text) is not None


@given(st.text(), st.text(), st.text("abc'xyz- /:"))
def test_both_values_come_out_whatever_they_hold(declared: str, current: str, queue: str) -> None:
    if "' but current is " in declared or ": received " in queue:
        return
    said = f"{HEAD}'x-overflow' for queue '{queue}' in vhost '/': received '{declared}' but current is '{current}'"
    assert difference(said) == Difference("x-overflow", declared, current)


def test_only_what_differs_is_told_in_words_for_a_person() -> None:
    settings = AmqpSourceSettings(queue="q", declare=True, auto_delete=True)
    assert differing(settings, Traits(auto_delete=True)) == []
    assert [str(found) for found in differing(settings, Traits(durable=False))] == [
        "durable is false there, and true in the route",
        "auto_delete is false there, and true in the route",
    ]
    assert str(Difference("x-expires", None, None)) == "x-expires is another there than in the route"
    assert str(Difference("x-expires", "", "5")) == "x-expires is 5 there, and not set in the route"
