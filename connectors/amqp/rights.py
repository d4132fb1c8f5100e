"""Which rights fedbridge needs at a RabbitMQ, as the patterns and the command that grant them. Pure."""

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bridge.findings import End
from config.amqp import AmqpSinkSettings, AmqpSourceSettings
from config.templates import Template

DEFAULT_EXCHANGE = "amq.default"
"""What RabbitMQ calls the default exchange where it checks rights."""

_NEVER = "check"  # what temporary queues have here is hexadecimal
_SPECIAL = re.compile(r"[\\.^$*+?()\[\]{}|]")


class Rights(NamedTuple):
    """The regular expressions of what is created or compared, written to, and read: one for each name, unanchored."""

    configure: Sequence[str]
    write: Sequence[str]
    read: Sequence[str]


def needed(ends: Iterable[End]) -> Rights:
    """Everything that the AMQP sources and targets among these need, of one virtual host."""
    configure: dict[str, None] = {}
    write: dict[str, None] = {}
    read: dict[str, None] = {}
    for end in ends:
        if isinstance(end.settings, AmqpSourceSettings):
            queue = queue_pattern(end)
            read[queue] = None
            if end.settings.declares:
                configure[queue] = None
            if end.settings.exchange is not None:
                write[queue] = None
                read[literal(end.settings.exchange)] = None
                if end.settings.exchange_durable is not None:
                    configure[literal(end.settings.exchange)] = None
        elif isinstance(end.settings, AmqpSinkSettings):
            name = template_pattern(end.settings.exchange) or literal(DEFAULT_EXCHANGE)
            write[name] = None
            if end.settings.exchange_durable is not None:
                configure[name] = None
    return Rights(tuple(configure), tuple(write), tuple(read))


def granting(rights: Rights, vhost: str, user: str) -> str:
    """The command that grants exactly these rights, and takes all others."""
    patterns = [f"^({'|'.join(names)})$" if names else "^$" for names in rights]
    return "$ " + shlex.join(["rabbitmqctl", "set_permissions", "-p", vhost, user, *patterns])


def queue_pattern(end: End) -> str:
    """The regular expression of the queue of an AMQP source; a temporary one has another name each time."""
    name = queue_name(end)
    if isinstance(end.settings, AmqpSourceSettings) and end.settings.exclusive and end.settings.queue is None:
        return literal(name.removesuffix(_NEVER)) + ".*"
    return literal(name)


def queue_name(end: End) -> str:
    """The name of the queue of an AMQP source; of a temporary one without a name, one that is never given."""
    settings, own = end.settings, end.place.names.group
    if not isinstance(settings, AmqpSourceSettings) or settings.queue is None:
        temporary = isinstance(settings, AmqpSourceSettings) and settings.exclusive
        return f"{own}.{end.place.instance}-{_NEVER}" if temporary else own
    return settings.queue


def template_pattern(template: Template) -> str:
    """The regular expression of every name that a template may give."""
    return "".join(literal(part) if isinstance(part, str) else ".*" for part in template.parts)


def literal(name: str) -> str:
    """The regular expression of one name."""
    return _SPECIAL.sub(r"\\\g<0>", name)
