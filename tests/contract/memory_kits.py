"""The contract's kits of the in-process broker."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from bridge.message import DELIVERED, Header, Message, Outcome, Verdict
from bridge.ports import Place, Sink, Source
from connectors import memory


class MemorySourceKit:
    """A queue of the in-process broker."""

    cannot: Mapping[str, str] = {}

    def __init__(self) -> None:
        self._broker = memory.MemoryBroker()

    def open(self, messages: int = 4000, size: int = 1 << 25) -> AbstractAsyncContextManager[Source]:
        return memory.open_source(self._broker, "in", Place("bridge", "node", "route", messages, size))

    async def publish(self, bodies: Sequence[bytes], headers: Sequence[Header] = ()) -> None:
        self._broker.publish("in", *(Message(body, f"uid-{n}", headers=headers) for n, body in enumerate(bodies)))

    async def left(self) -> int:
        return len(self._broker.messages("in"))

    async def stop(self) -> None:
        self._broker.stop()

    async def start(self) -> None:
        self._broker.start()


class MemorySinkKit:
    """Another queue of the in-process broker."""

    cannot: Mapping[str, str] = {
        "ten_thousand_in_bounded_memory": "its broker keeps the messages in the very process that is measured"
    }
    refused = Message(b"refused", "uid-refused")

    def __init__(self) -> None:
        self._broker = memory.MemoryBroker()
        self._broker.judge = lambda message: (
            Outcome(Verdict.REJECTED, "refused") if message.body == b"refused" else DELIVERED
        )

    def open(self, messages: int = 4000) -> AbstractAsyncContextManager[Sink]:
        return memory.open_sink(self._broker, "out", Place("bridge", "node", "route", messages, 1 << 25))

    async def arrived(self, count: int) -> Sequence[tuple[bytes | None, Mapping[str, bytes | None]]]:
        found = [message for message in self._broker.messages("out") if isinstance(message, Message)]
        return [(message.body, _headers(message)) for message in found]

    async def stop(self) -> None:
        self._broker.stop()

    async def start(self) -> None:
        self._broker.start()


def _headers(message: Message) -> dict[str, bytes | None]:
    uid = {"fedbridge-uid": message.uid.encode()}
    return uid | {name: str(value).encode() if value is not None else None for name, _, value in message.headers}
