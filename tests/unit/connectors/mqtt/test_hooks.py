"""What the connector uses of paho-mqtt beyond its documented interface is where it was."""

import inspect
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion

from connectors.mqtt.hooks import TapClient
from connectors.mqtt.packets import BadPacket
from connectors.mqtt.tap import PacketTap
from tests.unit.connectors.mqtt.raw import CONNACK, DISCONNECT, PONG, SUBACK, content, framed, puback, publish

PINGREQ = b"\xc0\x00"


class Link:
    """A client of which a test is the broker and the event loop."""

    def __init__(self, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> None:
        self.tap = PacketTap()
        self.client = TapClient(self.tap, "client-1", version, clean=False)
        self.told: list[tuple[object, ...]] = []
        client = self.client
        client.on_socket_register_write = lambda *_: self.told.append(("writes",))
        client.on_connect = lambda _c, _d, flags, reason, _p: self.told.append(
            ("connected", flags.session_present, reason.value)
        )
        client.on_disconnect = lambda _c, _d, flags, reason, _p: self.told.append(
            ("over", flags.is_disconnect_packet_from_server, reason.value)
        )
        client.on_subscribe = lambda _c, _d, mid, codes, _p: self.told.append(
            ("granted", mid, [code.value for code in codes])
        )
        self.mine, self.broker = socket.socketpair()
        self.broker.settimeout(5)
        client.connect_async("host", 1, keepalive=10, clean_start=False)

    def begin(self) -> None:
        self.client.begin(self.mine)
        self.client.loop_write()
        assert self.broker.recv(1000)[:1] == b"\x10"
        self.gives(CONNACK)
        assert self.told[-1] == ("connected", False, 0)

    def gives(self, data: bytes) -> None:
        self.broker.sendall(data)
        self.client.read()

    def taken(self) -> bytes:
        self.client.loop_write()
        self.broker.setblocking(False)
        try:
            return self.broker.recv(1 << 20)
        except BlockingIOError:
            return b""

    def end(self) -> None:
        self.client.drop()
        self.mine.close()
        self.broker.close()


@pytest.fixture
def link() -> Iterator[Link]:
    made = Link()
    yield made
    made.end()


@pytest.fixture
def open_link(link: Link) -> Link:
    link.begin()
    return link


def test_the_library_has_what_is_hooked() -> None:
    assert list(inspect.signature(Client._sock_recv).parameters) == ["self", "bufsize"]
    assert list(inspect.signature(Client._sock_send).parameters) == ["self", "buf"]
    assert list(inspect.signature(Client._create_socket).parameters) == ["self"]
    assert list(inspect.signature(Client._packet_queue).parameters) == [
        *["self", "command", "packet", "mid", "qos", "info"]
    ]
    for name in ("_packet_read", "_packet_write"):
        source = inspect.getsource(getattr(Client, name))
        assert "self._sock_recv(" in source or "self._sock_send(" in source
        assert "_sock.recv(" not in source
        assert "_sock.send(" not in source
    assert "time.monotonic" in inspect.getsource(inspect.getmodule(Client) or Client)
    client = TapClient(PacketTap(), "c", MQTTProtocolVersion.MQTTv5, clean=True)
    for name in ("_sock", "_last_bytes_received", "_ping_t", "_out_packet"):
        assert hasattr(client, name)


@pytest.mark.parametrize(
    ("version", "clean", "flags"),
    [
        (MQTTProtocolVersion.MQTTv5, True, b"\x05\x00"),  # MQTT 5 asks for a clean start when it connects
        (MQTTProtocolVersion.MQTTv311, True, b"\x04\x02"),
        (MQTTProtocolVersion.MQTTv311, False, b"\x04\x00"),
    ],
)
def test_connect_is_sent_over_the_socket_it_is_given(version: MQTTProtocolVersion, clean: bool, flags: bytes) -> None:
    link = Link(version)
    link.end()
    mine, broker = socket.socketpair()
    with broker:
        client = TapClient(PacketTap(), "client-1", version, clean=clean)
        assert client.closed
        client.on_socket_register_write = lambda *_: None
        client.connect_async("host", 1, keepalive=10, clean_start=False)
        client.begin(mine)
        assert not client.closed
        assert not mine.getblocking()
        client.loop_write()
        packet = broker.recv(1000)
        assert packet[2:12] == b"\x00\x04MQTT" + flags + b"\x00\x0a"
        assert packet.endswith(b"\x00\x08client-1")
        client.drop()
        assert client.closed
        with pytest.raises(ConnectionError):
            client.reconnect()


def test_the_tap_takes_its_packets_and_the_library_all_others(open_link: Link) -> None:
    message = publish(2, b"t", 7, content(payload=b"x"))
    open_link.gives(message + SUBACK + puback(3) + PONG + message + framed(0x90, b"\0\2\0\x87"))
    assert [packet.topic for packet in open_link.tap.publishes] == [b"t", b"t"]
    assert (open_link.tap.acked, open_link.tap.pongs) == ([3], 1)
    assert open_link.told[-2:] == [("granted", 1, [1]), ("granted", 2, [0x87])]


def test_packets_may_come_in_pieces_of_any_size(open_link: Link) -> None:
    stream = publish(2, b"t", 7, content(payload=b"x" * 200)) + framed(0x90, b"\0\2\0" + b"\1" * 200)
    for place in range(len(stream)):
        open_link.gives(stream[place : place + 1])
    assert len(open_link.tap.publishes) == 1
    assert open_link.told[-1] == ("granted", 2, [1] * 200)


def test_a_release_of_quality_2_is_completed(open_link: Link) -> None:
    open_link.gives(publish(4, b"t", 7, content()))
    assert open_link.tap.publishes[0].ack == b"\x50\x02\x00\x07"
    open_link.client.write(open_link.tap.publishes[0].ack)
    open_link.gives(b"\x62\x02\x00\x07")
    assert open_link.taken() == b"\x50\x02\x00\x07" + b"\x70\x02\x00\x07"


def test_what_is_written_comes_in_order_and_is_counted(open_link: Link) -> None:
    client = open_link.client
    before = client.queued
    assert client.sent == before
    client.write(publish(0, b"a", 0, b""))
    assert client.ping() == client.pings == 1
    client.write(publish(0, b"b", 0, b""))
    assert ("writes",) in open_link.told
    assert (client.queued - before, client.sent - before) == (12, 0)
    assert open_link.taken() == publish(0, b"a", 0, b"") + PINGREQ + publish(0, b"b", 0, b"")
    assert client.sent == client.queued


def test_a_block_that_the_system_takes_in_parts_arrives_whole(open_link: Link) -> None:
    block = bytes(range(256)) * 16_384  # 4 MiB
    open_link.client.write(block)
    taken = bytearray()
    deadline = time.monotonic() + 10
    while len(taken) < len(block) and time.monotonic() < deadline:
        taken += open_link.taken()
        assert open_link.client.queued - open_link.client.sent == len(block) - len(taken) or open_link.client.sent
    assert bytes(taken) == block
    assert open_link.client.sent == open_link.client.queued


def test_bad_bytes_are_raised_to_whoever_reads(open_link: Link) -> None:
    with pytest.raises(BadPacket):
        open_link.gives(publish(0, b"t", 0, b"") + b"HTTP")
    assert len(open_link.tap.publishes) == 1


@pytest.mark.parametrize(
    "packet",
    [
        framed(0x20, b""),
        framed(0x20, b"\0\xfe\0"),
        framed(0x90, b""),
        framed(0x90, b"\0\1\0\xfe"),
        framed(0xE0, b"\xfe"),
        framed(0xE0, b"\0\5ab"),
        framed(0xB0, b"\0"),
        framed(0x62, b""),
        framed(0x50, b"\0\1"),
        framed(0x70, b"\0\1"),
        framed(0xD0, b"x"),
        framed(0xF0, b""),
    ],
)
def test_what_the_library_cannot_read_ends_the_connection_or_is_passed_over(open_link: Link, packet: bytes) -> None:
    open_link.gives(packet)
    open_link.client.loop_write()
    assert open_link.client.closed == any(told[0] == "over" for told in open_link.told)


def test_the_end_of_the_connection_is_told(open_link: Link) -> None:
    open_link.broker.close()
    open_link.client.read()
    assert open_link.told[-1] == ("over", False, 0x80)
    assert open_link.client.closed


def test_the_brokers_goodbye_is_told_and_what_came_before_it_is_taken(open_link: Link) -> None:
    open_link.gives(puback(1) + DISCONNECT + puback(2))
    assert open_link.tap.acked == [1, 2]
    assert open_link.told[-1] == ("over", True, 0x8E)
    assert open_link.client.closed


def test_our_own_goodbye_is_written_and_closes(open_link: Link) -> None:
    open_link.client.write(b"before")
    open_link.client.disconnect()
    assert open_link.taken() == b"before\xe0\x00"
    assert open_link.client.closed


def aged(link: Link, seconds: float, **more: float) -> None:
    """Make it so long ago that anything was heard or said."""
    client: Any = link.client
    client._last_msg_out = client._last_bytes_received = time.monotonic() - seconds
    if "ping" in more:
        client._ping_t = time.monotonic() - more["ping"]


def test_a_silent_link_is_pinged_and_after_as_long_again_dead(open_link: Link) -> None:
    open_link.client.tick(unread=False)
    assert open_link.taken() == b""
    aged(open_link, 11)
    open_link.client.tick(unread=False)
    assert (open_link.taken(), open_link.client.pings) == (PINGREQ, 1)
    aged(open_link, 11, ping=11)
    open_link.client.tick(unread=False)
    assert open_link.told[-1] == ("over", False, 0x8D)
    assert open_link.client.closed


@pytest.mark.parametrize("sign", [PONG, puback(1), publish(0, b"t", 0, b""), publish(0, b"t", 0, b"")[:3]])
def test_any_bytes_are_a_sign_of_life_whoever_takes_them(open_link: Link, sign: bytes) -> None:
    aged(open_link, 11)
    open_link.client.tick(unread=False)
    aged(open_link, 11, ping=11)
    open_link.gives(sign)
    open_link.client.tick(unread=False)
    assert not open_link.client.closed


def test_a_link_that_nobody_reads_is_pinged_and_not_judged(open_link: Link) -> None:
    for _ in range(3):
        aged(open_link, 11, ping=11)
        open_link.client.tick(unread=True)
        assert open_link.taken() == PINGREQ
    assert not open_link.client.closed
