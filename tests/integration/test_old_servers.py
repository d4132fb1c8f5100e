"""The servers of other ages that the tests stand on are what they are meant to be."""

import socket
import struct

import redis
from yarl import URL

from tests import mqtt


def version(url: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        info = client.info("server")
        return f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info['redis_version']}"


def test_redis_6(redis_6_url: str) -> None:
    assert version(redis_6_url).startswith("redis 6.2.")


def test_valkey(valkey_url: str) -> None:
    assert version(valkey_url).startswith("valkey 8.")


def test_an_mqtt_broker_that_does_not_know_mqtt_5(mqtt_3_url: str) -> None:
    assert answer(mqtt_3_url, level=4, properties=b"") == b"\x20\x02\0\0", "CONNACK: accepted"
    assert answer(mqtt_3_url, level=5, properties=b"\0") == b""


def answer(url: str, level: int, properties: bytes) -> bytes:
    """What comes to a CONNECT of that version of the protocol; empty: the connection is closed."""
    where = URL(url)
    with socket.create_connection((where.host or "", where.port or 0), 10) as connection:
        connect = mqtt.text("MQTT") + struct.pack(">BBH", level, 2, 60) + properties + mqtt.text("old")
        connection.sendall(mqtt.packet(mqtt.CONNECT, connect))
        return connection.recv(100)
