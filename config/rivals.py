"""Whether two ends of routes would take each other's place: an MQTT session, or a consumer of a Redis group. Pure."""

from typing import NamedTuple

from config.mqtt import MqttSinkSettings, MqttSourceSettings
from config.names import Names
from config.redis import RedisSourceSettings
from config.settings import SinkSettings, SourceSettings


class End(NamedTuple):
    """A source or a target, its place in the configuration ("routes.x.from.mqtt"), and its route's own names."""

    place: str
    settings: SourceSettings | SinkSettings
    own: Names


class Rivalry(NamedTuple):
    """The key of the second end that gives it what the first has too, and a sentence."""

    key: str
    text: str


def rivalry(first: End, second: End) -> Rivalry | None:
    """What two ends at one broker contend for; None if each has its own."""
    client_id = _client_id(first)
    if client_id is not None and client_id == _client_id(second):
        key, what = ("client_id", "session") if isinstance(second.settings, MqttSourceSettings) else ("name", "target")
        text = f"client id {client_id} is that of {first.place} too, and each would end the other's connection; "
        return Rivalry(key, f"{text}give this {what} another {key}")
    one, other = first.settings, second.settings
    if isinstance(one, RedisSourceSettings) and isinstance(other, RedisSourceSettings):
        group, consumer = one.group or first.own.group, one.consumer or first.own.consumer
        shared = [stream for stream in one.streams if stream in other.streams]
        if shared and (group, consumer) == (other.group or second.own.group, other.consumer or second.own.consumer):
            text = (
                f"consumer {consumer} of group {group} reads stream {shared[0]} for {first.place} too, and each would "
                "take the other's entries; give this source another group, or to divide the entries another consumer"
            )
            return Rivalry("group", text)
    return None


def _client_id(end: End) -> str | None:
    """The name of its MQTT session; None if it has none."""
    if isinstance(end.settings, MqttSourceSettings):
        return end.settings.client_id or end.own.client_id
    return end.own.client_id_of(end.settings.name) if isinstance(end.settings, MqttSinkSettings) else None
