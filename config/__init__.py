"""The configuration of fedbridge: what operators write, read into frozen values.

`load(path)` reads TOML (a file, or all `*.toml` of a directory), expands `${NAME}` in its strings, lays a directory of
secrets and then the environment (`FEDBRIDGE_ROUTES__ORDERS__WINDOW__MESSAGES=10`) over it, and gives `Settings`; or it
raises `ConfigError` with every problem, each with file, line and column, key, and what to do.

    documents.py    reads and merges files          settings.py     the models: every key, its type and description
    positions.py    where each key stands           values.py       durations, sizes, names
    expand.py       ${NAME}, ${file:PATH}           urls.py         amqp://… and kafka://…
    overrides.py    environment and secrets         templates.py    {message_id}, {header.NAME:default}
    shape.py        which keys a table may have     consistency.py  whether the parts fit each other
    messages.py     pydantic's errors in words      load.py         all of it in order

To add a setting: add the field to its model in settings.py, with a description, and to fedbridge.example.toml. A rule
about one table is a validator of its model; a rule about several is in consistency.py.
"""

from config.errors import ConfigError, Problem
from config.load import load
from config.settings import BrokerSettings, RouteSettings, Settings
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
