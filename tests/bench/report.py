"""What the runs say together: medians, spread and ratios, as a table for people and as values for JSON."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from rich.table import Table

from tests.bench.measure import Run


class Summary(NamedTuple):
    """Median, lowest and highest of one relay's runs, in the units of `Run`."""

    rate: tuple[float, float, float]
    cpu: tuple[float, float, float]
    own: tuple[float, float, float]
    peak: tuple[float, float, float]


def summary(runs: Sequence[Run], relay: str) -> Summary:
    """Summarise the runs of one relay, at least one."""
    own = [run for run in runs if run.relay == relay]
    columns = zip(*((run.rate, run.cpu, run.own, run.peak) for run in own), strict=True)
    return Summary(*((median(values), min(values), max(values)) for values in columns))


def table(title: str, runs: Sequence[Run], ours: str, peers: Sequence[str]) -> Table:
    """Show every run, then the medians with lowest and highest, then ours by each peer's."""
    brokers = any(run.cpu > run.own for run in runs)
    shown = Table(
        "",
        "messages/s",
        "CPU-s per 100k, with RabbitMQ's" if brokers else "CPU-s per 100k",
        "peak MiB",
        "",
        title=f"{title}, {runs[0].messages} messages",
    )
    for run in runs:
        cpu = f"{run.cpu:.2f} (own {run.own:.2f})" if brokers else f"{run.cpu:.2f}"
        shown.add_row(run.relay, f"{run.rate:,.0f}", cpu, f"{run.peak / 2**20:.0f}", run.problems or "all")
    shown.add_section()
    for relay in (ours, *peers):
        rate, cpu_time, own, peak = summary(runs, relay)
        spread = f"{cpu_time[0]:.2f} ({cpu_time[1]:.2f}-{cpu_time[2]:.2f})"
        shown.add_row(
            f"{relay}, median",
            f"{rate[0]:,.0f} ({rate[1]:,.0f}-{rate[2]:,.0f})",
            f"{spread}, own {own[0]:.2f}" if brokers else spread,
            f"{peak[0] / 2**20:.0f}",
        )
    for peer in peers:
        ratio = _ratios(runs, ours, peer)
        shown.add_row(f"{ours} / {peer}", *(_shown(ratio[name]) for name in ("rate", "cpu", "peak")))
    return shown


def document(runs: Sequence[Run], ours: str, peers: Sequence[str], settings: dict[str, object]) -> dict[str, object]:
    """Give settings, every run, the summaries and the ratios of the medians, for JSON."""
    return {
        "settings": settings,
        "runs": [run._asdict() for run in runs],
        "median_lowest_highest": {relay: summary(runs, relay)._asdict() for relay in (ours, *peers)},
        "ratios_of_medians": {peer: _ratios(runs, ours, peer) for peer in peers},
    }


def _ratios(runs: Sequence[Run], ours: str, peer: str) -> dict[str, float | None]:
    """Ours by the peer's; None where the peer has none, as a shovel has no memory of its own."""
    pairs = zip(Summary._fields, summary(runs, ours), summary(runs, peer), strict=True)
    return {name: left[0] / right[0] if right[0] else None for name, left, right in pairs}


def _shown(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
