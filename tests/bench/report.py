"""What the runs say together: medians, spread and ratios, as a table for people and as JSON for programs."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson
from rich.table import Table

from tests.bench.measure import Run


class Summary(NamedTuple):
    """Median, lowest and highest of one relay's runs; `rate` in messages/s, `cpu` in s per 100,000, `peak` in bytes."""

    rate: tuple[float, float, float]
    cpu: tuple[float, float, float]
    peak: tuple[float, float, float]


def summary(runs: Sequence[Run], relay: str) -> Summary:
    """Summarise the runs of one relay, at least one."""
    own = [run for run in runs if run.relay == relay]
    return Summary(*(_spread(values) for values in zip(*((run.rate, run.cpu, run.peak) for run in own), strict=True)))


def table(runs: Sequence[Run], ours: str, peer: str) -> Table:
    """Show every run, then the medians with lowest and highest, then ours by the peer's."""
    shown = Table(
        "", "messages/s", "CPU-s per 100k", "peak MiB", "", title=f"AMQP -> Kafka, {runs[0].messages} messages"
    )
    for run in runs:
        shown.add_row(run.relay, f"{run.rate:,.0f}", f"{run.cpu:.2f}", f"{run.peak / 2**20:.0f}", run.problems or "all")
    shown.add_section()
    for relay in (ours, peer):
        rate, cpu, peak = summary(runs, relay)
        shown.add_row(
            f"{relay}, median",
            f"{rate[0]:,.0f} ({rate[1]:,.0f}-{rate[2]:,.0f})",
            f"{cpu[0]:.2f} ({cpu[1]:.2f}-{cpu[2]:.2f})",
            f"{peak[0] / 2**20:.0f}",
        )
    ratios = _ratios(runs, ours, peer)
    shown.add_row(f"{ours} / {peer}", *(f"{ratio:.2f}" for ratio in ratios.values()))
    return shown


def write(path: Path, runs: Sequence[Run], ours: str, peer: str, settings: dict[str, object]) -> None:
    """Write settings, every run, the summaries and the ratios of the medians as JSON."""
    document = {
        "settings": settings,
        "runs": [run._asdict() for run in runs],
        "median_lowest_highest": {relay: summary(runs, relay)._asdict() for relay in (ours, peer)},
        "ratios_of_medians": _ratios(runs, ours, peer),
    }
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _ratios(runs: Sequence[Run], ours: str, peer: str) -> dict[str, float]:
    pairs = zip(Summary._fields, summary(runs, ours), summary(runs, peer), strict=True)
    return {name: left[0] / right[0] if right[0] else 0.0 for name, left, right in pairs}


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)
