"""Messages of one send as Kafka batches, one chain of them for each partition: pure, and on the hot path."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from bridge.errors import Unmappable
from bridge.message import DELIVERED, Message, Outcome, Verdict
from connectors.kafka import hooks
from connectors.kafka.codec import Record, encode
from connectors.kafka.partitioner import Partitioner
from connectors.kafka.topics import Target

Key: TypeAlias = Callable[[Message], bytes | None]
"""Gives the key of a message's record."""

Course: TypeAlias = Target | Outcome
"""Where the messages of one topic name go: to a topic, or nowhere, for the reason the outcome gives."""

BATCH_SIZE = 1 << 20
"""The largest batch, in bytes, where the topic takes it: beyond it a batch gains nothing and a retry costs more."""

_OVERHEAD = 61  # bytes of a batch around its records


class Submission:
    """The messages of one send and their outcomes, until the last of its batches is done.

    Outcomes are DELIVERED until they are known better; nobody sees them before all are.
    """

    __slots__ = ("future", "messages", "open", "outcomes")

    def __init__(self, messages: Sequence[Message], future: asyncio.Future[Sequence[Outcome]]) -> None:
        self.messages = messages
        self.outcomes = [DELIVERED] * len(messages)
        self.future = future
        self.open = 0


class Batch:
    """One Kafka batch: where it goes and which messages of its submission, by position, are in it."""

    __slots__ = ("builder", "partition", "positions", "submission", "topic")

    def __init__(self, submission: Submission, topic: str, partition: int, size: int) -> None:
        self.submission = submission
        self.topic = topic
        self.partition = partition
        self.positions: list[int] = []
        self.builder = hooks.new_builder(size)

    def records(self, key: Key) -> list[tuple[int, Record]]:
        """Encode its messages again, each with its position: a batch that was sent gives nothing back."""
        messages = self.submission.messages
        return [(position, encode(messages[position], key(messages[position]))) for position in self.positions]

    def end(self, outcome: Outcome) -> None:
        """Give all of its messages one outcome."""
        for position in self.positions:
            self.submission.outcomes[position] = outcome


def pack(
    submission: Submission,
    names: Sequence[str | None],
    courses: Mapping[str | None, Course],
    key: Key,
    partitioner: Partitioner,
) -> list[Batch]:
    """Encode the messages into closed batches, each partition's in the order of the messages.

    `names` are the topics of the messages, one each, and `courses` say where each name goes. What cannot be sent gets
    its outcome here and its neighbours go: no course, not encodable, larger than the topic takes.
    """
    partitioner.next_turn()
    batches: list[Batch] = []
    filling: dict[tuple[str, int], Batch] = {}
    outcomes = submission.outcomes
    for position, message in enumerate(submission.messages):
        course = courses[names[position]]
        if isinstance(course, Outcome):
            outcomes[position] = course
            continue
        topic, partitions, available, limit = course
        try:
            record = encode(message, key(message))
        except Unmappable as error:
            outcomes[position] = Outcome(Verdict.REJECTED, error.reason, str(error))
            continue
        chosen = partitioner.of_null(available) if record.key is None else partitioner.of_key(record.key, partitions)
        batch = filling.get((topic, chosen))
        if batch is None or _append(batch, record) is None:
            fresh = Batch(submission, topic, chosen, BATCH_SIZE if limit is None else min(limit, BATCH_SIZE))
            size = _OVERHEAD + (_append(fresh, record) or 0)
            if limit is not None and size > limit:
                outcomes[position] = Outcome(
                    Verdict.REJECTED, "too_large", f"{size} bytes: topic {topic} takes {limit} (max.message.bytes)"
                )
                continue
            batch = filling[topic, chosen] = fresh
            batches.append(batch)
        batch.positions.append(position)
    for batch in batches:
        batch.builder.close()
    return batches


def _append(batch: Batch, record: Record) -> int | None:
    key, value, timestamp, headers = record
    added = batch.builder.append(timestamp=timestamp, key=key, value=value, headers=headers)
    return None if added is None else added.size
