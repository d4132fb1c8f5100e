"""What RabbitMQ would be given of a message, and give to a consumer: frames out of the encoder, into the decoder."""

from typing import Final

from bridge.errors import Unmappable
from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.rehearsal import Rehearse, as_read, refused
from config.amqp import AmqpSinkSettings
from config.brokers import BrokerSettings
from connectors.amqp.codec import RawDelivery, decode
from connectors.amqp.destinations import aim
from connectors.amqp.frames import BODY, HEADER, Splitter
from connectors.amqp.places import judge_of
from connectors.amqp.publish import Encoder

_FRAME_MAX: Final = 131_072  # bytes, RabbitMQ's default
_FRAME_HEAD: Final = 7  # bytes
_BEFORE_PROPERTIES: Final = 12  # bytes: class, weight, and the size of the body


def rehearse(broker: BrokerSettings, settings: AmqpSinkSettings, max_hops: int) -> Rehearse:
    """Make the rehearsal of a target; see `bridge.rehearsal`."""
    destination_of = aim(settings, judge_of(settings, Guard("", max_hops)))
    username, _ = broker.login()
    encoder = Encoder(1, _FRAME_MAX, "guest" if username is None else username, settings.persistent)

    def rehearsed(message: Message) -> Message | Outcome:
        destination = destination_of(message)
        if isinstance(destination, Outcome):
            return destination
        frames: list[bytes] = []
        try:
            encoder.add(message, *destination, frames)
        except Unmappable as error:
            return refused(error)
        exchange, key = (name.encode("utf-8", "surrogateescape") for name in destination)
        return as_read(decode(RawDelivery(1, False, exchange, key, *_content(b"".join(frames))), ""))

    return rehearsed


def _content(data: bytes) -> tuple[bytes, bytes]:
    """Properties and body out of the frames of a publish."""
    splitter, at = Splitter(), 0
    found: dict[int, bytes] = {HEADER: b"", BODY: b""}
    while (frame := splitter.frame(data, at)) is not None:
        kind, _, end = frame
        found[kind] = found.get(kind, b"") + data[at + _FRAME_HEAD : end - 1]
        at = end
    return found[HEADER][_BEFORE_PROPERTIES:], found[BODY]
