"""What Kafka would be given of a message, and give to a consumer: a record out of the encoder, into the decoder."""

from typing import Final

from bridge.errors import Unmappable
from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.rehearsal import Rehearse, only, refused
from bridge.templates import render_text
from config.kafka import KafkaSinkSettings
from connectors.kafka.batches import key_of, unkeyed
from connectors.kafka.codec import Encoder
from connectors.kafka.courses import lost, unfit
from connectors.kafka.decoder import Decoder
from connectors.kafka.records import PlainRecord

_NO_TIMESTAMP: Final = -1


def rehearse(settings: KafkaSinkSettings, max_hops: int) -> Rehearse:
    """Make the rehearsal of a target; see `bridge.rehearsal`.

    The time that a producer gives a record which has none is not there.
    """
    topic_of, record_key = render_text(settings.topic), key_of(settings)
    guard, encoder, decoder = Guard("", max_hops), Encoder(), Decoder("")

    def rehearsed(message: Message) -> Message | Outcome:
        topic = topic_of(message)
        if topic is None:
            return lost(settings.topic, message)
        outcome = unfit(topic) or guard.judge(message.path, topic)
        if outcome is not None:
            return outcome
        try:
            key, value, timestamp, headers = encoder.record(message, record_key(message))
        except UnicodeEncodeError as error:
            return unkeyed(error)
        except Unmappable as error:
            return refused(error)
        sent = _NO_TIMESTAMP if timestamp is None else timestamp
        return only(decoder.deliveries([PlainRecord(0, sent, 0, key, value, headers)], topic, 0, 0))

    return rehearsed
