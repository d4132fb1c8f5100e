"""What came of a message, compared with what its test expects, in lines for a person. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.cli.testing.messages import fields_of, header_names, message_of, table_of
from bridge.message import Message, Outcome, Verdict
from config.cases import CaseMessage, Expected, Refused
from config.toml import inline
from config.values import Kind

_ABSENT: Final = "nothing"
_LONG: Final = 100  # characters of a value that are shown whole
_AROUND: Final = 40  # characters that are shown of a long one on each side of where it differs


def differences(expected: Expected, got: Message | Outcome, kind: Kind) -> Iterator[str]:
    """Say in what a target of that kind got something else; nothing where it did not."""
    if isinstance(expected, CaseMessage) and isinstance(got, Message):
        wanted = message_of(expected, kind)
        yield from _by_fields(fields_of(wanted, kind), fields_of(got, kind))
        names = header_names(wanted), header_names(got)
        if expected.headers.ordered and names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
            yield from _pair("headers, in their order", *(inline(each) for each in names))
    elif not _is_as(expected, got):
        yield from _pair("", _said(expected), _told(got, kind))


def _is_as(expected: Expected, got: Message | Outcome) -> bool:
    if not isinstance(got, Outcome):
        return False
    if isinstance(expected, Refused):
        return got.verdict is Verdict.REJECTED and got.reason == expected.refused
    return expected == "filtered" and got.verdict is Verdict.FILTERED


def _said(expected: Expected) -> str:
    if isinstance(expected, Refused):
        return f"refused, {expected.refused}"
    return "a message" if isinstance(expected, CaseMessage) else expected


def _told(got: Message | Outcome, kind: Kind) -> str:
    if isinstance(got, Message):
        return f"a message: {inline(table_of(got, kind))}"
    if got.verdict is Verdict.FILTERED:
        return "filtered"
    detail = f" ({got.detail})" if got.detail else ""
    return f"refused, {got.reason}{detail}"


def _by_fields(wanted: Mapping[str, str], got: Mapping[str, str]) -> Iterator[str]:
    for name in [*wanted, *(name for name in got if name not in wanted)]:
        pair = wanted.get(name, _ABSENT), got.get(name, _ABSENT)
        if pair[0] != pair[1]:
            yield from _pair(name, *_shortened(*pair))


def _pair(name: str, wanted: str, got: str) -> Iterator[str]:
    if name:
        yield name
    indent = "  " if name else ""
    yield f"{indent}expected  {wanted}"
    yield f"{indent}got       {got}"


def _shortened(one: str, other: str) -> tuple[str, str]:
    """Both as they are; of long ones what is around the first character in which they differ."""
    if max(len(one), len(other)) <= _LONG or _ABSENT in (one, other):
        return one, other
    at = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    at = at or min(len(one), len(other))
    return _around(one, at), _around(other, at)


def _around(text: str, at: int) -> str:
    begin, end = max(0, at - _AROUND), at + _AROUND
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
