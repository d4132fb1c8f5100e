"""Addresses - routing keys, topics, streams - as segments, and back: pure, and reversible for every kind.

A segment is text that may hold anything, also what separates segments; each kind escapes in its own way what its names
may not hold. For each kind `joined` and `segments` are inverse: `segments(joined(parts, kind), kind) == parts` for all
parts of UTF-8 text, and `joined(segments(name, kind), kind) == name` for every name that the kind allows. So an address
that goes from one kind to another and back is the same as before, if the other kind has room for it.

    kind    between   inside a segment                                        the whole name
    amqp    .         . is /, and / is %2F
    mqtt    /         / + # and the characters of `UNFIT`: %HH                a leading $ is %24, the empty name %
    redis   :         : is %3A                                                the empty name is %
    kafka   .         all but A-Z a-z 0-9 _ -: _-hh, in lower case            a leading __ is _-5f_; _- is in front of
                                                                              the empty name, . and ..

HH are the bytes of UTF-8, each with its % but in Kafka. What only looks like such an escape is told from it by one more
25 behind the % (Kafka: one more -), and one less on the way back; every other % and _- is itself. So between
routing keys and topics . and / change places, and hardly anything else does. A name that is not UTF-8 (AMQP, Redis) is
never escaped for that: MQTT and Kafka refuse it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from config.mqtt import UNFIT
from config.patterns import SEPARATORS, Capture, Pattern
from config.values import Kind

Captured = Mapping[str, tuple[str, ...]]
"""The segments of each capture of a pattern, by its name."""

_LONGEST: Final = 1024  # characters of an address that is remembered
_ROOM: Final = 2**20  # characters of the addresses that are remembered together, twice
_EACH: Final = 64  # what an address counts beside its characters: of those of 20 about 12,000 have room, twice
_T = TypeVar("_T")


class _Style(NamedTuple):
    """How escapes are written: `sign`, `again` any number of times, then the code, bytes in hex with `between`.

    `guard` finds at the beginning of a name, behind a `sign` and `again`, what only there is a code.
    """

    sign: str
    again: str
    between: str
    digits: str
    escape: str
    guard: str


class _Rules(NamedTuple):
    """The rules of one kind: how it escapes, and what; `begins` is what no name may begin with, or be."""

    style: _Style
    forbidden: re.Pattern[str]
    either: re.Pattern[str]
    begins: re.Pattern[str]
    guard: re.Pattern[str]


_CONTINUED: Final = "[89AB][0-9A-F]"
_PERCENT: Final = _Style(
    "%",
    "25",
    "%",
    "X",
    f"%(?P<again>(?:25)*)(?P<code>[0-7][0-9A-F]|[CD][0-9A-F](?:%{_CONTINUED})|E[0-9A-F](?:%{_CONTINUED}){{2}}"
    f"|F[0-4](?:%{_CONTINUED}){{3}})",
    "%(?P<again>(?:25)*)(?P<code>24|\\Z)",
)
_DASHED: Final = _Style(
    "_-",
    "-",
    "",
    "x",
    "_-(?P<again>-*)(?P<code>[0-7][0-9a-f]|[cd][0-9a-f]{3}|e[0-9a-f]{5}|f[0-9a-f]{7})",
    "_-(?P<again>-*)(?P<code>5f(?=_)|(?=\\.{0,2}\\Z))",
)
_NEVER: Final = "(?!)"


def _rules(style: _Style, forbidden: str, begins: str, guard: str | None = None) -> _Rules:
    either = re.compile(f"{style.escape}|(?P<char>[{forbidden}])")
    return _Rules(
        style,
        re.compile(f"[{forbidden}]"),
        either,
        re.compile(begins),
        re.compile(style.guard if guard is None else guard),
    )


_RULES: Final[Mapping[Kind, _Rules]] = {
    "amqp": _rules(_PERCENT, "/", _NEVER, _NEVER),
    "kafka": _rules(_DASHED, "^A-Za-z0-9_\\-\ud800-\udfff", "_(?=_)|(?=\\.{0,2}\\Z)"),
    "mqtt": _rules(_PERCENT, f"/+#{UNFIT}", "\\$|\\Z"),
    "redis": _rules(_PERCENT, ":", "\\Z", "%(?P<again>(?:25)*)(?P<code>\\Z)"),
}
_SWAPPED: Final = str.maketrans("./", "/.")


def segments(name: str, kind: Kind) -> tuple[str, ...]:
    """Give the segments of a name as a source has it; never raises."""
    return tuple(_unescaped(part, kind) for part in _unguarded(name, kind).split(SEPARATORS[kind]))


def joined(parts: Sequence[str], kind: Kind) -> str:
    """Give the name for a target of that kind, of one segment or more.

    It may be longer than the kind allows, and it is not UTF-8 where the parts are not.
    """
    return guarded(within(parts, kind), kind)


def within(parts: Sequence[str], kind: Kind) -> str:
    """Give the text that stands for segments within a name."""
    return SEPARATORS[kind].join(_escaped(part, kind) for part in parts)


def guarded(name: str, kind: Kind) -> str:
    """Give a name that may begin as it does, for one made of text from `within`."""
    rules = _RULES[kind]
    if (wrong := rules.begins.match(name)) is not None:
        return rules.style.sign + _code(rules.style, wrong[0]) + name[wrong.end() :]
    alike = rules.guard.match(name)
    return name if alike is None else _again(alike, rules) + name[alike.end() :]


def matching(pattern: Pattern) -> Callable[[str], Captured | None]:
    """Compile a pattern: the function gives the captures of an address, or None where it does not match.

    It never raises, and it remembers nothing: that is for what is made of the captures (`remembering`).
    """
    wanted = literal_segments(pattern)
    captures = [part if isinstance(part, Capture) else None for part in pattern.segments]
    parts = [part for part in zip(captures, wanted, strict=True) if part[0] is None or not part[0].several]
    many = next((at for at, capture in enumerate(captures) if capture is not None and capture.several), None)

    def match(address: str) -> Captured | None:
        found = segments(address, pattern.kind)
        more = len(found) - len(captures)
        if more < 0 or (more and many is None):
            return None
        cut = len(captures) if many is None else many
        singles = (*found[:cut], *found[cut + more + 1 :])
        got: dict[str, tuple[str, ...]] = {}
        for (capture, text), segment in zip(parts, singles, strict=True):
            if capture is None:
                if segment != text:
                    return None
            elif not segment:
                return None
            else:
                got[capture.name] = (segment,)
        if many is not None and (capture := captures[many]) is not None:
            got[capture.name] = found[cut : cut + more + 1]
        return got

    return match


def mismatches(pattern: Pattern) -> Callable[[str], str]:
    """Compile a pattern: the function says for a person that an address does not match, or "" where it does."""
    match = matching(pattern)
    return remembering(
        lambda address: "" if match(address) is not None else f"address {address!a:.300} does not match {pattern}"
    )


def literal_segments(pattern: Pattern) -> tuple[str, ...]:
    """Give the segments of a pattern that stand for themselves, by position; those of captures are empty."""
    return segments(
        SEPARATORS[pattern.kind].join(part if isinstance(part, str) else "" for part in pattern.segments), pattern.kind
    )


def remembering(work: Callable[[str], _T]) -> Callable[[str], _T]:
    """Make a function of an address remember what it gave, since addresses come again.

    It remembers what came last: some ten thousand addresses, fewer where they are long, and none above 1,024
    characters, so that nobody fills the memory with them.
    """
    recent: dict[str, _T] = {}
    older: dict[str, _T] = {}
    room = _ROOM

    def recall(address: str) -> _T:
        try:
            return recent[address]
        except KeyError:
            return learn(address)

    def learn(address: str) -> _T:
        nonlocal recent, older, room
        result = older[address] if address in older else work(address)
        if len(address) > _LONGEST:
            return result
        room -= len(address) + _EACH
        if room < 0:
            # All at once and not one by one: what comes again is taken over, and the rest goes the next time.
            recent, older, room = {}, recent, _ROOM - len(address) - _EACH
        recent[address] = result
        return result

    return recall


def _escaped(part: str, kind: Kind) -> str:
    if part.isalnum() and part.isascii():  # most are, and nothing in them is ever escaped
        return part
    rules = _RULES[kind]
    text = rules.either.sub(partial(_escape, rules), part)
    return text.translate(_SWAPPED) if kind == "amqp" else text


def _unescaped(part: str, kind: Kind) -> str:
    rules = _RULES[kind]
    text = part.translate(_SWAPPED) if kind == "amqp" else part
    return rules.either.sub(partial(_unescape, rules), text) if rules.style.sign in text else text


def _unguarded(name: str, kind: Kind) -> str:
    rules = _RULES[kind]
    found = rules.guard.match(name)
    if found is None:
        return name
    return (_less(found, rules) if found["again"] else bytes.fromhex(found["code"]).decode()) + name[found.end() :]


def _escape(rules: _Rules, found: re.Match[str]) -> str:
    """What stands for a character that is forbidden, or for what only looks like an escape."""
    if found["char"] is not None:
        return rules.style.sign + _code(rules.style, found["char"])
    return found[0] if _character(rules, found) is None else _again(found, rules)


def _unescape(rules: _Rules, found: re.Match[str]) -> str:
    if found["char"] is not None or (character := _character(rules, found)) is None:
        return found[0]
    return _less(found, rules) if found["again"] else character


def _character(rules: _Rules, found: re.Match[str]) -> str | None:
    """The character that the code of an escape stands for; None if nothing is escaped so."""
    try:
        character = bytes.fromhex(found["code"].replace("%", "")).decode()
    except UnicodeDecodeError:
        return None
    return character if rules.forbidden.fullmatch(character) else None


def _again(found: re.Match[str], rules: _Rules) -> str:
    return rules.style.sign + rules.style.again + found[0][len(rules.style.sign) :]


def _less(found: re.Match[str], rules: _Rules) -> str:
    return rules.style.sign + found[0][len(rules.style.sign) + len(rules.style.again) :]


def _code(style: _Style, text: str) -> str:
    return style.between.join(format(byte, f"02{style.digits}") for byte in text.encode())
