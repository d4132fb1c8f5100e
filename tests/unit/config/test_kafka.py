"""What may be written of Kafka's topics and groups."""

import pytest
from pydantic import ValidationError

from config.kafka import KafkaSinkSettings, KafkaSourceSettings, is_target, is_topic


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


@pytest.mark.parametrize("name", ["orders", "a.b_c-D.9", ".a", "...", "_a", "x" * 249])
def test_topics_that_can_be(name: str) -> None:
    assert is_topic(name)
    assert is_target(name)
    assert KafkaSourceSettings.model_validate({"topics": [name]}).topics == [name]
    assert KafkaSinkSettings.model_validate({"topic": name}).topic.fixed == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "bad topic!", "größe", "x" * 250, "a\n"])
def test_topics_that_cannot_be_are_refused(name: str) -> None:
    assert not is_topic(name)
    with pytest.raises(ValidationError, match=r"topics\.1\n.*not a name that a topic"):
        KafkaSourceSettings.model_validate({"topics": ["a", name]})
    with pytest.raises(ValidationError, match=r"topic\n.*not a name that a topic"):
        KafkaSinkSettings.model_validate({"topic": name})


def test_kafkas_own_topics_are_read_and_not_written_to() -> None:
    assert KafkaSourceSettings.model_validate({"topics": ["__consumer_offsets"]}).topics == ["__consumer_offsets"]
    with pytest.raises(ValidationError, match="Kafka's own"):
        KafkaSinkSettings.model_validate({"topic": "__consumer_offsets"})


@pytest.mark.parametrize("text", ["bad topic!{header.x}", "{header.x}/y", "x" * 250 + "{header.x}", "__{header.x}"])
def test_a_template_that_no_message_can_make_a_topic_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"topic\n"):
        KafkaSinkSettings.model_validate({"topic": text})


@pytest.mark.parametrize("text", ["{header.x}", ".{header.x}", "a.{header.x}.b-{key:c d}"])
def test_a_template_is_judged_by_what_every_message_has_of_it(text: str) -> None:
    assert KafkaSinkSettings.model_validate({"topic": text}).topic.text == text


def test_flags_may_stand_in_a_group_of_a_pattern() -> None:
    assert KafkaSourceSettings.model_validate({"pattern": "(?i:orders)-.*"}).pattern == "(?i:orders)-.*"
