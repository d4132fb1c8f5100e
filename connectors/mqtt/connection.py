"""Connecting to an MQTT broker: addresses in turn, login, and MQTT 3.1.1 where a broker does not speak 5."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

from paho.mqtt.enums import MQTTProtocolVersion

from bridge.errors import Disconnected, RouteFault
from config.brokers import BrokerSettings
from config.errors import ConfigError
from config.urls import BrokerUrl
from connectors.mqtt import reasons
from connectors.mqtt.past import Past
from connectors.mqtt.session import Session
from connectors.mqtt.terms import Terms

_Login: TypeAlias = tuple[str | None, str | None]
_Make: TypeAlias = Callable[[MQTTProtocolVersion], Session]


def identity_of(broker: BrokerSettings) -> str:
    """What the loop guard calls a broker, if nobody says otherwise: by the first of its addresses."""
    host, port = broker.urls[0].addresses[0]
    return f"mqtt:{host}:{port}"


@asynccontextmanager
async def connected(broker: BrokerSettings, terms: Terms, past: Past) -> AsyncIterator[Session]:
    """Connect to the first of the broker's URLs that answers, in MQTT 5, or 3.1.1 where that does not speak 5.

    Each may take `connect_timeout`. Raises RouteFault (authentication, forbidden, conflict), else Disconnected of the
    last URL. Leaving closes the connection within `broker_timeout` and never raises for a broker that is gone. What the
    broker sends is in `tap` from the first packet on, before anybody has set `stirred`.
    """
    session = await _first(broker, terms, past)
    try:
        yield session
    finally:
        await session.close()


async def _first(broker: BrokerSettings, terms: Terms, past: Past) -> Session:
    try:
        login = broker.login()
    except ConfigError as error:
        raise RouteFault(str(error), "authentication") from error
    failure = Disconnected(f"{broker.shown}: no URL to connect to", "error")
    for url in broker.urls:
        make = partial(Session, broker, url, terms, past)
        try:
            async with asyncio.timeout(broker.connect_timeout):
                return await _attempt(make, url, login, past)
        except TimeoutError:
            failure = Disconnected(f"{url.shown}: no answer in time while connecting", "timeout")
        except OSError as error:
            reason = "refused" if isinstance(error, ConnectionRefusedError) else "lost"
            failure = Disconnected(f"{url.shown}: {error.strerror or error}, while connecting", reason)
        except Disconnected as error:
            failure = error
    past.explained()
    raise failure


async def _attempt(make: _Make, url: BrokerUrl, login: _Login, past: Past) -> Session:
    """Connect in MQTT 5, or in 3.1.1 where the broker refuses 5 or ends the connection for it; may raise OSError.

    RabbitMQ 3 does the latter, without a word. A broker that has spoken MQTT 5 before has another reason for that.
    """
    wordless = False
    try:
        session, code, said = await _connect(make, url, login, MQTTProtocolVersion.MQTTv5)
    except Disconnected as error:
        if past.spoke_5 or error.reason != "lost":
            raise
        wordless = True
    else:
        if code != reasons.UNSUPPORTED_VERSION:
            past.spoke_5 = True
            return _accepted(session, url, code, said)
        session.drop()
    try:
        session, code, said = await _connect(make, url, login, MQTTProtocolVersion.MQTTv311)
    except Disconnected as error:
        if error.reason == "error" or (wordless and error.reason == "lost"):
            raise reasons.unspoken(url.shown, error.reason) from error
        raise
    return _accepted(session, url, code, said)


async def _connect(
    make: _Make, url: BrokerUrl, login: _Login, version: MQTTProtocolVersion
) -> tuple[Session, int, str]:
    """Connect in that version, and give the session with code and words of the broker's answer; may raise OSError."""
    session = make(version)
    try:
        sock = await _dial(*url.addresses[0], 3 * session.keepalive)
        return session, *await session.connect(sock, *login)
    except BaseException:
        session.drop()
        raise


def _accepted(session: Session, url: BrokerUrl, code: int, said: str) -> Session:
    """Give the session if the broker has accepted it; raises what its answer says."""
    if code < reasons.FAILURE:
        return session
    session.drop()
    raise reasons.refused_connection(url.shown, code, session.client_id, said)


async def _dial(host: str, port: int, dead_after: int) -> socket.socket:
    """Connect by TCP to the first address of a host that answers; raises OSError. Cancel-safe.

    The system drops the connection when the peer takes nothing for `dead_after` seconds.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError, AttributeError):  # Linux has it
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, dead_after * 1000)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure
