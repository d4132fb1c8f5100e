"""The settings as they are in effect, for people: what was left out is filled in, and what is secret is masked."""

import re
from typing import Any

from config.amqp import AmqpSourceSettings
from config.brokers import BrokerSettings
from config.mqtt import MqttSourceSettings
from config.names import Names
from config.redis import RedisSourceSettings
from config.settings import RouteSettings, Settings

MASK = "***"
"""What is shown of a secret."""

_REFERENCE = re.compile(r"\$(?=[${])")


def effective(settings: Settings, instance: str) -> dict[str, Any]:
    """All settings as JSON has them: defaults, names that follow from others, no secret; None where nothing is set.

    Durations and sizes are texts as they may be written. Without what is None it is a configuration that says the same,
    but for the secrets; `instance` is the name of this replica.
    """
    data = settings.model_dump(mode="json", by_alias=True)
    data["bridge"]["instance"] = instance
    for name, broker in settings.brokers.items():
        _mask(data["brokers"][name], broker)
    for name, route in settings.routes.items():
        _fill(data["routes"][name], settings, name, route, instance)
    return data


def literal(value: Any) -> Any:
    """The same values such that expanding `${…}` in them gives what they are."""
    if isinstance(value, dict):
        return {key: literal(part) for key, part in value.items()}
    if isinstance(value, list):
        return [literal(part) for part in value]
    return _REFERENCE.sub("$$", value) if isinstance(value, str) else value


def _mask(table: dict[str, Any], broker: BrokerSettings) -> None:
    """Show the user name wherever it stands, and of a password only that there is one."""
    in_url = next((url for url in broker.urls if url.username is not None or url.password is not None), None)
    if broker.username is None and in_url is not None:
        table["username"] = in_url.username
    if broker.password is not None or (broker.password_file is None and in_url is not None and in_url.password):
        table["password"] = MASK


def _fill(table: dict[str, Any], settings: Settings, name: str, route: RouteSettings, instance: str) -> None:
    source, own = route.source.settings, Names(settings.bridge.name, name, instance)
    start = table["from"][source.kind]
    start["broker"] = settings.broker_name(source.broker, source.kind)
    if isinstance(source, AmqpSourceSettings):
        start["declare"] = source.declares
        start["binding_keys"] = [] if source.exchange is None else source.keys
        if not source.exclusive:
            start["queue"] = source.queue or own.group
        for key in _NOT_CREATED if not source.declares else _TEMPORARY if source.exclusive else ():
            del start[key]
    elif isinstance(source, MqttSourceSettings):
        start["client_id"] = source.client_id or own.client_id
    elif isinstance(source, RedisSourceSettings):
        start["group"] = source.group or own.group
        start["consumer"] = source.consumer or own.consumer
    else:
        start["group"] = source.group or own.group
    for target in route.targets.settings:
        stated = table["to"][target.kind]
        for each in stated if isinstance(stated, list) else [stated]:
            each["broker"] = settings.broker_name(each["broker"], target.kind)


_NOT_CREATED = ("durable", "auto_delete", "arguments")
"""What may be stated only of a queue that is created."""

_TEMPORARY = ("durable", "auto_delete")
"""What may not be stated of an exclusive queue."""
