"""`fedbridge check`: every problem of a configuration, or what each of its routes guarantees and why."""

import asyncio
import logging
from pathlib import Path

import typer

from bridge.cli.cycles import cycles
from bridge.cli.guarantees import block
from bridge.cli.neighbours import shares
from bridge.cli.reversals import reversals
from config import load


def check(config: Path, *, connect: bool = False) -> None:
    """Print one block for each route on stdout; raises ConfigError with every problem if there is one.

    With `connect` each block also says what of the route's is at the brokers, and a last one sums up what is missing;
    exits 1 if something is, 69 if a broker cannot be reached.
    """
    settings = load(config)
    found = None
    if connect:
        from bridge.cli.connect import surveyed  # noqa: PLC0415 - the client libraries are not needed otherwise

        logging.getLogger().addHandler(logging.NullHandler())  # what the libraries would write to stderr is told here
        found = asyncio.run(surveyed(settings))
    blocks = [
        [
            *block(name, route, settings),
            *reversals(name, settings),
            *shares(name, settings),
            *cycles(name, settings),
            *(() if found is None else found.lines(name)),
        ]
        for name, route in settings.routes.items()
    ]
    if found is not None:
        blocks.append([*found.summary()])
    typer.echo("\n\n".join(map("\n".join, blocks)))
    if found is not None:
        raise typer.Exit(found.exit)
