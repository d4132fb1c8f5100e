"""When a former member of the same name has to go."""

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from connectors.kafka.membership import is_changed


def member(subscribed: list[str], assigned: list[str]) -> tuple[bytes, bytes]:
    return (
        ConsumerProtocolMemberMetadata(0, subscribed, b"").encode(),
        ConsumerProtocolMemberAssignment(0, [(topic, [0]) for topic in assigned], b"").encode(),
    )


@pytest.mark.parametrize(
    ("subscribed", "assigned", "alone", "changed"),
    [
        (["a", "b"], ["a", "b"], True, False),
        (["b", "a"], ["a"], False, False),
        (["a", "b"], ["a"], True, True),
        (["a"], ["a"], False, True),
        (["a", "b", "c"], ["a"], False, True),
        (["a", "b"], ["c"], False, True),
    ],
)
def test_other_topics_or_a_foreign_assignment_are_a_change(
    subscribed: list[str], assigned: list[str], alone: bool, changed: bool
) -> None:
    assert is_changed(*member(subscribed, assigned), {"a", "b"}, alone=alone) is changed


def test_what_cannot_be_read_is_a_change() -> None:
    assert is_changed(b"", b"", {"a"}, alone=False)
    assert is_changed(b"\x00\x00\x00", member(["a"], ["a"])[1], {"a"}, alone=False)
