"""The demo tells its whole story, on brokers that are given to it as on its own."""

import contextlib
from pathlib import Path

import pytest

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.rabbitmq import RabbitMQ
from bridge.cli.demo.story import Story
from tests.command import fedbridge

READERS = ["AnalyticsService (Kafka)", "ShelfLabelService (MQTT)", "StorefrontService (Redis)"]
EVERYWHERE = ["InventoryService (RabbitMQ)", *READERS]
BACK = ["back from Kafka", "back from MQTT", "back from Redis"]


def test_every_chapter_plays_out_in_all_four_systems(
    brokers: Brokers, own_rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unique: str
) -> None:
    for variable, url in brokers.endpoints.items():
        monkeypatch.setenv(variable, url)
    told: list[str] = []
    story = Story(Brokers(tmp_path, rabbitmq=own_rabbitmq), told.append, tag=f"-{unique}")
    with contextlib.closing(story):
        findings = story.play(3)
    assert findings.problems() == []
    assert [chapter.title for chapter in findings.chapters] == ["relayed", *BACK, "kept while away", "after a restart"]
    for chapter in findings.chapters:
        assert list(chapter.arrived) == (["FulfilmentService (RabbitMQ)"] if chapter.title in BACK else EVERYWHERE)
    assert [counts["delivered"] for _, counts in findings.runs] == [3 + 3, 5 + 5]
    assert f"the bridge's durable queue {story.queue} holds 5" in told
    assert story.processes == []
    assert [line.partition(" on your ")[2] for line in story.remains] == ["Kafka", "MQTT broker, for a day", "Redis"]


def test_the_command_shows_the_steps_and_the_tables_and_leaves_given_brokers_alone(brokers: Brokers) -> None:
    running = len(brokers.processes)
    code, out, err = fedbridge("demo", "--messages", "3", **brokers.endpoints)
    assert code == 0, err
    assert out.count("all, in order") == 2 * len(EVERYWHERE) + len(BACK)
    assert "wrong" not in out
    for name in EVERYWHERE:
        assert f"{name} has 3 of 3" in err
    assert "RabbitMQ restarts" not in err, "it is not the demo's to restart"
    assert err.count("left on your brokers: ") == 4
    assert len(brokers.processes) == running
