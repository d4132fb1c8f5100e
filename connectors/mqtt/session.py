"""One connection to an MQTT broker and its session: paho owns CONNECT, login, keepalive, SUBSCRIBE and DISCONNECT, and
the event loop moves the bytes."""

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Never

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from config.urls import BrokerUrl
from connectors.mqtt import reasons
from connectors.mqtt.confirming import CONFIRM_WITHIN, confirm
from connectors.mqtt.hooks import TapClient
from connectors.mqtt.packets import BadPacket
from connectors.mqtt.past import Past
from connectors.mqtt.tap import PacketTap
from connectors.mqtt.terms import MOST, Limits, Terms, limits_of, said_in

TICK: Final = 1.0
"""Seconds between two looks at the keepalive, as paho wants it."""


class _Connack(NamedTuple):
    code: int
    present: bool
    limits: Limits
    said: str


class Session:
    """A connection that is being made, is open or is lost; everything on one event loop.

    `stirred` is called whenever something was read or written, and for the loss: it is to be set by whoever takes what
    the tap diverts.
    """

    def __init__(
        self, broker: BrokerSettings, url: BrokerUrl, terms: Terms, past: Past, version: MQTTProtocolVersion
    ) -> None:
        self.broker = url.shown
        """The broker's URL as a person may see it."""
        self.version = 5 if version == MQTTProtocolVersion.MQTTv5 else 4
        """5, or 4 for 3.1.1, as the protocol counts."""
        self.timeout = broker.broker_timeout
        """Seconds that any answer may take."""
        self.client_id = terms.client_id
        self.keepalive = min(MOST, max(1, math.ceil(broker.heartbeat)))
        """Seconds after which a silent link is asked for a sign of life; after as many more it is dead."""
        self.present = False
        """Whether the broker had a session of this client id."""
        self.limits = Limits()
        self.tap = PacketTap()
        self.stirred: Callable[[], None] = lambda: None
        self.publishing: Callable[[], bool] = lambda: False
        """Whether a message has no answer that may be why the broker ends the connection; for who publishes to set."""
        self.loss: RouteFault | Disconnected | None = None
        """Why nothing comes or goes any more, once it does not."""
        self.farewell = 0
        """The reason code with which the broker ended the connection; 0 if it did not say."""
        self._loop = asyncio.get_running_loop()
        self._client = TapClient(self.tap, terms.client_id, version, clean=terms.clean or not terms.expiry)
        self._hook_up()
        self._url = url
        self._past = past
        self._terms = terms
        self._connack: _Connack | None = None
        self._accepted_at = 0.0
        self._confirming: asyncio.TimerHandle | None = None
        self._granted: dict[int, list[int]] = {}
        self._socket: socket.socket | None = None
        self._reading = True
        self._reset = False
        self._changed = asyncio.Event()

    @property
    def queued(self) -> int:
        """Bytes that were queued to be written, ever."""
        return self._client.queued

    @property
    def unwritten(self) -> int:
        """Bytes that the system has not taken yet."""
        return self._client.queued - self._client.sent

    @property
    def written(self) -> int:
        """Bytes that the system has taken, ever."""
        return self._client.sent

    async def connect(self, sock: socket.socket, username: str | None, password: str | None) -> tuple[int, str]:
        """Connect over a socket, which is the session's from now on; give code and words of the broker's answer.

        Raises Disconnected. `drop` is to be called when this has failed, or the code says FAILURE.
        """
        client, terms = self._client, self._terms
        if username is not None or password is not None:
            client.username_pw_set(username or "", password)
        asked = None
        if self.version == 5:
            asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            asked.SessionExpiryInterval = terms.expiry
            asked.ReceiveMaximum = terms.window
        host, port = self._url.addresses[0]
        client.connect_async(host, port, self.keepalive, clean_start=terms.clean, properties=asked)
        client.begin(sock)
        await self._until(lambda: self._connack is not None, "connecting")
        code, self.present, self.limits, said = self._connack or _Connack(0, False, Limits(), "")
        return code, said

    async def subscribe(self, filters: Sequence[str], qos: int, retained: int) -> list[int]:
        """Subscribe to topic filters, and give the reason code of each, which is the QoS granted below FAILURE.

        `retained` is MQTT 5's Retain Handling; the retain flag comes as it was published. Raises Disconnected.
        """
        wanted: list[Any] = [(topic, qos) for topic in filters]
        if self.version == 5:
            options = SubscribeOptions(qos=qos, retainAsPublished=True, retainHandling=retained)
            wanted = [(topic, options) for topic in filters]
        _, mid = self._client.subscribe(wanted)
        await self._until(lambda: mid in self._granted, "subscribing")
        return self._granted.pop(mid or 0, [])

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for the end of subscriptions, and wait for nothing."""
        self._client.unsubscribe(list(filters))

    async def ping(self, doing: str) -> None:
        """Wait until the broker has dealt with everything that was written; raises Disconnected.

        It handles a client's packets one after the other, and so answers a PINGREQ last.
        """
        pongs = self.mark()
        await self._until(lambda: self.tap.pongs >= pongs, doing)

    def mark(self) -> int:
        """Write a PINGREQ, and give how many PINGRESPs there will have been when its own has come."""
        return self._client.ping()

    def write(self, packets: bytes) -> None:
        """Queue whole packets to be written; nothing happens when the session is lost."""
        if self.loss is None:
            self._client.write(packets)

    @property
    def reading(self) -> bool:
        """Whether what comes is read; else it stays in the system's buffers, and the broker's."""
        return self._reading

    @reading.setter
    def reading(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            if self._socket is not None:
                if wanted:
                    self._loop.add_reader(self._socket, self._readable)
                else:
                    self._loop.remove_reader(self._socket)

    def lose(self, error: RouteFault | Disconnected) -> None:
        """Note the loss of the session, once, and tell everybody."""
        if self.loss is None:
            self.loss = error
        self._stir()

    async def lost(self) -> RouteFault | Disconnected:
        """Wait for the loss, and give it."""
        while self.loss is None:
            await self._change()
        return self.loss

    async def watch(self) -> Never:
        """See to the keepalive, for ever."""
        while True:
            await asyncio.sleep(TICK)
            self._client.tick(unread=not self._reading)

    async def close(self) -> None:
        """Say goodbye and close, within `broker_timeout`; what the broker keeps of the session it keeps."""
        open_still = self.loss is None
        self.lose(Disconnected(f"{self.broker}: the session was closed", "cancelled"))
        try:
            if open_still:
                self._client.disconnect()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.timeout):
                        while not self._client.closed:
                            await self._change()
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket without a word."""
        self._client.drop()

    async def _until(self, done: Callable[[], bool], doing: str) -> None:
        """Wait for an answer, at most `timeout` of the time in which it could have been read."""
        while not done():
            try:
                async with asyncio.timeout(self.timeout):
                    while not done():
                        if self.loss is not None:
                            raise self.loss
                        await self._change()
            except TimeoutError:
                if self._reading:
                    text = f"{self.broker}: no answer in time while {doing}"
                    raise Disconnected(text, "timeout") from None

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _stir(self) -> None:
        self._changed.set()
        self.stirred()

    def _readable(self) -> None:
        try:
            self._client.read()
            while self._is_reset():
                self._client.read()
        except BadPacket as error:
            self._client.drop()
            self.lose(Disconnected(f"{self.broker}: not MQTT: {error}", "error"))
        else:
            if self._confirming is None:
                self._confirming = self._loop.call_later(CONFIRM_WITHIN, self._confirm)
            self._stir()

    def _is_reset(self) -> bool:
        """Whether the broker has reset the connection, and its last bytes or the loss itself are still to be read.

        uvloop calls a reader only once after a reset, and raises if it is then asked to call a writer.
        """
        if self._socket is None or not self._reading:
            return False
        self._reset = self._reset or self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0  # is told once
        return self._reset

    def _confirm(self) -> None:
        self._confirming = None
        if self._socket is not None:
            confirm(self._socket)

    def _writable(self) -> None:
        self._client.loop_write()
        self._stir()

    def _hook_up(self) -> None:
        """Have paho call us. In a callback nothing of paho may be called: it holds a lock meanwhile."""
        client = self._client
        client.on_socket_open = lambda _client, _data, sock: self._opened(sock)
        client.on_socket_close = lambda _client, _data, sock: self._closed(sock)
        client.on_socket_register_write = lambda _client, _data, sock: self._register(sock)
        client.on_socket_unregister_write = lambda _client, _data, sock: self._unregister(sock)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe

    def _opened(self, sock: Any) -> None:
        self._socket = sock
        self._loop.add_reader(sock, self._readable)

    def _closed(self, sock: Any) -> None:
        self._socket = None
        self._loop.remove_reader(sock)

    def _register(self, sock: Any) -> None:
        self._loop.add_writer(sock, self._writable)

    def _unregister(self, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._accepted_at = self._loop.time()
        self._connack = _Connack(reason.value, flags.session_present, limits_of(properties), said_in(properties))

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, codes: Sequence[Any], _properties: Any) -> None:
        self._granted[mid] = [code.value for code in codes]

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self.loss is not None:  # it is we who have ended it
            return
        self._stir()  # what came before the end may explain it
        if flags.is_disconnect_packet_from_server:
            self.farewell = reason.value
            self._past.explained()
            said, publishing = said_in(properties), self.publishing()
            self.lose(reasons.ended(self.broker, reason.value, self.client_id, said, publishing=publishing))
            return
        error = reasons.broken(self.broker, reason.value)
        if self._connack is None or error.reason != "lost":
            self._past.explained()
            self.lose(error)
        else:
            self.lose(self._past.ended(error, self.client_id, self._loop.time() - self._accepted_at))
