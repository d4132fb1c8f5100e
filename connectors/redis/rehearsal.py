"""What Redis would be given of a message, and give to a consumer: an XADD out of the encoder, its fields in again."""

from typing import Final

import hiredis

from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.rehearsal import Rehearse, only
from config.redis import RedisSinkSettings
from connectors.redis.codec import Encoder
from connectors.redis.decoder import Decoder
from connectors.redis.fields import BODY
from connectors.redis.ledger import Ledger, Window
from connectors.redis.packer import Packer

_ENTRY: Final = b"0-1"


def rehearse(settings: RedisSinkSettings, max_hops: int) -> Rehearse:
    """Make the rehearsal of a target; see `bridge.rehearsal`."""
    packer = Packer(settings.stream, Encoder(settings.max_length), Guard("", max_hops))
    before = 3 if settings.max_length is None else 6  # words before the fields: XADD, the stream, options, the id
    decoder = Decoder("", BODY, "json")

    def rehearsed(message: Message) -> Message | Outcome:
        parts: list[bytes] = []
        if refused := packer.pack([message], parts):
            return refused[0][1]
        reader = hiredis.Reader()
        reader.feed(b"".join(parts))
        words = reader.gets()
        stream = words[1].decode("utf-8", "surrogateescape")
        ledger = Ledger(stream, Window())
        return only(decoder.deliveries([(_ENTRY, words[before:])], ledger, redelivered=False))

    return rehearsed
