"""Whether addresses can be told from what becomes of them: the lines that `fedbridge check` prints of it. Pure.

What a route makes of an address is known where its template is made of segments alone, each captured or written out.
Then it is worked out with captures in place of segments: that is a proof, for every address, since for each kind of
target names and segments are one to one (`bridge.addresses`). Other templates are only tried, with addresses that are
hard to carry; and one address for which it goes wrong is enough to say no.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.addresses import joined, segments
from bridge.cli.ways import Form, Way, asked, face, reads, told, ways
from config import Settings
from config.patterns import Capture
from config.settings import SourceSettings
from config.values import Kind

_LONGEST: Final[Mapping[Kind, str]] = {"amqp": "255 bytes", "kafka": "249 characters", "mqtt": "65,535 bytes"}


def reversals(name: str, settings: Settings) -> Iterator[str]:
    """The lines about a route: for each target that is named after segments of the address, and for each way back."""
    for way in ways(name, settings):
        for text in _facts(way, settings):
            yield f"  {'addresses':<10} {way.target.name}: {text}"


def _facts(way: Way, settings: Settings) -> Iterator[str]:
    if way.template is not None and any(field.of_address for field in way.template.fields):
        yield _one_way(way)
    for other, route in settings.routes.items():
        if other == way.route or not (route.enabled and settings.routes[way.route].enabled):
            continue
        for back in ways(other, settings):
            if way.carries and back.carries and face(way, back, settings):
                yield _and_back(way, back)


def _one_way(way: Way) -> str:
    """Whether two addresses may become one."""
    shown = f"{way.source.match or '{address...}'} becomes {way.template}"
    made = way.makes(way.matched)
    if made is not None and _tells(made, way.matched):
        return f"{shown}, reversible: no two addresses become one{_but(way)}"
    seen: dict[str, str] = {}
    for address in way.examples():
        result = way(address)
        if result is not None and seen.setdefault(result, address) != address:
            return f"{shown}, NOT reversible: {_said(seen[result])} and {_said(address)} both become {_said(result)}"
    if not seen:
        return f"{shown}: what becomes of an address depends on more of a message"
    return f"{shown}, not proven reversible: of the addresses that were tried no two become one"


def _and_back(way: Way, back: Way) -> str:
    """Whether what comes back by another route has the address that it had."""
    shown = f"and back by route {back.route}"
    tried = False
    for address in way.examples():
        there = way(address)
        if there is None:
            continue
        tried = True
        read = reads(back.source, there)
        again = back(there) if read and bind(back.matched, segments(there, back.source.kind)) is not None else None
        if again != address:
            lost = "does not match there" if read else "is not read there"
            end = lost if again is None else f"comes back as {_said(again)}"
            return f"{shown}, NOT reversible: {_said(address)} becomes {_said(there)}, which {end}"
    if all(_returns(form, way, back) for form in way.forms):
        return f"{shown}, reversible: every address comes back as it was{_but(way)}"
    if not tried:
        return f"{shown}: what becomes of an address depends on more of a message"
    return f"{shown}, not proven reversible: every address that was tried comes back as it was"


def _returns(form: Form, way: Way, back: Way) -> bool:
    """Whether it is proven that addresses of a form come back as they were."""
    there = way.makes(form)
    found = None if there is None else bind(back.matched, there)
    if there is None or found is None or not _read(back.source, there):
        return False
    if back.source.match is None:
        return back.makes(there) == form
    if way.source.match is None and any(isinstance(part, Capture) and not part.several for part in form):
        return False  # a wildcard takes an empty segment too, and a capture does not
    again = back.makes(back.matched)
    return again is not None and tuple(filled(again, found)) == form


def _read(source: SourceSettings, form: Form) -> bool:
    """Whether it is proven that a source reads all addresses of a form."""
    texts = [part for part in form if isinstance(part, str)]
    if len(texts) == len(form):
        return reads(source, joined(texts, source.kind))
    return told(source) and any(bind(each, form) is not None for each in asked(source))


def _tells(made: Form, form: Form) -> bool:
    """Whether all that is open in a form stands in what is made of it, at a place that can be told."""
    opened = [part for part in made if isinstance(part, Capture)]
    many = sum(part.several for part in opened)
    return many < 2 and {*opened} >= {part for part in form if isinstance(part, Capture)}


def bind(pattern: Form, form: Form) -> dict[str, Form] | None:
    """Give what each capture of a pattern takes of all addresses of a form; None if it does not match each of them."""
    many = next((at for at, part in enumerate(pattern) if isinstance(part, Capture) and part.several), len(pattern))
    more = len(form) - len(pattern)
    if more < 0 or (more and many == len(pattern)):
        return None
    found: dict[str, Form] = {}
    for at, part in enumerate(pattern):
        start = at + more if at > many else at
        taken = form[start : start + (more if at == many else 0) + 1]
        if isinstance(part, Capture):
            if not part.several and (taken[0] == "" or (isinstance(taken[0], Capture) and taken[0].several)):
                return None
            found[part.name] = taken
        elif taken != (part,):
            return None
    return found


def filled(form: Form, found: Mapping[str, Form]) -> Iterator[str | Capture]:
    """Give the segments of a form with what was found in place of its captures."""
    for part in form:
        yield from found.get(part.name, (part,)) if isinstance(part, Capture) else (part,)


def _but(way: Way) -> str:
    longest = _LONGEST.get(way.target.kind)
    return f"; what has more than {longest} there goes by on_error" if longest else ""


def _said(address: str) -> str:
    return repr(address) if not address or not address.isprintable() or " " in address else address
