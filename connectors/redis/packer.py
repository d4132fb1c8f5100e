"""Batches of messages as blocks of commands: their streams, and what is refused before. Pure."""

from collections.abc import Sequence
from typing import Final

from bridge.errors import Unmappable
from bridge.message import Message, Outcome, Verdict
from bridge.paths import Guard
from bridge.templates import Bytes, lacking, render_bytes
from config.templates import Template
from connectors.redis.codec import Encoder

_EMPTY: Final = Outcome(Verdict.REJECTED, "bad_stream", "its stream would have no name")


class Packer:
    """Packs batches of messages, each for the stream that a template gives."""

    def __init__(self, stream: Template, encoder: Encoder, guard: Guard) -> None:
        self.stream: Bytes = render_bytes(stream)
        """Gives the stream of a message, None if it lacks what that is made of; raises UnicodeEncodeError."""
        self._template = stream
        self._encoder = encoder
        self._guard = guard

    def pack(self, messages: Sequence[Message], parts: list[bytes]) -> list[tuple[int, Outcome]]:
        """Append the commands of messages to `parts`, which are to be joined.

        Gives the positions of those that cannot be sent, each with its outcome.
        """
        add, stream_of, judge = self._encoder.add, self.stream, self._guard.judge
        refused: list[tuple[int, Outcome]] = []
        for position, message in enumerate(messages):
            try:
                stream = stream_of(message)
                if not stream:
                    refused.append((position, _EMPTY if stream is not None else self._lacking(message)))
                    continue
                judged = judge(message.path, stream.decode(errors="surrogateescape"))
                if judged is not None:
                    refused.append((position, judged))
                    continue
                add(message, stream, parts)
            except Unmappable as error:
                refused.append((position, Outcome(Verdict.REJECTED, error.reason, str(error))))
            except UnicodeEncodeError as error:
                text = f"no bytes stand for its stream: {error.object!a:.80}"
                refused.append((position, Outcome(Verdict.REJECTED, "unencodable", text)))
        return refused

    def _lacking(self, message: Message) -> Outcome:
        return Outcome(Verdict.REJECTED, "missing_field", lacking(self._template, message))
