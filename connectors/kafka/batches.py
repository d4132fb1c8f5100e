"""Messages of one send as Kafka batches, one chain of them for each partition: pure, and on the hot path."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from bridge.errors import Unmappable
from bridge.message import Message, Outcome, Verdict
from bridge.paths import Guard
from bridge.sends import Submission
from bridge.templates import render_bytes
from config.kafka import KafkaSinkSettings
from connectors.kafka import hooks
from connectors.kafka.codec import Encoder, Record
from connectors.kafka.partitioner import Partitioner
from connectors.kafka.topics import Course, Target

Key: TypeAlias = Callable[[Message], bytes | None]
"""Gives the key of a message's record."""

BATCH_SIZE = 1 << 20
"""The largest batch, in bytes, where the topic takes it: beyond it a batch gains nothing and a retry costs more."""

_OVERHEAD = 61  # bytes of a batch around its records


def key_of(settings: KafkaSinkSettings) -> Key:
    """Make what gives the keys of a target; it raises UnicodeEncodeError where no bytes stand for one."""
    return (lambda message: message.key) if settings.key is None else render_bytes(settings.key)


def unkeyed(error: UnicodeEncodeError) -> Outcome:
    """The outcome of a message whose key cannot be made."""
    return Outcome(Verdict.REJECTED, "unencodable", f"no bytes stand for its key: {error.object!a:.80}")


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
        messages, encoder = self.submission.messages, Encoder()
        return [(position, encoder.record(messages[position], key(messages[position]))) for position in self.positions]

    def settle(self) -> None:
        """Settle all of its messages, as what they are."""
        self.submission.settle_range(self.positions)


class Packer:
    """Makes batches of sends; it keeps what one send leaves to the next: whose turn it is, and shapes of headers."""

    def __init__(self, key: Key, guard: Guard) -> None:
        self._key = key
        self._guard = guard
        self._encoder = Encoder()
        self._partitioner = Partitioner()

    def pack(self, submission: Submission, courses: Iterable[tuple[Course, Sequence[int]]]) -> list[Batch]:
        """Encode the messages into closed batches, each partition's in the order of the messages.

        `courses` say where the messages go, by position, each course once. What cannot be sent is settled here and its
        neighbours go: no topic, not encodable, larger than the topic takes.
        """
        self._partitioner.next_turn()
        batches: list[Batch] = []
        for course, positions in courses:
            if isinstance(course, Outcome):
                for position in positions:
                    submission.settle(position, course)
                continue
            batches += self._fill(submission, course, *self._keyed(submission, positions))
        return batches

    def _keyed(self, submission: Submission, positions: Sequence[int]) -> tuple[Sequence[int], Sequence[bytes | None]]:
        """Give the messages with their keys, and refuse those whose key cannot be made."""
        try:
            return positions, [self._key(submission.messages[position]) for position in positions]
        except UnicodeEncodeError:
            pass
        kept: list[int] = []
        keys: list[bytes | None] = []
        for position in positions:
            try:
                keys.append(self._key(submission.messages[position]))
            except UnicodeEncodeError as error:
                submission.settle(position, unkeyed(error))
            else:
                kept.append(position)
        return kept, keys

    def _fill(
        self, submission: Submission, target: Target, positions: Iterable[int], keys: Sequence[bytes | None]
    ) -> list[Batch]:
        """Make the batches of one topic."""
        messages, encode = submission.messages, self._encoder.encode
        topic, partitions, available, limit = target
        batches: list[Batch] = []
        filling: dict[int, tuple[hooks.Append, list[int]]] = {}
        chosen = self._partitioner.choose(keys, partitions, available)
        path, judged = "", None
        for position, key, partition in zip(positions, keys, chosen, strict=True):
            message = messages[position]
            if message.path is not path:
                path = message.path
                judged = self._guard.judge(path, topic)
            if judged is not None:
                submission.settle(position, judged)
                continue
            try:
                timestamp, headers = encode(message)
            except Unmappable as error:
                submission.settle(position, Outcome(Verdict.REJECTED, error.reason, str(error)))
                continue
            if partition in filling:
                append, held = filling[partition]
                if append(len(held), timestamp, key, message.body, headers) is not None:
                    held.append(position)
                    continue
            batch = Batch(submission, topic, partition, BATCH_SIZE if limit is None else min(limit, BATCH_SIZE))
            append = hooks.append_to(batch.builder)
            first = append(0, timestamp, key, message.body, headers)
            size = _OVERHEAD + (0 if first is None else first.size)
            if limit is not None and size > limit:
                text = f"{size} bytes: topic {topic} takes {limit} (max.message.bytes)"
                submission.settle(position, Outcome(Verdict.REJECTED, "too_large", text))
                continue
            filling[partition] = append, batch.positions
            batch.positions.append(position)
            batches.append(batch)
        for batch in batches:
            hooks.close(batch.builder, len(batch.positions))
        return batches
