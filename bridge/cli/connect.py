"""`fedbridge check --connect`: what the enabled routes need at their brokers, and what of it is there."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.cli import Exit
from bridge.errors import Disconnected, RouteFault
from bridge.findings import FAULTS, End, Finding, Verdict
from bridge.wiring import ends_of, survey
from config import BrokerSettings, Settings

# What keeps somebody from connecting, by RouteFault's reason; all others are conflicts.
_VERDICTS: Final[Mapping[str, Verdict]] = {
    "authentication": "forbidden",
    "forbidden": "forbidden",
    "missing": "missing",
}


class Surveyed(NamedTuple):
    """What was found: for each end, by its key, its broker and the findings; and why a broker was not reached."""

    brokers: Mapping[str, str]
    findings: Mapping[str, Sequence[Finding]]
    away: Mapping[str, str]

    @property
    def exit(self) -> Exit:
        """What the exit code has to say."""
        if self.away:
            return Exit.UNREACHABLE
        faulty = any(finding.verdict in FAULTS for found in self.findings.values() for finding in found)
        return Exit.NEGATIVE if faulty else Exit.OK

    def lines(self, route: str) -> Iterator[str]:
        """What there is to say of one route, end by end."""
        for key, broker in self.brokers.items():
            if not key.startswith(f"routes.{route}."):
                continue
            yield f"  at {broker}, for {key.removeprefix(f'routes.{route}.')}:"
            for finding in self.findings[key]:
                yield f"    {finding.verdict:<10} {finding.text}"
                yield from (f"    {'':<10}   {remedy}" for remedy in finding.remedies)
            if broker in self.away:
                yield f"    {'away':<10} {self.away[broker]}"
            elif not self.findings[key]:
                yield f"    {'unknown':<10} depends on the message, not looked up"

    def summary(self) -> Iterator[str]:
        """What there is to say of all routes together: each fault and each way to mend it once, or that all is well."""
        faults: dict[tuple[str, str], list[str]] = {}
        remedies: dict[str, None] = {}
        for key, finding in ((key, each) for key, found in self.findings.items() for each in found):
            if finding.verdict in FAULTS:
                faults.setdefault((finding.verdict, finding.text), []).append(key)
                remedies |= {remedy: None for remedy in finding.remedies if not remedy.startswith("or ")}
        told = [(verdict, f"{', '.join(keys)}: {text}") for (verdict, text), keys in faults.items()]
        told += [("away", f"{broker}: {text}") for broker, text in sorted(self.away.items())]
        if told:
            yield f"{len(told)} thing{' keeps' if len(told) == 1 else 's keep'} routes from working:"
            yield from (f"  {verdict:<10} {text}" for verdict, text in told)
            yield from ("What helps:", *(f"  {remedy}" for remedy in remedies)) if remedies else ()
        elif self.brokers:
            where = ", ".join(dict.fromkeys(self.brokers.values()))
            yield f"All is well: nothing that the enabled routes need is missing at {where}."
        else:
            yield "No route is enabled, so nothing was looked up."


async def surveyed(settings: Settings) -> Surveyed:
    """Look at the brokers of all enabled routes, at once; takes as long as the slowest, bounded by its timeouts."""
    ends = ends_of(settings)
    findings: dict[str, list[Finding]] = {end.key: [] for _, end in ends}
    away: dict[str, str] = {}
    async with asyncio.TaskGroup() as tasks:
        for name in dict.fromkeys(name for name, _ in ends):
            its_ends = [end for its_broker, end in ends if its_broker == name]
            look = _look(name, settings.brokers[name], its_ends, findings, away)
            tasks.create_task(look, name=f"check {name}")
    brokers = {end.key: name for name, end in ends}
    return Surveyed(brokers, settled(brokers, findings), away)


def settled(brokers: Mapping[str, str], findings: Mapping[str, Sequence[Finding]]) -> dict[str, list[Finding]]:
    """The findings of each end, where what is missing for one and made by another at its broker counts as created."""
    makers: dict[tuple[str, str | None], str] = {
        (brokers[key], finding.thing): key.split(".")[1]
        for key, found in findings.items()
        for finding in found
        if finding.verdict == "created" and finding.thing is not None
    }

    def seen(key: str, finding: Finding) -> Finding:
        maker = makers.get((brokers[key], finding.thing)) if finding.verdict == "missing" else None
        text = f"{finding.thing} is not there yet and will be created by route {maker}"
        return finding if maker is None else Finding("created", text, thing=finding.thing)

    return {key: [seen(key, finding) for finding in found] for key, found in findings.items()}


async def _look(
    name: str, broker: BrokerSettings, ends: Sequence[End], findings: dict[str, list[Finding]], away: dict[str, str]
) -> None:
    try:
        await survey(broker, ends, lambda end, finding: findings[end.key].append(finding))
    except Disconnected as error:
        away[name] = str(error)
    except RouteFault as error:
        fault = Finding(_VERDICTS.get(error.reason, "conflict"), str(error))
        for end in ends:
            findings[end.key].append(fault)
