"""What the tests of the Redis codec share: commands read as a server reads them, and entries decoded."""

from collections.abc import Sequence
from typing import Any

import hiredis

from bridge.message import Delivery, Message, Undecodable
from connectors.redis.codec import Encoder
from connectors.redis.decoder import Decoder, NoBody
from connectors.redis.ledger import Ledger, Window

ENTRY = b"1700000000000-7"
UID = "redis:host:6379/0/orders/1700000000000-7"
"""The name of a message that brings none."""

Pairs = Sequence[tuple[bytes, bytes]]


def commands(block: bytes) -> list[list[bytes]]:
    """The commands in a block."""
    reader = hiredis.Reader(notEnoughData=None)
    reader.feed(block)
    found = list(iter(reader.gets, None))
    assert not reader.has_data()
    return found


def encoded(message: Message, encoder: Encoder | None = None) -> list[tuple[bytes, bytes]]:
    """The fields of the entry that a message becomes."""
    parts: list[bytes] = []
    (encoder or Encoder(None)).add(message, b"orders", parts)
    ((name, stream, entry, *fields),) = commands(b"".join(parts))
    assert (name, stream, entry) == (b"XADD", b"orders", b"*")
    return list(zip(fields[::2], fields[1::2], strict=True))


def delivered(pairs: Pairs, body: str = "body", no_body: NoBody = "json", decoder: Decoder | None = None) -> Delivery:
    """What becomes of one entry."""
    fields = [part for pair in pairs for part in pair]
    ledger = Ledger("orders", Window())
    decoder = decoder or Decoder("host:6379/0", body, no_body)
    (delivery,) = decoder.deliveries([(ENTRY, fields)], ledger, False)
    assert delivery.size == sum(map(len, fields))
    return delivery


def decoded(pairs: Pairs, **more: Any) -> Message:
    """The message of such a delivery."""
    message = delivered(pairs, **more).message
    assert isinstance(message, Message)
    return message


def undecodable(pairs: Pairs, **more: Any) -> Undecodable:
    """What such a delivery has instead of a message."""
    message = delivered(pairs, **more).message
    assert isinstance(message, Undecodable)
    return message
