"""fedbridge beside its peers, leg by leg, alternately: `.venv/bin/python -m tests.bench --leg kafka-amqp`.

Every relay runs at least once: what it took is acknowledged or committed only after the target has confirmed. Absolute
numbers depend on the machine and its mood, so the relays take turns, in changing order, and the ratio of the medians is
what counts. Nothing is asserted. measure.py says what is timed, legs.py what is measured and how peers were tuned.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import orjson
import typer
from rich.console import Console

from bridge.cli.demo.errors import Unavailable
from tests.bench import report
from tests.bench.ends import Place
from tests.bench.legs import LEGS, Leg
from tests.bench.measure import Run, measure
from tests.bench.relays import Relay, Tuning


class Plan(NamedTuple):
    """What to do on every leg; None: as the leg says."""

    messages: int | None
    pairs: int
    profile: Path | None
    relays: list[str] | None
    batch: int | None
    prefetch: int | None
    concurrency: int | None


def main(
    *,
    leg: Annotated[list[str] | None, typer.Option(help=f"{', '.join(LEGS)}; may be repeated. Default: all.")] = None,
    messages: Annotated[int | None, typer.Option(min=1, help="Messages in each run.")] = None,
    pairs: Annotated[int, typer.Option(min=0, help="Runs of each relay.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write every run and the medians there.")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="One more run of fedbridge under py-spy: .svg is a flame graph, else raw stacks."),
    ] = None,
    relay: Annotated[
        list[str] | None, typer.Option(help="Only these relays; may be repeated. Without fedbridge there is no table.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="The peers' batch size.")] = None,
    prefetch: Annotated[int | None, typer.Option(help="The peers' prefetch.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="The peers' concurrency.")] = None,
) -> None:
    """Measure fedbridge and its peers alternately and print what they did.

    Uses FEDBRIDGE_TEST_{AMQP,KAFKA,MQTT,REDIS}_URL, else starts brokers of its own for each leg's time. The leg
    amqp-amqp always has a RabbitMQ of its own, for the shovel plugin.
    """
    if unknown := set(leg or ()) - LEGS.keys():
        raise typer.BadParameter(f"no leg {', '.join(sorted(unknown))}; there are {', '.join(LEGS)}")
    plan = Plan(messages, pairs, profile, relay, batch, prefetch, concurrency)
    told: dict[str, object] = {}
    try:
        for name in leg or LEGS:
            if measured := _leg(LEGS[name], plan):
                told[name] = measured
    except Unavailable as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    finally:
        if json is not None and told:
            json.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _leg(leg: Leg, plan: Plan) -> dict[str, object] | None:
    """Measure one leg, print its table, and give what to write of it; None where nothing was compared."""
    messages = plan.messages or leg.messages
    peers, tunings = _peers(leg, plan)
    everyone = [leg.ours, *peers] if not plan.relays or leg.ours.name in plan.relays else peers
    with tempfile.TemporaryDirectory(prefix="fedbridge-bench-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        with leg.place(_say, folder) as place:
            if plan.pairs:
                _say(f"{leg.title}: warming up the brokers")
                asyncio.run(_alternate(leg, place, iter(everyone), max(1, messages // 4), folder))
            runs = asyncio.run(_alternate(leg, place, _turns(everyone, plan.pairs), messages, folder))
            if plan.profile is not None:
                run = asyncio.run(measure(leg, leg.ours, place, messages, folder, plan.profile))
                _say(f"under py-spy {_told(run)}; stacks in {plan.profile}")
    if not runs or leg.ours not in everyone:
        return None
    names = [peer.name for peer in peers]
    Console(width=120).print(report.table(leg.title, runs, leg.ours.name, names))
    settings: dict[str, object] = {"messages": messages, "pairs": plan.pairs, **tunings}
    return report.document(runs, leg.ours.name, names, settings)


def _peers(leg: Leg, plan: Plan) -> tuple[list[Relay], dict[str, object]]:
    """Give the leg's chosen peers, and the tuning of each by its name."""
    stated = {name: value for name in Tuning._fields if (value := getattr(plan, name)) is not None}
    chosen, tunings = [], dict[str, object]()
    for peer in leg.peers:
        tuning = peer.tuning._replace(**stated)
        relay = peer.relay(tuning)
        if not plan.relays or relay.name in plan.relays:
            chosen.append(relay)
            tunings[relay.name] = tuning._asdict()
    return chosen, tunings


def _turns(relays: Sequence[Relay], rounds: int) -> Iterator[Relay]:
    """Give the relays in turn, each round in the other order than the one before."""
    for number in range(rounds):
        yield from relays if number % 2 == 0 else reversed(relays)


async def _alternate(leg: Leg, place: Place, turns: Iterator[Relay], messages: int, folder: Path) -> list[Run]:
    runs: list[Run] = []
    for relay in turns:
        run = await measure(leg, relay, place, messages, folder)
        _say(_told(run))
        runs.append(run)
    return runs


def _told(run: Run) -> str:
    return f"{run.relay}: {run.rate:,.0f} messages/s, {run.cpu:.2f} CPU-s per 100,000 {run.problems}".rstrip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
