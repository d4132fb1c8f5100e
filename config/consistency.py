"""What one model cannot see: whether the parts of a configuration fit each other.

The checks look at the raw values that the models found right, so that they are told beside the mistakes of other
values. What may be only a consequence of such a mistake is not told.
"""

from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from itertools import combinations
from pathlib import Path as FilePath
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from config.bonds import TEMPLATES
from config.brokers import BrokerSettings, choose_broker
from config.conditions import names_in
from config.files import read_value
from config.loops import loop, same_broker
from config.names import Names
from config.patterns import Pattern
from config.positions import Path, dotted
from config.rivals import End, rivalry
from config.settings import BridgeSettings, FromTable, SinkSettings, SourceSettings, ToTable
from config.shape import keys_at
from config.templates import Template, misfit
from config.values import Kind

_OWN_FIELDS: Mapping[Kind, frozenset[str]] = {
    "amqp": frozenset({"routing_key", "exchange"}),
    "kafka": frozenset({"topic", "key"}),
    "mqtt": frozenset({"topic"}),
    "redis": frozenset({"stream", "key"}),
}
"""The template fields that only messages of some kinds of source have; every other field exists for all."""
_SOME_FIELDS = frozenset({"routing_key", "exchange", "topic", "stream", "key"})

Kinds = Mapping[str, Kind | None]
"""The kind of every broker that is declared, None where a mistake hides it."""


class _Raw(NamedTuple):
    """The values that were given to the models, and the paths of those that a model has refused."""

    data: Mapping[str, Any]
    refused: Set[Path]

    def at(self, path: Path) -> Any:
        """What stands at a path, None if nothing does."""
        value: Any = self.data
        for part in path:
            if isinstance(value, list) and isinstance(part, int):
                value = value[part]
            else:
                value = value.get(part) if isinstance(value, dict) else None
        return value

    def source(self, path: Path, kind: str) -> SourceSettings | None:
        """The source at a path; None if it is not right, which has been told."""
        with suppress(ValidationError):
            return FromTable.model_validate({kind: self.at(path)}).settings
        return None

    def sink(self, path: Path, kind: str) -> SinkSettings | None:
        """The target at a path; None if it is not right, which has been told."""
        with suppress(ValidationError):
            return ToTable.model_validate({kind: self.at(path)}).settings[0]
        return None

    def keys(self, path: Path) -> list[str]:
        """The keys of the table at a path; none if no table is there."""
        table = self.at(path)
        return list(table) if isinstance(table, dict) else []

    def text(self, path: Path) -> str | None:
        """The text at a path, None if there is none or it was refused."""
        value = self.at(path)
        return value if isinstance(value, str) and path not in self.refused else None

    def misnamed(self, path: Path) -> list[str]:
        """The unknown keys of the table at a path: what seems to be missing there may be under one of them."""
        known = keys_at(path)
        return [key for key in self.keys(path) if key not in known]


def contradictions(data: Mapping[str, Any], refused: Set[Path]) -> Iterator[tuple[Path, str]]:
    """Everything that does not fit, as the path of a setting and a sentence about it.

    `data` is the whole configuration as it is given to the models, `refused` the paths of the settings that were found
    wrong before, which is not repeated.
    """
    raw = _Raw(data, refused)
    brokers = {name: _broker(("brokers", name), raw) for name in raw.keys(("brokers",))}
    for name, broker in brokers.items():
        yield from _login(("brokers", name), broker, raw)
    kinds = {name: None if broker is None else broker.kind for name, broker in brokers.items()}
    elsewhere = [name for key in raw.misnamed(()) for name in raw.keys((key,))]
    if not (raw.at(("routes",)) or elsewhere):
        yield (), "no route is configured; write a [routes.NAME] with a from and a to"
    for name in raw.keys(("routes",)):
        yield from _route(("routes", name), dict.fromkeys(elsewhere) | kinds, raw)
        yield from _loops(("routes", name), brokers, raw)
    yield from _rivals(brokers, raw)


def _broker(path: Path, raw: _Raw) -> BrokerSettings | None:
    """The broker by its settings that are right; None if they do not make one."""
    wrong = {key[len(path)] for key in raw.refused if key[: len(path)] == path != key}
    try:
        return BrokerSettings.model_validate({key: raw.at((*path, key)) for key in raw.keys(path) if key not in wrong})
    except ValidationError:
        return None


def _login(path: Path, broker: BrokerSettings | None, raw: _Raw) -> Iterator[tuple[Path, str]]:
    file = raw.text((*path, "password_file"))
    if file is not None and raw.at((*path, "password")) is None:
        try:
            read_value(FilePath(file))
        except ValueError as error:
            yield (*path, "password_file"), f"{file}: the password {error}"
    if broker is not None and broker.kind == "kafka" and broker.authenticates:
        yield path, "Kafka with a user name and password (SASL) does not work yet"


def _route(path: Path, kinds: Kinds, raw: _Raw) -> Iterator[tuple[Path, str]]:
    sources = [kind for kind in _OWN_FIELDS if kind in keys_at((*path, "from")) and kind in raw.keys((*path, "from"))]
    for kind in sources:
        yield from _resolves((*path, "from", kind), kind, kinds, raw)
        yield from _rules(path, kind, raw)
    given = _given(path, raw)
    for to, keys in TEMPLATES.items():
        for target in _targets((*path, "to", to), raw):
            yield from _resolves(target, to, kinds, raw)
            for kind in sources:
                for key in keys:
                    yield from _renders((*target, key), (*path, "from", kind), raw, given)
                if to == "amqp":
                    yield from _addresses(target, kind, raw)


def _loops(path: Path, brokers: Mapping[str, BrokerSettings | None], raw: _Raw) -> Iterator[tuple[Path, str]]:
    """The targets of a route that are its own source."""
    own = _names(path, raw)
    for kind in raw.keys((*path, "from")):
        source = raw.source((*path, "from", kind), kind)
        for at in _targets((*path, "to", kind), raw):
            target = raw.sink(at, kind)
            if source is None or target is None or not _meet(source, target, brokers):
                continue
            found = loop(source, target, own.group)
            if found is not None:
                yield (*at, found.key), found.text


def _rivals(brokers: Mapping[str, BrokerSettings | None], raw: _Raw) -> Iterator[tuple[Path, str]]:
    """The ends of routes that would take each other's place; each is told once, of the first other."""
    ends = [
        (path, End(dotted(path), end, _names(path, raw)))
        for name in raw.keys(("routes",))
        if _runs(raw.at(("routes", name, "enabled")))
        for path, end in _ends(("routes", name), raw)
    ]
    told: set[Path] = set()
    for (_, one), (path, other) in combinations(ends, 2):
        found = rivalry(one, other)
        if found is not None and path not in told and _meet(one.settings, other.settings, brokers):
            told.add(path)
            yield (*path, found.key), found.text


def _ends(path: Path, raw: _Raw) -> Iterator[tuple[Path, SourceSettings | SinkSettings]]:
    """The source and the targets of a route that may have rivals, as far as they are right."""
    for kind in ("mqtt", "redis"):
        if (source := raw.source((*path, "from", kind), kind)) is not None:
            yield (*path, "from", kind), source
        for at in _targets((*path, "to", kind), raw):
            if (target := raw.sink(at, kind)) is not None:
                yield at, target


def _runs(enabled: Any) -> bool:
    with suppress(ValidationError):
        return enabled is None or TypeAdapter(bool).validate_python(enabled)
    return True


def _names(path: Path, raw: _Raw) -> Names:
    """What a route's source is called by default; its path begins with the route's."""
    bridge = raw.text(("bridge", "name")) or BridgeSettings().name
    return Names(bridge, str(path[1]), raw.text(("bridge", "instance")) or "INSTANCE")


def _meet(
    one: SourceSettings | SinkSettings,
    other: SourceSettings | SinkSettings,
    brokers: Mapping[str, BrokerSettings | None],
) -> bool:
    """Whether two ends are at one broker, as far as that can be known."""
    known = {name: broker for name, broker in brokers.items() if broker is not None}
    kinds = {name: broker.kind for name, broker in known.items()}
    try:
        places = [known[choose_broker(end.broker, end.kind, kinds)] for end in (one, other)]
    except KeyError:
        return False
    return same_broker(*places)


def _targets(path: Path, raw: _Raw) -> list[Path]:
    several = raw.at(path)
    return [(*path, number) for number in range(len(several))] if isinstance(several, list) else [path]


def _resolves(path: Path, kind: Kind, kinds: Kinds, raw: _Raw) -> Iterator[tuple[Path, str]]:
    """Whether the broker of a source or a target is there and of its kind, as far as that can be known."""
    key: Path = (*path, "broker")
    name = raw.text(key)
    if ("brokers",) in raw.refused or not isinstance(raw.at(path), dict):
        return
    if name is None:
        misspelt = bool(raw.misnamed(path)) or key in raw.refused
        hidden = None in kinds.values() and kind not in kinds.values()
    else:
        misspelt, hidden = False, kinds.get(name, kind) is None
    if misspelt or hidden:
        return
    try:
        choose_broker(name, kind, kinds)
    except KeyError as error:
        yield (path if name is None else key), str(error.args[0])


def _rules(path: Path, kind: Kind, raw: _Raw) -> Iterator[tuple[Path, str]]:
    """Whether messages from that kind of broker have what a route's filter and rules name."""
    condition = raw.text((*path, "filter"))
    for name in sorted(names_in(condition)) if condition is not None else ():
        if not _exists(name, kind):
            yield (*path, "filter"), f"a message from {kind} has no {name}"
    given = _given(path, raw)
    for table in ("default", "set"):
        for name in raw.keys((*path, "map", table)):
            yield from _renders((*path, "map", table, name), (*path, "from", kind), raw, given)


def _given(path: Path, raw: _Raw) -> frozenset[str]:
    """The template fields that a message of a route has by its rules, whatever it comes from."""
    renamed = raw.at((*path, "map", "rename"))
    names = [*renamed.values()] if isinstance(renamed, dict) else []
    names += [name for table in ("default", "set") for name in raw.keys((*path, "map", table))]
    return frozenset({"key"} if "key" in names else ())


def _renders(path: Path, source: Path, raw: _Raw, given: Set[str]) -> Iterator[tuple[Path, str]]:
    """Whether messages of a source, at whose path is its kind, have what a template names, or are given it."""
    kind = cast("Kind", source[-1])
    text, match = raw.text(path), raw.text((*source, "match"))
    hidden = match is None and (raw.at((*source, "match")) is not None or bool(raw.misnamed(source)))
    pattern = None if match is None else Pattern.parse(match, kind)
    for field in Template.parse(text).fields if text is not None else ():
        if not _exists(field.name, kind) and field.name not in given:
            yield path, f"a message from {kind} has no {{{field.name}}}"
        elif (wrong := misfit(field, pattern)) and not hidden:
            yield path, wrong


def _addresses(path: Path, kind: Kind, raw: _Raw) -> Iterator[tuple[Path, str]]:
    """Whether a target of the default exchange, which routes by the names of queues, has a routing key."""
    key = raw.at((*path, "routing_key"))
    if raw.text((*path, "exchange")) != "":
        return
    if key == "":
        yield (*path, "routing_key"), "is empty, and the default exchange routes by the name of a queue"
    elif key is None and kind != "amqp" and not raw.misnamed(path):
        needs = "the default exchange needs a routing_key, the name of a queue"
        yield (*path, "exchange"), f"{needs}: a message from {kind} has none of its own"


def _exists(name: str, kind: Kind) -> bool:
    return name not in _SOME_FIELDS or name in _OWN_FIELDS[kind]
