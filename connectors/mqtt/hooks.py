"""All that this package uses of paho-mqtt beyond its documented interface.

tests/unit/connectors/mqtt/test_hooks.py fails when one of these moves:

- `Client._sock_recv` is the one way by which paho reads, a byte or a part of a packet at a time; `_sock` is None when
  there is no connection
- `Client._sock_send` is the one way by which it writes, and `_packet_queue` the one way to what is written, in order; a
  packet that is queued as anything but PUBLISH or DISCONNECT is bytes to it
- `Client.reconnect` takes its socket from `_create_socket`, and blocks nowhere else
- `Client._last_bytes_received` and `_ping_t` are what `loop_misc` judges a link by, in seconds of `time.monotonic`
- `Client.loop_read` handles one packet a call
"""

import socket
import time
from typing import Final, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from connectors.mqtt.packets import PINGREQ, PUBACK
from connectors.mqtt.tap import PacketTap

CHUNK: Final = 1 << 18
"""Bytes that are read at once at most."""


class TapClient(paho.Client):
    """A paho client around whose PUBLISH and PUBACK packets a tap goes, and that never reconnects.

    It has neither thread nor loop: whoever has it calls `read`, `loop_write` and `tick`, and `write` in place of
    `publish` and `ack`.
    """

    def __init__(self, tap: PacketTap, client_id: str, version: MQTTProtocolVersion, *, clean: bool) -> None:
        """Begin; `clean` says whether a session begins afresh, which MQTT 5 asks for in `connect_async`."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if version == MQTTProtocolVersion.MQTTv5 else clean,
            protocol=version,
            reconnect_on_failure=False,
        )
        self.pings = 0
        """How many PINGREQs were queued."""
        self.queued = 0
        """Bytes that were ever queued to be written."""
        self.sent = 0
        """Bytes that the system has taken of them."""
        self._tap = tap
        self._left = b""
        self._made: socket.socket | None = None

    @property
    def closed(self) -> bool:
        """Whether there is no connection, not yet or not any more."""
        return self._sock is None

    def begin(self, sock: socket.socket) -> None:
        """Send CONNECT over a connected socket, as `connect_async` said; the socket is the client's from now on."""
        self._made = sock
        self.reconnect()

    def read(self) -> None:
        """Read what there is, at most CHUNK: the tap takes its packets, and paho handles all others.

        Raises BadPacket. What else goes wrong shows by `on_disconnect`.
        """
        self.loop_read()
        while self._left and self._sock is not None:
            self.loop_read()

    def write(self, packets: bytes) -> None:
        """Queue whole packets to be written, behind everything that was queued before."""
        # As PUBACKs, of which paho expects nothing; as a view, of which a part can be taken without copying it.
        self._packet_queue(PUBACK, cast("bytes", memoryview(packets)), 0, 0)

    def ping(self) -> int:
        """Queue a PINGREQ, and give how many PINGRESPs there will have been when its own has come."""
        self._packet_queue(PINGREQ, bytes((PINGREQ, 0)), 0, 0)
        return self.pings

    def tick(self, *, unread: bool) -> None:
        """See to the keepalive; to be called every second. `unread` says that nobody reads, on purpose.

        Then the broker cannot show that it lives: it is pinged all the same, and TCP notices if it does not.
        """
        if unread:
            self._live()
        self.loop_misc()

    def drop(self) -> None:
        """Close the socket, if there is one, without a word to the broker."""
        self._sock_close()

    def _live(self) -> None:
        """Note a sign of life. Any bytes are one: a PINGRESP may be long in coming behind others."""
        self._last_bytes_received = time.monotonic()
        self._ping_t = 0.0

    def _create_socket(self) -> socket.socket:
        made, self._made = self._made, None
        if made is None:
            raise ConnectionError("this client connects once")
        return made

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._left:
            data = super()._sock_recv(CHUNK)
            if not data:
                return data
            self._live()
            self._left = self._tap.feed(data)
            if not self._left:
                raise BlockingIOError
        taken, self._left = self._left[:bufsize], self._left[bufsize:]
        return taken

    def _sock_send(self, buf: bytes | bytearray) -> int:
        sent = super()._sock_send(buf)
        self.sent += sent
        return sent

    def _packet_queue(
        self, command: int, packet: bytes | bytearray, mid: int, qos: int, info: paho.MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        self.queued += len(packet)
        self.pings += command == PINGREQ
        return super()._packet_queue(command, packet, mid, qos, info)
