"""A parser that takes the deliveries of one channel out of a connection's bytes and leaves the rest to the library.

Sans-I/O and pure: bytes in, values out. A delivery is the method Basic.Deliver, one header frame and body frames until
the size that the header states. Library objects for each frame cost ten times this (prototypes/README.md).
"""

import struct
from typing import Final

from connectors.amqp.codec import RawDelivery
from connectors.amqp.frames import (
    BODY,
    CONNECTION_CLOSE,
    HEAD,
    HEADER,
    METHOD,
    BadFrame,
    Splitter,
    legible,
    parse_close,
)

_U64: Final = struct.Struct(">Q").unpack_from
_SIZE: Final = struct.Struct(">I").unpack_from
_HEADER_HEAD: Final = struct.Struct(">BHI4xQ").unpack_from
_DELIVER_FIELDS: Final = struct.Struct(">QBB").unpack_from
_CHANNEL: Final = struct.Struct(">BH").pack
_DELIVER: Final = b"\x00\x3c\x00\x3c"
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class FrameTap:
    """Diverts the deliveries of one channel; fed from the first byte of a connection on, in pieces of any size.

    Complete deliveries are appended to `deliveries`, which the owner takes. What `feed` gives back are whole frames for
    the library, in order. Every byte is copied at most twice, however small the pieces.
    """

    def __init__(self) -> None:
        self.deliveries: list[RawDelivery] = []
        self.farewell: tuple[int, str] | None = None
        """Code and text of the broker's Connection.Close, once it came."""
        self._channel = 0
        self._splitter = Splitter()
        self._deliver: tuple[int, bool, bytes, bytes] | None = None
        self._properties: bytes | None = None
        self._missing = 0
        self._body: list[bytes] = []

    def divert(self, channel: int, frame_max: int) -> None:
        """Divert the deliveries of this channel from the next frame on; larger frames than `frame_max` are bad."""
        self._channel = channel
        self._splitter.limit(frame_max)

    def feed(self, data: bytes) -> bytes:
        """Take what was read, and give the frames that are the library's.

        Raises BadFrame; feeding on after that is not possible.
        """
        data = self._splitter.gather(data)
        return data if self._splitter.foreign else self._split(data)

    def _split(self, data: bytes) -> bytes:
        """Walk over the whole frames in `data`; the splitter keeps the rest of it."""
        others: list[bytes] = []
        at, channel, frame = 0, self._channel, self._splitter.frame
        while True:
            if channel and self._deliver is None:
                at = self._take_whole(data, at)
            found = frame(data, at)
            if found is None:
                return b"".join(others)
            kind, number, end = found
            if number != channel or not channel or not self._take(kind, data, at + 7, end - 1):
                others.append(legible(data[at:end]))
                if kind == METHOD and data[at + 7 : at + 11] == CONNECTION_CLOSE:
                    self.farewell = parse_close(data[at + 11 : end - 1])
            at = end

    def _take_whole(self, data: bytes, at: int) -> int:
        """Take the deliveries from `at` on that are whole in `data`, with one body frame; give where they end.

        Nearly all are like that, and one step for their three frames costs half of three. Whatever is not exactly so is
        left to the walk over frames, and to its errors.
        """
        channel, take = self._channel, self.deliveries.append
        begin = _CHANNEL(METHOD, channel)
        try:
            while data[at : at + 3] == begin:
                header = at + 8 + _SIZE(data, at + 3)[0]
                if data[at + 7 : at + 11] != _DELIVER or data[header - 1] != 0xCE:
                    break
                kind, number, size, total = _HEADER_HEAD(data, header)
                body = header + 8 + size
                if kind != HEADER or number != channel or size < 14 or not total or data[body - 1] != 0xCE:
                    break
                kind, number, size = HEAD(data, body)
                end = body + 8 + size
                if kind != BODY or number != channel or size != total or data[end - 1] != 0xCE:
                    break
                fields = at + 12 + data[at + 11]
                tag, redelivered, exchange_size = _DELIVER_FIELDS(data, fields)
                exchange = fields + 10
                key = exchange + exchange_size + 1
                if key + data[key - 1] != header - 1:
                    break
                place, address = data[exchange : key - 1], data[key : header - 1]
                properties, content = data[header + 19 : body - 1], data[body + 7 : end - 1]
                take(_new(RawDelivery, (tag, redelivered & 1 == 1, place, address, properties, content)))
                at = end
        except (IndexError, struct.error):
            pass  # it goes on beyond what is here
        return at

    def _take(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take one frame of the diverted channel, if it belongs to a delivery."""
        if kind == BODY and self._properties is not None:
            self._take_body(data[start:end])
            return True
        if kind == HEADER and self._deliver is not None and self._properties is None:
            if end - start < 14:
                raise BadFrame(f"a content header of {end - start} bytes")
            self._properties = data[start + 12 : end]
            self._missing = _U64(data, start + 4)[0]
            if not self._missing:
                self._complete()
            return True
        if self._deliver is not None:
            raise BadFrame(f"a frame of type {kind} in the middle of a delivery")
        if kind == METHOD and data[start : start + 4] == _DELIVER:
            self._deliver = _parse_deliver(data, start + 4, end)
            return True
        return False

    def _take_body(self, part: bytes) -> None:
        self._body.append(part)
        self._missing -= len(part)
        if self._missing < 0:
            raise BadFrame("a body longer than its header says")
        if not self._missing:
            self._complete()

    def _complete(self) -> None:
        deliver, properties, parts = self._deliver, self._properties, self._body
        if deliver is None or properties is None:
            raise BadFrame("a body without a delivery")
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self.deliveries.append(RawDelivery(*deliver, properties, body))
        self._deliver = self._properties = None
        self._body = []


def _parse_deliver(data: bytes, at: int, end: int) -> tuple[int, bool, bytes, bytes]:
    """Parse the arguments of Basic.Deliver: consumer tag, delivery tag, redelivered, exchange, routing key."""
    try:
        at += 1 + data[at]
        tag = _U64(data, at)[0]
        redelivered = data[at + 8] & 1 == 1
        begin = at + 10
        at = begin + data[at + 9]
        exchange = data[begin:at]
        begin = at + 1
        at = begin + data[at]
    except (IndexError, struct.error):
        at = -1
    if at != end:
        raise BadFrame("a Basic.Deliver whose fields do not fit its frame")
    return tag, redelivered, exchange, data[begin:at]


def ack_frame(channel: int, tag: int, multiple: bool) -> bytes:
    """Encode Basic.Ack of a delivery tag, or with `multiple` of everything up to it."""
    return struct.pack(">BHIHHQBB", METHOD, channel, 13, 60, 80, tag, multiple, 0xCE)
