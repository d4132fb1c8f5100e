"""What the demo found, as values: what was sent, what arrived where, and whether that is the same (pure)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

OUTCOMES = ("delivered", "dead", "dropped", "filtered", "returned")
_SHOWN = 5


class Chapter(NamedTuple):
    """One part of the story: its title, and the texts that were sent and that arrived at each place, in order."""

    title: str
    sent: Sequence[str]
    arrived: Mapping[str, Sequence[str]]

    def problems(self) -> list[str]:
        """What is wrong, for a person; empty when everything arrived everywhere, once and in order."""
        found = []
        for place, got in self.arrived.items():
            if wrong := difference(self.sent, got):
                found.append(f"{self.title}: {place}: {wrong}")
        return found


class Findings(NamedTuple):
    """What the story showed: its chapters, and the bridge's counters for each of its runs."""

    chapters: Sequence[Chapter]
    runs: Sequence[tuple[str, Mapping[str, int]]]

    def problems(self) -> list[str]:
        """What is wrong, for a person; empty when everything arrived."""
        wrong = [problem for chapter in self.chapters for problem in chapter.problems()]
        for name, counts in self.runs:
            if not at_rest(counts, counts["delivered"]):
                wrong.append(f"{name}: the counters do not add up: {dict(counts)}")
        return wrong


def difference(sent: Sequence[str], got: Sequence[str]) -> str | None:
    """How what arrived differs from what was sent, or None."""
    if list(got) == list(sent):
        return None
    parts = []
    if missing := [text for text in sent if text not in set(got)]:
        parts.append(f"{len(missing)} missing ({_some(missing)})")
    if foreign := [text for text in got if text not in set(sent)]:
        parts.append(f"{len(foreign)} not sent ({_some(foreign)})")
    first = list(dict.fromkeys(got))
    if twice := len(got) - len(first):
        parts.append(f"{twice} more than once")
    if not missing and not foreign and first != list(dict.fromkeys(sent)):
        parts.append("in another order")
    return ", ".join(parts) or "fewer of the same than were sent"


def counters(exposition: str) -> dict[str, int]:
    """The counts of messages by their fate, over all routes, from the text of /metrics: received and each outcome."""
    counts = dict.fromkeys(("received", *OUTCOMES), 0)
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == "fedbridge_messages_received_total":
                counts["received"] += int(sample.value)
            elif sample.name == "fedbridge_messages_total" and sample.labels.get("outcome") in OUTCOMES:
                counts[sample.labels["outcome"]] += int(sample.value)
    return counts


def at_rest(counts: Mapping[str, int], delivered: int) -> bool:
    """Whether so many were delivered and every message that was received is accounted for."""
    return counts["delivered"] == delivered and counts["received"] == sum(counts[outcome] for outcome in OUTCOMES)


def arrivals(chapters: Sequence[Chapter]) -> Table:
    """What was sent and what arrived where."""
    table = Table("", "sent", "arrived at", "", "", title="What was sent and what arrived")
    for chapter in chapters:
        for number, (place, got) in enumerate(chapter.arrived.items()):
            told = (chapter.title, str(len(chapter.sent))) if not number else ("", "")
            verdict = "[red]wrong[/]" if difference(chapter.sent, got) else "[green]all, in order[/]"
            table.add_row(*told, place, str(len(got)), verdict)
    return table


def tallies(runs: Sequence[tuple[str, Mapping[str, int]]]) -> Table:
    """The bridge's counters, a row for each of its runs."""
    table = Table("", "received", *OUTCOMES, title="The bridge's counters (/metrics)")
    for name, counts in runs:
        table.add_row(name, str(counts["received"]), *(str(counts[outcome]) for outcome in OUTCOMES))
    return table


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
