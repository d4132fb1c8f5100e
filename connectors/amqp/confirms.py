"""A parser that takes what a broker says of one channel's publishes out of a connection's bytes. Sans-I/O and pure.

That is Basic.Ack, Basic.Nack, Basic.Return with its content, and the close of the channel; and, of the connection,
Connection.Blocked and Unblocked. The rest is the library's, and so are the closes and the blocks, which it sees too.
"""

import struct
from typing import Final, NamedTuple

from connectors.amqp.frames import (
    BODY,
    CHANNEL_CLOSE,
    CONNECTION_CLOSE,
    HEADER,
    METHOD,
    BadFrame,
    Splitter,
    legible,
    parse_close,
    short,
)

_U64: Final = struct.Struct(">Q").unpack_from
_U16: Final = struct.Struct(">H").unpack_from
_TAG_AND_BITS: Final = struct.Struct(">QB").unpack_from
_ACK_HEAD: Final = struct.Struct(">BHI4s").pack
_ACK_SIZE: Final = 13
_ACK, _NACK, _RETURN = b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78", b"\x00\x3c\x00\x32"
_BLOCKED, _UNBLOCKED = b"\x00\x0a\x00\x3c", b"\x00\x0a\x00\x3d"
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class Confirm(NamedTuple):
    """An ack or a nack: of one delivery tag, or of all up to it."""

    tag: int
    multiple: bool
    nack: bool


class Return(NamedTuple):
    """A message that its exchange has no queue for; `properties` are flags and values, as they were published."""

    code: int
    text: str
    properties: bytes


class ConfirmTap:
    """Diverts the answers of one channel; fed from the first byte of a connection on, in pieces of any size.

    Answers are appended to `confirms` and `returns`, which the owner takes; a message's return comes before its ack.
    """

    def __init__(self) -> None:
        self.confirms: list[Confirm] = []
        self.returns: list[Return] = []
        self.farewell: tuple[int, str] | None = None
        """Code and text of the broker's Connection.Close, once it came."""
        self.closed: tuple[int, str] | None = None
        """Code and text of the broker's Channel.Close, once it came: nothing more is diverted then."""
        self.blocked: str | None = None
        """Why the broker takes no publishes at present, in its words, or None."""
        self._channel = 0
        self._splitter = Splitter()
        self._returned: tuple[int, str] | None = None  # of a return whose content is not complete
        self._properties: bytes | None = None
        self._missing = 0

    def divert(self, channel: int, frame_max: int) -> None:
        """Divert the answers of this new channel from the next frame on; larger frames than `frame_max` are bad."""
        self._channel = channel
        self._splitter.limit(frame_max)
        self.closed = None
        self._returned = self._properties = None

    def feed(self, data: bytes) -> bytes:
        """Take what was read, and give the frames that are the library's.

        Raises BadFrame; feeding on after that is not possible.
        """
        splitter = self._splitter
        data = splitter.gather(data)
        if splitter.foreign:
            return data
        others: list[bytes] = []
        at = 0
        while True:
            if self._channel and self._returned is None:
                at = self._take_acks(data, at)
            found = splitter.frame(data, at)
            if found is None:
                return b"".join(others)
            kind, number, end = found
            diverted = number != 0 and number == self._channel and self._take(kind, data, at + 7, end - 1)
            if not diverted:
                others.append(legible(data[at:end]))
                if number == 0 and kind == METHOD:
                    self._look(data[at + 7 : at + 11], data[at + 11 : end - 1])
            at = end

    def _take_acks(self, data: bytes, at: int) -> int:
        """Take the acks from `at` on that are whole in `data`, and give where they end: one step for each."""
        begin = _ACK_HEAD(METHOD, self._channel, _ACK_SIZE, _ACK)
        take, last = self.confirms.append, len(data) - _ACK_SIZE - 8
        while at <= last and data.startswith(begin, at) and data[at + 20] == 0xCE:
            tag, bits = _TAG_AND_BITS(data, at + 11)
            take(_new(Confirm, (tag, bits & 1 == 1, False)))
            at += 21
        return at

    def _take(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take one frame of the diverted channel, if it is an answer to a publish."""
        if self._returned is not None:
            self._take_content(kind, data[start:end])
            return True
        if kind != METHOD:
            return False
        method, arguments = data[start : start + 4], data[start + 4 : end]
        if method in (_ACK, _NACK):
            if len(arguments) != _ACK_SIZE - 4:
                raise BadFrame(f"a confirm of {len(arguments)} bytes")
            tag, bits = _TAG_AND_BITS(arguments)
            self.confirms.append(Confirm(tag, bits & 1 == 1, method == _NACK))
            return True
        if method == _RETURN:
            self._returned = _parse_return(arguments)
            return True
        if method == CHANNEL_CLOSE:
            self.closed = parse_close(arguments)
            self._channel = 0  # the library may use its number for another one
        return False

    def _take_content(self, kind: int, payload: bytes) -> None:
        """Take the header, or a part of the body, of a return; the body is not kept."""
        if kind == BODY and self._properties is not None:
            self._missing -= len(payload)
        elif kind == HEADER and self._properties is None:
            if len(payload) < 14:
                raise BadFrame(f"a content header of {len(payload)} bytes")
            self._properties = payload[12:]
            self._missing = _U64(payload, 4)[0]
        else:
            raise BadFrame(f"a frame of type {kind} in the middle of a return")
        if self._missing < 0:
            raise BadFrame("a body longer than its header says")
        if not self._missing and self._returned is not None:
            self.returns.append(Return(*self._returned, self._properties))
            self._returned = self._properties = None

    def _look(self, method: bytes, arguments: bytes) -> None:
        """See what a method of the connection says, and leave it to the library."""
        if method == CONNECTION_CLOSE:
            self.farewell = parse_close(arguments)
        elif method == _BLOCKED:
            self.blocked = short(arguments, 0).decode(errors="replace") if arguments else ""
        elif method == _UNBLOCKED:
            self.blocked = None


def _parse_return(arguments: bytes) -> tuple[int, str]:
    """Parse the arguments of Basic.Return: reply code, reply text, exchange, routing key; only the first two are kept.

    What was returned is known by its uid, and with it where it was sent.
    """
    try:
        code, text = _U16(arguments)[0], short(arguments, 2)
        at = 3 + len(text)
        at += 1 + arguments[at]
        at += 1 + arguments[at]
    except (IndexError, struct.error):
        at = -1
    if at != len(arguments):
        raise BadFrame("a Basic.Return whose fields do not fit its frame")
    return code, text.decode(errors="replace")
