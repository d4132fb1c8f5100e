"""Commands as Redis reads them (the RESP specification: arrays of bulk strings). Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

Argument = bytes | str | int
"""An argument of a command: bytes as they are, text as UTF-8, numbers in decimal digits."""

LENGTHS: Final = tuple(b"%d\r\n" % length for length in range(4096))
"""How the lengths of most values are written."""

MOST_IDS: Final = 1000
"""Ids in one command: a longer one keeps the server from everybody else."""


class Member(NamedTuple):
    """A consumer of a group."""

    group: bytes
    consumer: bytes


def pack(*arguments: Argument) -> bytes:
    """Pack one command."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        raw = argument if isinstance(argument, bytes) else _raw(argument)
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


def xadd_head(stream: bytes, fields: int, max_length: int | None) -> bytes:
    """The beginning of an XADD of `fields` fields, up to where they begin, but for the CRLF.

    With `max_length` the stream is trimmed to about that many entries.
    """
    options = b"" if max_length is None else b"$6\r\nMAXLEN\r\n$1\r\n~\r\n" + _bulk(b"%d" % max_length)
    arguments = 3 + 2 * fields + (0 if max_length is None else 3)
    return b"*%d\r\n$4\r\nXADD\r\n%b%b$1\r\n*" % (arguments, _bulk(stream), options)


def xack(stream: bytes, member: Member, ids: Sequence[bytes]) -> list[bytes]:
    """The commands that acknowledge entries."""
    return [pack(b"XACK", stream, member.group, *ids[at : at + MOST_IDS]) for at in range(0, len(ids), MOST_IDS)]


def xclaim(stream: bytes, member: Member, idle: int, ids: Sequence[bytes]) -> list[bytes]:
    """The commands that make entries, idle for that many milliseconds, the member's as of now, and give their ids."""
    return [
        pack(b"XCLAIM", stream, *member, idle, *ids[at : at + MOST_IDS], b"JUSTID")
        for at in range(0, len(ids), MOST_IDS)
    ]


def xautoclaim(stream: bytes, member: Member, idle: int, start: bytes, count: int) -> bytes:
    """The command that makes entries the member's, of whatever consumer, that were idle for that many milliseconds."""
    return pack(b"XAUTOCLAIM", stream, *member, idle, start, b"COUNT", count, b"JUSTID")


def xreadgroup(member: Member, count: int, block: int | None, places: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The command that reads at most `count` entries of each stream after an id, waiting `block` milliseconds."""
    wait: tuple[Argument, ...] = () if block is None else (b"BLOCK", block)
    streams, ids = zip(*places, strict=True)
    return pack(b"XREADGROUP", b"GROUP", *member, b"COUNT", count, *wait, b"STREAMS", *streams, *ids)


def xgroup_create(stream: bytes, group: bytes, start: bytes) -> bytes:
    """The command that creates a group, and the stream where there is none."""
    return pack(b"XGROUP", b"CREATE", stream, group, start, b"MKSTREAM")


def _bulk(raw: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def _raw(argument: str | int) -> bytes:
    return b"%d" % argument if isinstance(argument, int) else argument.encode()
