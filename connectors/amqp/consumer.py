"""A consumer on a channel of its own: its prefetch follows the sizes of messages, and acks are written around it."""

import asyncio
from collections.abc import Callable, Sequence

from aiormq.abc import AbstractChannel
from pamqp import commands

from connectors.amqp.methods import consume
from connectors.amqp.prefetch import Prefetch
from connectors.amqp.reader import TapReader
from connectors.amqp.tap import ack_frame


class Consumer:
    """What takes from one queue. Delivery tags count from 1 on its channel, whatever becomes of the prefetch."""

    def __init__(self, reader: TapReader, channel: AbstractChannel, queue: str, prefetch: Prefetch) -> None:
        self.newest = 0
        """The delivery tag that came last."""
        self._reader = reader
        self._channel = channel
        self._queue = queue
        self._prefetch = prefetch
        self._tag = ""
        self._before = 0  # the last delivery tag of the consumer before this one
        self._told = 0  # up to which delivery tag acks were written
        self._held = 0  # up to which delivery tag an ack is to be written as soon as that may be
        self._singly: set[int] = set()  # what was acked beyond that
        self._resize = asyncio.Event()
        self._acking = asyncio.Event()
        self._acking.set()

    async def start(self, cancelled: Callable[[commands.Basic.Cancel], None]) -> None:
        """Divert the channel's deliveries and start to consume; may raise what the library raises.

        `cancelled` is called when the broker ends it, as it does with the consumers of a deleted queue.
        """
        channel = self._channel
        channel.on_consumer_cancel_callbacks.add(cancelled)
        self._reader.divert(channel.number, channel.connection.connection_tune.frame_max, self._on_read)
        await self._consume()

    def ack_up_to(self, tag: int) -> None:
        """Ack everything up to a delivery tag, as one `multiple` ack written at once; never raises."""
        tell = tag
        while tell in self._singly:  # the broker no longer knows that one, and would close the channel
            tell -= 1
        if self._singly:
            self._singly = {single for single in self._singly if single > tag}
        self._ack(tell, multiple=True)

    async def ack_singly(self, tags: Sequence[int]) -> None:
        """Ack deliveries beyond a gap, as soon as that may be; each is told once, however often it is given."""
        await self._acking.wait()
        for tag in tags:
            if tag not in self._singly:
                self._singly.add(tag)
                self._ack(tag, multiple=False)

    async def acknowledged(self) -> None:
        """Wait until the broker has taken every ack; may raise what the library raises.

        The answer, of a basic.qos, comes behind the deliveries that the broker has sent.
        """
        await self._channel.basic_qos(prefetch_count=self._prefetch.current)

    async def follow_sizes(self) -> None:
        """Raise the prefetch for ever when messages turn out to be small; may raise what the library raises.

        A basic.qos holds for consumers that come after it, and quorum queues know no other: a new consumer comes, then
        the old one goes, since an auto-delete queue ends with its last. Both are on one channel, so that delivery tags
        go on. What was on its way to the old one would be lost and come again out of order, if the queue is a quorum
        queue (seen on 3.10.8): `_on_read` waits for the moment in which nothing is, and acks are held meanwhile.

        The waits are not bounded: answers come behind deliveries, and are not read while the window is full. Nothing
        depends on them but the acks, and a source's `flush` bounds its own wait for those.
        """
        while True:
            await self._resize.wait()
            self._resize.clear()
            old, self._prefetch.current = self._tag, self._prefetch.next
            await self._consume()
            await self._channel.basic_cancel(old)
            self._acking.set()
            held, self._held = self._held, 0
            self._ack(held, multiple=True)

    async def _consume(self) -> None:
        await self._channel.basic_qos(prefetch_count=self._prefetch.current)
        self._tag = await consume(self._channel, self._queue)

    def _on_read(self, messages: int, size: int) -> None:
        """Count what came, and see whether the prefetch is exhausted and worth raising: then nothing is on its way."""
        self.newest += messages
        self._prefetch.saw(messages, size)
        if self._prefetch.due and self._acking.is_set():
            unacked = self.newest - max(self._told, self._before) - len(self._singly)
            if unacked >= self._prefetch.current:
                self._before = self.newest
                self._acking.clear()
                self._resize.set()

    def _ack(self, tag: int, multiple: bool) -> None:
        if not self._acking.is_set():
            self._held = tag
        elif tag > 0 and not self._reader.closed:
            if multiple:
                self._told = tag
            self._reader.transport.write(ack_frame(self._channel.number, tag, multiple))
