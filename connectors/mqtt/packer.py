"""Batches of messages as blocks of PUBLISH packets: topics, packet identifiers, and what is refused before. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bridge.errors import Unmappable
from bridge.message import Message, Outcome, Verdict
from bridge.paths import Guard
from bridge.templates import lacking, render_text
from config.templates import Template
from connectors.mqtt.codec import Encoder
from connectors.mqtt.rules import topic_fault
from connectors.mqtt.terms import MOST

_BLOCK: Final = 1 << 20  # bytes that are joined at most, but for the last packet
_TOPICS: Final = 1024  # topics that are remembered, of at most so many characters:
_TOPIC_SIZE: Final = 1024


class Mids:
    """Gives packet identifiers, of 1 to 65,535 in turn."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int, taken: Mapping[int, object]) -> Sequence[int]:
        """Give as many that are not `taken`; there must be so many."""
        first, stop = self._next, self._next + count
        if stop <= MOST + 1 and taken.keys().isdisjoint(range(first, stop)):
            self._next = stop if stop <= MOST else 1
            return range(first, stop)
        mids: list[int] = []
        while len(mids) < count:
            if self._next not in taken:
                mids.append(self._next)
            self._next = self._next % MOST + 1
        return mids


class Packed(NamedTuple):
    """A batch as blocks of packets: the positions of messages that are in them, and the outcomes of all others."""

    blocks: list[bytes]
    positions: Sequence[int]
    refused: list[tuple[int, Outcome]]


class Packer:
    """Packs batches of messages, each to the topic that a template gives, and remembers topics."""

    def __init__(self, topic: Template, encoder: Encoder, guard: Guard) -> None:
        self._template = topic
        self._render = render_text(topic)
        self._encoder = encoder
        self._guard = guard
        self._topics: dict[str, bytes | Outcome] = {}

    def pack(self, messages: Sequence[Message], mids: Sequence[int] | None) -> Packed:
        """Pack a batch, with a packet identifier for each message, or none at QoS 0."""
        render, topics, add, judge = self._render, self._topics, self._encoder.add, self._guard.judge
        packed = Packed([], positions := [], [])
        parts: list[bytes] = []
        size = 0
        for position, message in enumerate(messages):
            name = render(message)
            topic = topics.get(name) if name is not None else self._lacking(message)
            if topic is None:
                topic = self._learn(name or "")
            if not isinstance(topic, Outcome):
                topic = judge(message.path, name or "") or topic
            if isinstance(topic, Outcome):
                packed.refused.append((position, topic))
                continue
            try:
                size += add(message, topic, b"" if mids is None else mids[position].to_bytes(2), parts)
            except Unmappable as fault:
                packed.refused.append((position, Outcome(Verdict.REJECTED, fault.reason, str(fault))))
                continue
            positions.append(position)
            if size >= _BLOCK:
                packed.blocks.append(b"".join(parts))
                parts.clear()
                size = 0
        if parts:
            packed.blocks.append(b"".join(parts))
        return packed

    def _lacking(self, message: Message) -> Outcome:
        return Outcome(Verdict.REJECTED, "missing_field", lacking(self._template, message))

    def _learn(self, name: str) -> bytes | Outcome:
        """Work out how a packet to a topic begins, or why none can, and remember it unless the name is long."""
        topic: bytes | Outcome
        if fault := topic_fault(name):
            topic = Outcome(Verdict.REJECTED, "bad_topic", f"the topic {fault}: {name!a:.80}")
        else:
            raw = name.encode()
            topic = len(raw).to_bytes(2) + raw
        if len(name) <= _TOPIC_SIZE:
            if len(self._topics) >= _TOPICS:
                self._topics.clear()
            self._topics[name] = topic
        return topic
