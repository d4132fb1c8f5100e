"""`fedbridge show`: the settings that are in effect, without secrets."""

import json
from pathlib import Path

import typer

from bridge.wiring import instance_of
from config import load
from config.shown import effective, literal
from config.toml import dumps


def show(config: Path, output: str) -> None:
    """Print the settings as TOML, which loads again but for the secrets, or as JSON; raises ConfigError."""
    settings = load(config)
    shown = effective(settings, instance_of(settings))
    if output == "json":
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        typer.echo(dumps(literal(shown)), nl=False)
