"""What may be written of Kafka's topics and groups."""

import pytest
from pydantic import ValidationError

from config.kafka import KafkaSourceSettings


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "needs topics or a pattern"),
        ({"topics": ["a"], "pattern": "b"}, "not both"),
        ({"topics": []}, "at least 1 item"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "(?i)orders"}, "not a regular expression"),
        ({"topics": ["a"], "start": "now"}, "start"),
        ({"topics": ["a"], "group": ""}, "group"),
    ],
)
def test_a_source_that_cannot_be_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        KafkaSourceSettings.model_validate(table)


def test_flags_may_stand_in_a_group_of_a_pattern() -> None:
    assert KafkaSourceSettings.model_validate({"pattern": "(?i:orders)-.*"}).pattern == "(?i:orders)-.*"
