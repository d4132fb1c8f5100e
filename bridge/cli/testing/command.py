"""`fedbridge test`: a line for each test, and for one that failed what it got instead of what it expects."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import typer

from bridge.cli import Exit
from bridge.cli.testing.differences import differences
from bridge.cli.testing.messages import message_of
from bridge.cli.testing.trial import Trials
from config import load
from config.amqp import AmqpSourceSettings
from config.cases import Case, Expected, load_cases
from config.errors import ConfigError, Problem
from config.settings import RouteSettings


def run_tests(file: Path, config: Path) -> None:
    """Run the tests of a file on the routes of a configuration; exits 1 if one failed.

    Raises ConfigError with every problem of both.
    """
    try:
        settings = load(config)
    except ConfigError as error:
        raise ConfigError([*error.problems, *_problems(file)]) from None
    document, cases = load_cases(file, settings)
    trials = Trials(settings)
    failures = 0
    for number, case in enumerate(cases):
        found = list(_failed(case, settings.routes[case.route], trials))
        failures += bool(found)
        where = f" ({document.where(document.index.at['tests', number])})" if found else ""
        typer.echo(_shown(f"{'FAILED' if found else 'ok    '}  {case.name}{where}"))
        for line in found:
            typer.echo(_shown(f"    {line}"))
    typer.echo(f"{len(cases)} test{'s' if len(cases) > 1 else ''}: {len(cases) - failures} ok, {failures} failed")
    raise typer.Exit(Exit.NEGATIVE if failures else Exit.OK)


def _problems(file: Path) -> Sequence[Problem]:
    """What is wrong with the tests themselves, whatever the routes are."""
    try:
        load_cases(file, None)
    except ConfigError as error:
        return error.problems
    return ()


def _failed(case: Case, route: RouteSettings, trials: Trials) -> Iterator[str]:
    """What a test did not get as it expects, by target; nothing if it passed."""
    source = route.source.settings
    exchange = source.exchange if isinstance(source, AmqpSourceSettings) else None
    got = trials.of(case.route, message_of(case.message, source.kind, exchange or ""))
    kinds = {target.name: target.kind for target in route.targets.settings}
    for name, expected in _by_target(case, kinds).items():
        lines = list(differences(expected, got[name], kinds[name]))
        if lines:
            yield name
            yield from (f"  {line}" for line in lines)


def _by_target(case: Case, targets: Mapping[str, object]) -> Mapping[str, Expected]:
    if isinstance(case.expect, dict):
        return case.expect
    return dict.fromkeys(targets, case.expect)


def _shown(text: str) -> str:
    """The text with what a terminal would act on escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
