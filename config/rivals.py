"""Whether two routes would take each other's messages: one MQTT session, or one consumer of a Redis group. Pure."""

from typing import NamedTuple

from config.mqtt import MqttSourceSettings
from config.names import Names
from config.redis import RedisSourceSettings
from config.settings import SourceSettings


class Reader(NamedTuple):
    """A route that reads: its name, its source, and the source's own names."""

    route: str
    source: SourceSettings
    own: Names


class Rivalry(NamedTuple):
    """The key of the second reader's source that gives it what the first has too, and a sentence."""

    key: str
    text: str


def rivalry(first: Reader, second: Reader) -> Rivalry | None:
    """What two routes that read at one broker contend for; None if each has its own."""
    one, other = first.source, second.source
    if isinstance(one, MqttSourceSettings) and isinstance(other, MqttSourceSettings):
        client_id = one.client_id or first.own.client_id
        if client_id == (other.client_id or second.own.client_id):
            return Rivalry(
                "client_id",
                f"client id {client_id} is that of routes.{first.route} too, and each would end the other's "
                "connection; give each route one of its own",
            )
    if isinstance(one, RedisSourceSettings) and isinstance(other, RedisSourceSettings):
        group, consumer = one.group or first.own.group, one.consumer or first.own.consumer
        shared = [stream for stream in one.streams if stream in other.streams]
        if shared and (group, consumer) == (other.group or second.own.group, other.consumer or second.own.consumer):
            return Rivalry(
                "group",
                f"consumer {consumer} of group {group} reads stream {shared[0]} for routes.{first.route} too, and "
                "each would take the other's entries; give each route a group, or to divide the entries a consumer, "
                "of its own",
            )
    return None
