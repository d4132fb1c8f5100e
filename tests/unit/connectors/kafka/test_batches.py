"""Messages packed into batches by partition."""

import asyncio
from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from bridge.message import Message, Outcome, Verdict
from bridge.paths import Guard
from bridge.sends import Submission
from connectors.kafka.batches import BATCH_SIZE, Batch, Key, Packer
from connectors.kafka.topics import Course, Target

NOWHERE = Outcome(Verdict.REJECTED, "missing_topic", "no such topic")


def by_key(message: Message) -> bytes | None:
    return message.key


def submitted(messages: Sequence[Message]) -> Submission:
    loop = asyncio.new_event_loop()
    try:
        return Submission(messages, loop.create_future())
    finally:
        loop.close()


def packed(messages: Sequence[Message], course: Course, key: Key = by_key) -> tuple[Submission, list[Batch]]:
    submission = submitted(messages)
    return submission, Packer(key, Guard("kafka:here", 2)).pack(submission, [(course, range(len(messages)))])


def reasons(submission: Submission) -> list[str]:
    """Why each message was settled; "open" is one that was not."""
    waiting = submission.unsettled(range(len(submission.messages)))
    return ["open" if at in waiting else outcome.reason for at, outcome in enumerate(submission.outcomes)]


def bodies(batch: Batch) -> list[bytes | None]:
    return [record.value for record in DefaultRecordBatch(bytes(batch.builder._build()))]


@given(st.lists(st.tuples(st.none() | st.binary(max_size=2), st.integers(0, 300))), st.integers(1, 5))
def test_every_message_is_in_one_batch_in_order(shapes: list[tuple[bytes | None, int]], partitions: int) -> None:
    messages = [Message(b"%05d" % at + b"x" * size, "u", key=key) for at, (key, size) in enumerate(shapes)]
    limit = 600
    submission, batches = packed(messages, Target("t", partitions, range(partitions), limit))
    assert set(reasons(submission)) <= {"open"}
    assert sorted(position for batch in batches for position in batch.positions) == list(range(len(messages)))
    for partition in range(partitions):
        in_order = [position for batch in batches if batch.partition == partition for position in batch.positions]
        assert in_order == sorted(in_order)
    for batch in batches:
        assert batch.builder.closed()
        assert bodies(batch) == [messages[position].body for position in batch.positions]
        assert len(batch.builder._build()) <= limit


@given(st.integers(1, 3000))
def test_a_batch_is_refused_exactly_above_the_limit(size: int) -> None:
    messages = [Message(b"a", "u"), Message(b"x" * size, "u"), Message(b"b", "u")]
    whole, (alone,) = packed([messages[1]], Target("t", 1, [0], None))
    assert reasons(whole) == ["open"]
    exact = len(alone.builder._build())
    for limit, fits in ((exact, True), (max(exact - 1, 90), exact - 1 < 90)):
        submission, batches = packed(messages, Target("t", 1, [0], limit))
        assert reasons(submission) == ["open", "open" if fits else "too_large", "open"]
        sent = [body for batch in batches for body in bodies(batch)]
        assert sent == [message.body for message in messages if fits or message is not messages[1]]


def test_a_record_above_the_usual_batch_goes_where_the_topic_takes_it() -> None:
    large = Message(b"x" * (2 * BATCH_SIZE), "u")
    submission, batches = packed([Message(b"a", "u"), large, Message(b"b", "u")], Target("t", 1, [0], 10**7))
    assert reasons(submission) == ["open"] * 3
    assert [batch.positions for batch in batches] == [[0], [1], [2]]


def test_what_has_no_course_or_no_bytes_is_refused_and_its_neighbours_go() -> None:
    messages = [
        Message(b"0", "u", key=b"k"),
        Message(b"1", "u"),
        Message(b"2", "u", headers=(("\udcff", "void", None),)),
        Message(b"3", "u"),
        Message(b"4", "u"),
    ]
    submission = submitted(messages)
    good, other = Target("good", 1, [0], None), Target("other", 1, [0], None)
    batches = Packer(by_key, Guard("kafka:here", 2)).pack(submission, [(good, [0, 2, 4]), (NOWHERE, [1]), (other, [3])])
    assert reasons(submission) == ["open", "missing_topic", "unencodable", "open", "open"]
    assert [(batch.topic, batch.positions) for batch in batches] == [("good", [0, 4]), ("other", [3])]


def test_a_message_whose_key_has_no_bytes_is_refused_alone() -> None:
    messages = [Message(b"", "u", "a"), Message(b"", "u", "\ud800"), Message(b"", "u", "b")]
    submission, (batch,) = packed(messages, Target("t", 1, [0], None), lambda message: message.address.encode())
    assert reasons(submission) == ["open", "unencodable", "open"]
    assert batch.positions == [0, 2]


def test_a_batch_settles_its_own_messages() -> None:
    messages = [Message(b"", "u", key=b"%d" % at) for at in range(50)]
    submission, (first, second) = packed(messages, Target("t", 2, [0, 1], None))
    first.settle()
    assert submission.unsettled(range(50)) == second.positions


def test_aiokafka_counts_the_records() -> None:
    _, (batch,) = packed([Message(b"", "u")] * 7, Target("t", 1, [0], None))
    assert batch.builder.record_count() == 7  # the next batch's sequence starts there


def test_null_keys_keep_to_partitions_with_a_leader() -> None:
    _, batches = packed([Message(b"", "u")] * 5, Target("t", 9, [4], None))
    assert [(batch.partition, batch.positions) for batch in batches] == [(4, [0, 1, 2, 3, 4])]


def test_a_batch_gives_its_records_again() -> None:
    messages = [Message(b"a", "u", key=b"k", properties={"timestamp": 1}), Message(b"b", "v", key=b"k")]
    _, (batch,) = packed(messages, Target("t", 1, [0], None))
    batch.builder._build()
    records = batch.records(by_key)
    assert [(position, record.value, record.timestamp) for position, record in records] == [
        (0, b"a", 1),
        (1, b"b", None),
    ]
