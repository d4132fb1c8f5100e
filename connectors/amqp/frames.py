"""Where one AMQP frame ends and the next begins, in bytes that come in pieces of any size. Sans-I/O and pure.

A frame is type (1 byte), channel (2), size (4), payload, and the end byte 0xCE (AMQP 0-9-1 section 4.2.3).
"""

import struct
from typing import Final

METHOD, HEADER, BODY, BEAT = 1, 2, 3, 8
"""The types of frame."""

HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
"""A heartbeat frame, as either side sends it."""

CONNECTION_CLOSE, CHANNEL_CLOSE = b"\x00\x0a\x00\x32", b"\x00\x14\x00\x28"
"""What the payloads of these methods begin with."""

HEAD: Final = struct.Struct(">BHI").unpack_from
"""Reads type, channel and size at the start of a frame."""

_SIZE: Final = struct.Struct(">I").pack
_SHORTEST_CLOSE: Final = 19
_U16: Final = struct.Struct(">H").unpack_from
_UNLIMITED: Final = 1 << 29  # RabbitMQ's largest message ever was 512 MiB


class BadFrame(Exception):
    """The bytes are not AMQP; the text says what was wrong. Nothing after it can be understood."""


class Splitter:
    """Finds the frames of one connection, from its first byte on. Every byte is copied at most twice."""

    def __init__(self) -> None:
        self.foreign = False
        """Whether it begins with "AMQP" and a version: a broker that refuses ours, which the library says."""
        self._begun = False
        self._limit = _UNLIMITED
        self._pieces: list[bytes] = []  # of a frame that is not complete yet
        self._have = 0
        self._need = 0

    def limit(self, frame_max: int) -> None:
        """Take larger frames than this many bytes for bad ones; 0 is no limit."""
        self._limit = frame_max or _UNLIMITED

    def gather(self, data: bytes) -> bytes:
        """Give what was read together with what was kept of a frame before it; nothing while that is incomplete."""
        if not self._begun:
            self._begun = True
            self.foreign = data[:1] == b"A"
        if not self._pieces:
            return data
        self._pieces.append(data)
        self._have += len(data)
        if self._have < self._need:
            return b""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    def frame(self, data: bytes, at: int) -> tuple[int, int, int] | None:
        """Give type, channel and end of the frame at `at`, or None, and keep it, when it is not complete.

        Raises BadFrame.
        """
        length = len(data)
        need = 8
        if length - at >= need:
            kind, number, size = HEAD(data, at)
            end = at + size + 8
            if size + 8 > self._limit or kind not in (METHOD, HEADER, BODY, BEAT):
                raise BadFrame(f"a frame of type {kind} and {size + 8} bytes, at most {self._limit} were agreed")
            if end <= length:
                if data[end - 1] != 0xCE:
                    raise BadFrame(f"a frame of type {kind} and {size} bytes ends with {data[end - 1]:#04x}, not 0xce")
                return kind, number, end
            need = end - at
        if at < length:
            self._pieces.append(data[at:] if at else data)
            self._have = length - at
            self._need = need
        return None


def parse_close(data: bytes) -> tuple[int, str]:
    """Parse the first arguments of Connection.Close or Channel.Close: reply code and reply text; raises BadFrame."""
    try:
        code, text = _U16(data)[0], short(data, 2)
    except (IndexError, struct.error):
        raise BadFrame("a Close that is cut short") from None
    return code, text.decode(errors="replace")


def legible(frame: bytes) -> bytes:
    """Give a whole frame as the library can read it: what is no UTF-8 in the text of a Close is left out.

    RabbitMQ cuts its texts at 252 bytes, and so may cut a name in the middle of a character; to the library that is the
    end of the connection.
    """
    if frame[0] != METHOD or frame[7:11] not in (CONNECTION_CLOSE, CHANNEL_CLOSE) or len(frame) < _SHORTEST_CLOSE:
        return frame
    text = short(frame, 13)
    whole = text.decode(errors="ignore").encode()
    if len(whole) == len(text):
        return frame
    payload = frame[7:13] + bytes((len(whole),)) + whole + frame[14 + len(text) : -1]
    return frame[:3] + _SIZE(len(payload)) + payload + frame[-1:]


def short(data: bytes, at: int) -> bytes:
    """Give the short string at `at`: one byte of length and as many bytes, fewer if `data` ends early."""
    return data[at + 1 : at + 1 + data[at]]
