"""The frames of one publish as a reader sees them, built without anything of the connector."""

import struct


def parts_of(stream: bytes) -> tuple[bytes, bytes]:
    """Give the properties, as flags and values, and the body."""
    properties, body, at = b"", b"", 0
    while at < len(stream):
        kind, _, size = struct.unpack_from(">BHI", stream, at)
        payload = stream[at + 7 : at + 7 + size]
        assert stream[at + 7 + size] == 0xCE
        if kind == 2:
            properties = payload[12:]
        elif kind == 3:
            body += payload
        at += size + 8
    return properties, body
