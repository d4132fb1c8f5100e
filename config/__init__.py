"""The configuration of fedbridge: what operators write, read into frozen values.

`load(path)` reads TOML (a file, or all `*.toml` of a directory), expands `${NAME}` in its strings, lays a directory of
secrets and then the environment (`FEDBRIDGE_ROUTES__ORDERS__WINDOW__MESSAGES=10`) over it, and gives `Settings`; or it
raises `ConfigError` with every problem, each with file, line and column, key, and what to do.

    documents.py    reads and merges files          settings.py     the models: every key, its type and description;
    positions.py    where each key stands                           brokers.py, amqp.py, kafka.py, mqtt.py, redis.py:
    expand.py       ${NAME}, ${file:PATH}                           the larger tables
    overrides.py    environment and secrets         values.py       durations, sizes, names
    shape.py        which keys a table may have     urls.py         amqp://…, kafka://…, mqtt://… and redis://…
    messages.py     pydantic's errors in words      templates.py    {message_id}, {header.NAME:default}
    load.py         all of it in order              filters.py      what MQTT topic filters have in common
    schema.py       the JSON schema                 consistency.py  whether the parts fit each other
    shown.py        what is in effect, no secrets   loops.py        whether a target is its route's own source
    toml.py         writes TOML                     rivals.py       whether two routes take each other's messages
    arguments.py    of queues: what RabbitMQ takes  names.py        what sources are called by default
    mapping.py      rules: names and values         conditions.py   filters, in CEL
    places.py       where what is wrong was written cases.py        tests of routes; typed.py and written.py: the
                                                                    typed values in them

To add a setting: add the field to its model, with a description, and to fedbridge.example.toml, and make the schema
anew: `fedbridge schema > config/fedbridge.schema.json`. A rule about one table is a validator of its model; a rule
about several is in consistency.py.
"""

from config.brokers import BrokerSettings
from config.errors import ConfigError, Problem
from config.load import load
from config.settings import RouteSettings, Settings
from config.templates import Template, TemplateField
from config.urls import BrokerUrl
from config.values import Kind

__all__ = [
    "BrokerSettings",
    "BrokerUrl",
    "ConfigError",
    "Kind",
    "Problem",
    "RouteSettings",
    "Settings",
    "Template",
    "TemplateField",
    "load",
]
