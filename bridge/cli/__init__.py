"""The command line: one file per command group, and heavy modules are imported when their command runs.

Exit codes: 0 ok; 1 negative result; 2 usage; 69 broker or daemon unreachable; 70 bug; 78 configuration. Data goes to
stdout, notices and progress to stderr.
"""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `fedbridge --help` is prompt

import os
import sys
import traceback
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

DEFAULT_CONFIG = Path("/etc/fedbridge/fedbridge.toml")


class Exit(IntEnum):
    """What the exit code of a command says."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    UNREACHABLE = 69
    BUG = 70
    CONFIGURATION = 78
    INTERRUPTED = 130
    TERMINATED = 143


app = typer.Typer(
    name="fedbridge",
    help="Federates RabbitMQ, Kafka, MQTT and Redis: relays between all of them, and loses nothing on the way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path,
    typer.Option(
        "-c", "--config", metavar="FILE|DIR", envvar="FEDBRIDGE_CONFIG", help="A TOML file, or a directory of them."
    ),
]


Output = Literal["toml", "json"]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        try:
            typer.echo(metadata.version("fedbridge"))
        except metadata.PackageNotFoundError:
            typer.echo("unknown: fedbridge runs from its sources and is not installed", err=True)
            raise typer.Exit(Exit.NEGATIVE) from None
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Federates RabbitMQ, Kafka, MQTT and Redis: relays between all of them, and loses nothing on the way."""


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the bridge until SIGTERM, which drains it."""
    from bridge.cli.run import run as start

    start(config)


@app.command()
def check(
    config: Config = DEFAULT_CONFIG,
    connect: Annotated[
        bool, typer.Option("--connect", help="Look at the brokers too: what is missing there, and how to make it.")
    ] = False,
) -> None:
    """Check a configuration and say what each route guarantees, and why."""
    from bridge.cli.check import check as examine

    examine(config, connect=connect)


@app.command()
def show(
    config: Config = DEFAULT_CONFIG,
    output: Annotated[Output, typer.Option("-o", "--output", help="As TOML, which loads again, or as JSON.")] = "toml",
) -> None:
    """Print the settings in effect: defaults, files, secrets and environment together, with secrets masked."""
    from bridge.cli.show import show as tell

    tell(config, output)


@app.command("test")
def attempt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file of tests.")],
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Test routes without brokers: messages in, and what each target gets of them."""
    from bridge.cli.testing.command import run_tests

    run_tests(file, config)


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors: #:schema at the top of a file names it."""
    from bridge.cli.schema import schema as tell

    tell()


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything up and print the addresses.")] = False,
    messages: Annotated[int, typer.Option(min=1, help="How many updates are published at first.")] = 20,
    brokers_only: Annotated[
        bool, typer.Option("--brokers-only", help="Start the brokers in the background and print their addresses.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep or --brokers-only left up.")] = False,
) -> None:
    """Run the founding story on real brokers, step by step: RabbitMQ to Kafka, MQTT and Redis, and back from each."""
    from bridge.cli.demo.command import demo as play

    play(keep=keep, messages=messages, brokers_only=brokers_only, stop=stop)


@app.command()
def version() -> None:
    """Print the version."""
    _print_version(True)


def main() -> None:
    """Run the command and turn errors into exit codes: no traceback reaches a user, unless FEDBRIDGE_DEBUG=1."""
    from config.errors import ConfigError

    try:
        app()
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(Exit.CONFIGURATION)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever arrives here is a bug and is told as one
        if os.environ.get("FEDBRIDGE_DEBUG") == "1":
            traceback.print_exc()
        reason = " ".join(str(error).split())
        print(
            f"bug: {type(error).__name__}: {reason}; please report it (FEDBRIDGE_DEBUG=1 shows where)", file=sys.stderr
        )
        sys.exit(Exit.BUG)
