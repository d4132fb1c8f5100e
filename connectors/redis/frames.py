"""What the commands that add entries with the same fields have in common. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Frame(NamedTuple):
    """What all messages of one shape have in common: `parts` of the command with two holes for each of its values."""

    fields: int
    parts: list[bytes]


def frame_of(fields: Sequence[tuple[bytes, bytes | None]]) -> Frame:
    """Give the frame of entries of these fields, whose values are None where they differ."""
    return Frame(len(fields), _parts(fields))


def _parts(fields: Sequence[tuple[bytes, bytes | None]]) -> list[bytes]:
    """The parts of a command from the first field on, behind a place for its beginning.

    Each field without a value has three: what comes before it, and two places for its length and its value.
    """
    parts = [b""]
    before = b""
    for name, value in fields:
        before += b"\r\n$%d\r\n%b\r\n$" % (len(name), name)
        if value is None:
            parts += (before, b"", b"")
            before = b""
        else:
            before += b"%d\r\n%b" % (len(value), value)
    parts.append(before + b"\r\n")
    return parts
