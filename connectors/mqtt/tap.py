"""A parser that takes PUBLISH and PUBACK out of a connection's bytes and leaves all other packets to paho.

Sans-I/O and pure: bytes in, values in bulk out. An object of the library for each packet costs ten times this.
"""

from typing import Final

from connectors.mqtt.packets import PINGRESP, PUBACK, PUBLISH, BadPacket, Publish, ack_head, read_varint

_FAILURE: Final = 0x80  # reason codes from here on say that it was not taken (MQTT 5, section 2.4)
_RUN: Final = 4096  # bytes that are looked at together for equal PUBACKs, each of at most so many: with a reason code
_PLAIN: Final = 6  # and no properties
# How packets begin that a broker sends, beside PUBLISH: CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK,
# PINGRESP, DISCONNECT, AUTH (MQTT 5, sections 2.1.2 and 2.1.3).
_OTHERS: Final = frozenset({0x20, PUBACK, 0x50, 0x62, 0x70, 0x90, 0xB0, PINGRESP, 0xE0, 0xF0})
_new: Final = tuple.__new__  # makes a NamedTuple at half the cost of calling its class


class PacketTap:
    """Diverts PUBLISH and PUBACK; fed from the first byte of a connection on, in pieces of any size.

    What it diverts is appended to its lists, which the owner takes. What `feed` gives back are whole packets for the
    library, in order. Every byte is copied at most twice, however small the pieces.
    """

    def __init__(self) -> None:
        self.publishes: list[Publish] = []
        self.acked: list[int] = []
        """Packet identifiers of PUBACKs that say the message was taken."""
        self.refused: list[tuple[int, int, bytes]] = []
        """Packet identifier, reason code and properties of PUBACKs that say it was not."""
        self.pongs = 0
        """How many PINGRESPs came; the library is given them too."""
        self._pieces: list[bytes] = []  # of a packet that is not complete yet
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> bytes:
        """Take what was read, and give the packets that are the library's.

        Raises BadPacket; feeding on after that is not possible.
        """
        if self._pieces:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._need:
                return b""
            data = b"".join(self._pieces)
            self._pieces.clear()
        return self._split(data)

    def _split(self, data: bytes) -> bytes:
        """Walk over the whole packets in `data`, and keep the rest of it."""
        others: list[bytes] = []
        publish, at, end, length = self._publish, 0, 0, len(data)
        while at < length:
            kind = data[at]
            try:
                size, start = data[at + 1], at + 2
                if size > 0x7F:
                    size, start = read_varint(data, at + 1)
            except IndexError:
                end = length + 1  # one byte more at least
                break
            end = start + size
            if end > length:
                break
            if kind & 0xF0 == PUBLISH:
                publish(kind, data, start, end)
            elif kind == PUBACK:
                end = self._acknowledge(data, at, start, end)
            else:
                _check(kind)
                self.pongs += kind == PINGRESP
                others.append(data[at:end])
            at = end
        if at < length:
            _check(data[at])
            self._pieces.append(data[at:] if at else data)
            self._have = length - at
            self._need = end - at
        return b"".join(others)

    def _publish(self, kind: int, data: bytes, start: int, end: int) -> None:
        if end - start < 2:
            raise BadPacket(f"a PUBLISH of {end - start} bytes")
        topic = start + 2
        content = after = topic + (data[start] << 8 | data[start + 1])
        if kind & 6:
            content += 2
        if content > end:
            raise BadPacket("a PUBLISH whose topic does not fit it")
        ack = ack_head(kind) + data[after:content]
        self.publishes.append(_new(Publish, (kind, data[topic:after], ack, data[content:end])))

    def _acknowledge(self, data: bytes, at: int, start: int, end: int) -> int:
        """Take the PUBACK at `at`, and those of the same size that follow at once; give where they end.

        Acknowledgements of a block of messages come as a run of equal sizes: slices with the size as their step find
        how far it goes, a twentieth of the cost of looking at one after the other.
        """
        step = end - at
        if step > _PLAIN:
            self._judge(data[start:end])
            return end
        if step < 4:
            raise BadPacket(f"a PUBACK of {end - start} bytes")
        run = data[at : at + _RUN]
        heads, sizes = run[::step], run[1::step]
        same = len(heads) - len(heads.lstrip(heads[:1])), len(sizes) - len(sizes.lstrip(sizes[:1]))
        count = min(*same, len(run) // step)
        stop = count * step
        codes = run[4:stop:step] if step > 4 else b""
        if codes and max(codes) >= _FAILURE:
            for place in range(2, stop, step):
                self._judge(run[place : place + step - 2])
        else:
            highs, lows = run[2:stop:step], run[3:stop:step]
            self.acked += [high << 8 | low for high, low in zip(highs, lows)]  # noqa: B905 - of equal lengths
        return at + stop

    def _judge(self, puback: bytes) -> None:
        """Take one PUBACK, without its head: it may say that the message was not taken, and why."""
        mid, code = puback[0] << 8 | puback[1], puback[2] if len(puback) > 2 else 0
        if code < _FAILURE:
            self.acked.append(mid)
        else:
            self.refused.append((mid, code, puback[3:]))


def _check(kind: int) -> None:
    """Raise BadPacket for the first byte of a packet that no broker sends."""
    if kind & 0xF0 != PUBLISH and kind not in _OTHERS:
        raise BadPacket(f"a packet that begins with {kind:#04x}")
