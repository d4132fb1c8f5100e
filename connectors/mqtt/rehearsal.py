"""What an MQTT 5 broker would be given of a message, and give to a subscriber: a packet out and in again."""

from bridge.message import Message, Outcome
from bridge.paths import Guard
from bridge.rehearsal import Rehearse, as_read
from config.mqtt import MqttSinkSettings
from connectors.mqtt.codec import Encoder
from connectors.mqtt.decoder import Decoder
from connectors.mqtt.packer import Packer
from connectors.mqtt.tap import PacketTap


def rehearse(settings: MqttSinkSettings, max_hops: int) -> Rehearse:
    """Make the rehearsal of a target; see `bridge.rehearsal`.

    The reader is one that is told what is retained, as it is when it was not there before or asks for it.
    """
    encoder = Encoder(settings.qos, settings.retain, None, properties=True)
    packer, decoder = Packer(settings.topic, encoder, Guard("", max_hops)), Decoder("", properties=True)

    def rehearsed(message: Message) -> Message | Outcome:
        packed = packer.pack([message], [1] if settings.qos else None)
        if packed.refused:
            return packed.refused[0][1]
        tap = PacketTap()
        tap.feed(b"".join(packed.blocks))
        return as_read(decoder.decode(tap.publishes[0], 0))

    return rehearsed
