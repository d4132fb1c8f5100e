"""Configurations to begin with, and what is said of them."""

from pathlib import Path

import pytest

from config import ConfigError, Settings, load

BROKERS = """\
[brokers.rabbit]
url = "amqp://localhost"
[brokers.kafka]
url = "kafka://localhost"
"""
ROUTE = """\
[routes.orders]
from.amqp = { queue = "orders" }
to.kafka = { topic = "orders" }
"""
VALID = BROKERS + ROUTE
MORE = BROKERS + "[brokers.mosquitto]\nurl = 'mqtt://u:p@localhost'\n[brokers.redis]\nurl = 'redis://:p@localhost/1'\n"


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """The lines about a configuration, with FILE for the path of the file."""
    file = tmp_path / "fedbridge.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ or {}, tmp_path / "no-secrets")
    lines = [str(problem) for problem in caught.value.problems]
    assert str(caught.value) == "\n".join(lines)
    return [line.replace(str(file), "FILE") for line in lines]


def loads(tmp_path: Path, text: str) -> Settings:
    """The settings of a configuration that is right."""
    file = tmp_path / "fedbridge.toml"
    file.write_text(text)
    return load(file, {}, tmp_path / "no-secrets")
