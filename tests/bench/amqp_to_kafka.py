"""fedbridge beside mq-bridge 1.2.0, AMQP -> Kafka, alternately: `.venv/bin/python -m tests.bench.amqp_to_kafka`.

The load is 256-byte persistent messages with five properties and three headers, confirmed in a durable queue before the
relay starts; the topic has four partitions, and both relays key the records by message_id. Both run at least once: the
record is confirmed by all replicas before the message is acknowledged. Absolute numbers depend on the machine and its
mood, so the two take turns, in changing order, and the ratio of the medians is what counts. Nothing is asserted.

fedbridge runs with its defaults. mq-bridge's `batch_size`, `prefetch_count` and `concurrency` were tried, 30,000
messages three times each on a busy machine, median messages/s (CPU-s per 100,000): 256, 2,000, 1: 14,000 (2.8), the
default here; 512, 10,000, 1: 10,000 (3.4); 2,000, 10,000, 1: 9,900 (2.7); 4,000, 20,000, 1: 11,000 (3.2); 512, 10,000,
2: 8,500 (4.1). Its own default prefetch of 100 used the most CPU of all: 5.1 and 5.6 in two runs of 20,000. It writes
fewer headers than fedbridge: content_type, timestamp, type and app_id do not cross.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.demo import brokers
from bridge.cli.demo.errors import Unavailable
from tests.bench import relays, report
from tests.bench.measure import Run, measure
from tests.bench.relays import Endpoints, Relay, Tuning

_DEFAULTS = Tuning()


def main(
    *,
    messages: Annotated[int, typer.Option(min=1, help="Messages in each run.")] = 60_000,
    pairs: Annotated[int, typer.Option(min=0, help="Runs of each relay.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Write every run and the medians there.")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="One more run of fedbridge under py-spy: .svg is a flame graph, else raw stacks."),
    ] = None,
    batch: Annotated[int, typer.Option(help="mq-bridge's batch_size.")] = _DEFAULTS.batch,
    prefetch: Annotated[int, typer.Option(help="mq-bridge's prefetch_count.")] = _DEFAULTS.prefetch,
    concurrency: Annotated[int, typer.Option(help="mq-bridge's concurrency.")] = _DEFAULTS.concurrency,
) -> None:
    """Measure both relays alternately and print what they did.

    Uses FEDBRIDGE_TEST_AMQP_URL and FEDBRIDGE_TEST_KAFKA_URL, else starts brokers of its own for the time it runs.
    """
    tuning = Tuning(batch, prefetch, concurrency)
    ours, peer = relays.fedbridge(), relays.mq_bridge(tuning)
    try:
        with brokers.running(_say) as both, tempfile.TemporaryDirectory(prefix="fedbridge-bench-") as folder:
            endpoints = Endpoints(both.amqp_url, both.kafka_bootstrap)
            if pairs:
                _say("warming up the brokers")
                asyncio.run(_alternate(endpoints, iter((ours, peer)), max(1, messages // 4), Path(folder)))
            runs = asyncio.run(_alternate(endpoints, _turns(ours, peer, pairs), messages, Path(folder)))
            if profile is not None:
                run = asyncio.run(measure(ours, endpoints, messages, Path(folder), profile))
                _say(f"under py-spy {_told(run)}; stacks in {profile}")
    except Unavailable as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if runs:
        Console(width=100).print(report.table(runs, ours.name, peer.name))
        if json is not None:
            settings: dict[str, object] = {"messages": messages, "pairs": pairs, "mq-bridge": tuning._asdict()}
            report.write(json, runs, ours.name, peer.name, settings)


def _turns(ours: Relay, peer: Relay, pairs: int) -> Iterator[Relay]:
    """Give the relays in turn, each pair in the other order than the one before."""
    for number in range(pairs):
        yield from (ours, peer) if number % 2 == 0 else (peer, ours)


async def _alternate(endpoints: Endpoints, turns: Iterator[Relay], messages: int, folder: Path) -> list[Run]:
    runs: list[Run] = []
    for relay in turns:
        run = await measure(relay, endpoints, messages, folder)
        _say(_told(run))
        runs.append(run)
    return runs


def _told(run: Run) -> str:
    return f"{run.relay}: {run.rate:,.0f} messages/s, {run.cpu:.2f} CPU-s per 100,000 {run.problems}".rstrip()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
