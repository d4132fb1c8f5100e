"""Batches as blocks of packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Message, Verdict
from bridge.paths import Guard
from config.templates import Template
from connectors.mqtt.codec import Encoder
from connectors.mqtt.packer import Mids, Packer
from connectors.mqtt.tap import PacketTap


def packer(topic: str = "{header.topic}", qos: int = 1, largest: int | None = None) -> Packer:
    return Packer(Template.parse(topic), Encoder(qos, None, largest, properties=True), Guard("mqtt:here", 2))


def message(topic: str | None, body: bytes = b"") -> Message:
    return Message(body, "u", headers=[] if topic is None else [("topic", "string", topic)])


def test_what_cannot_be_sent_is_refused_with_a_reason_and_costs_its_neighbours_nothing() -> None:
    topics = ["a", None, "a/#", "b", "", "$x", "x" * 65_536, "c"]
    made = packer()
    blocks, positions, refused = made.pack([message(topic) for topic in topics], range(10, 18))
    tap = PacketTap()
    assert tap.feed(b"".join(blocks)) == b""
    assert [(packet.topic, packet.ack[2:]) for packet in tap.publishes] == [
        (b"a", b"\0\x0a"),
        (b"b", b"\0\x0d"),
        (b"c", b"\0\x11"),
    ]
    assert list(positions) == [0, 3, 7]
    assert {outcome.verdict for _, outcome in refused} == {Verdict.REJECTED}
    assert [(position, outcome.reason) for position, outcome in refused] == [
        (1, "missing_field"),
        (2, "bad_topic"),
        (4, "bad_topic"),
        (5, "bad_topic"),
        (6, "bad_topic"),
    ]
    assert "header.topic" in refused[0][1].detail
    assert made.pack([message("a/#")], [1]).refused[0][1] == refused[1][1], "remembered or not"


def test_what_is_too_large_or_unencodable_is_refused() -> None:
    large, odd = message("a", b"x" * 500), Message(b"", "u\0", headers=[("topic", "string", "a")])
    blocks, positions, refused = packer(largest=400).pack([large, message("a", b"x"), odd], [1, 2, 3])
    assert (len(blocks), list(positions)) == (1, [1])
    assert [(position, outcome.reason) for position, outcome in refused] == [(0, "too_large"), (2, "unencodable")]


def test_nothing_is_written_of_a_batch_that_is_all_refused() -> None:
    assert packer().pack([message(None), message("#")], [1, 2])[:2] == ([], [])


def test_large_batches_are_several_blocks_of_whole_packets_in_order() -> None:
    bodies = [bytes([number]) * 300_000 for number in range(12)]
    blocks, positions, _ = packer("t", qos=0).pack([Message(body, "u") for body in bodies], None)
    assert len(blocks) == 3
    assert list(positions) == list(range(12))
    taken = []
    for block in blocks:
        tap = PacketTap()
        assert tap.feed(block) == b""
        taken += [packet.content[-300_000:] for packet in tap.publishes]
    assert taken == bodies


def test_topics_are_remembered_and_not_for_ever() -> None:
    made = packer()
    made.pack([message(f"t{number}") for number in range(3000)], range(1, 3001))
    assert len(made._topics) <= 1024


def test_long_topics_are_not_remembered() -> None:
    """A message's header may be a topic, and as large as a message."""
    made = packer()
    for topic, refused in (("x" * 60_000, 0), ("y" * 1_000_000, 1), ("+" * 2000, 1), ("z" * 1024, 0)):
        assert len(made.pack([message(topic)], [1]).refused) == refused
    assert sorted(map(len, made._topics)) == [1024]


@given(st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 100)), max_size=12))
def test_no_identifier_is_given_while_it_is_taken(steps: list[tuple[int, int]]) -> None:
    """Each step takes as many as there are, and gives back a share of what is taken, the oldest first."""
    mids = Mids()
    taken: dict[int, object] = {}
    for wanted, share in steps:
        count = min(wanted, 65_535 - len(taken))
        given_now = list(mids.take(count, taken))
        assert len(set(given_now)) == count
        assert taken.keys().isdisjoint(given_now)
        assert all(1 <= mid <= 65_535 for mid in given_now)
        taken.update(dict.fromkeys(given_now))
        for mid in list(taken)[: len(taken) * share // 100]:
            del taken[mid]


def test_an_identifier_that_is_taken_is_passed_over() -> None:
    mids = Mids()
    mids.take(65_535, {})
    assert list(mids.take(5, dict.fromkeys([1, 2, 5]))) == [3, 4, 6, 7, 8]
    assert list(mids.take(2, dict.fromkeys([1, 2, 5]))) == [9, 10]


def test_all_identifiers_can_be_taken_at_once() -> None:
    mids = Mids()
    mids.take(60_000, {})
    assert sorted(mids.take(65_535, {})) == list(range(1, 65_536))


@pytest.mark.parametrize("start", [65_534, 65_535])
def test_after_the_last_identifier_comes_the_first(start: int) -> None:
    mids = Mids()
    mids.take(start - 1, {})
    assert [mids.take(1, {})[0] for _ in range(3)] == [
        mid if mid <= 65_535 else mid - 65_535 for mid in range(start, start + 3)
    ]
