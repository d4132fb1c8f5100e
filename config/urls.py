"""Broker URLs, such as `amqp://HOST:PORT/VHOST`, parsed into values that hide credentials.

No message of an error holds a part of the URL: what cannot be parsed may be anything, a password too.
"""

import difflib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from config.values import Kind

_PORTS: dict[Kind, int] = {"amqp": 5672, "kafka": 9092, "mqtt": 1883, "redis": 6379}
_OVER_TLS: dict[str, Kind] = {"amqps": "amqp", "mqtts": "mqtt", "rediss": "redis"}
_MEANT: dict[str, Kind] = {"rabbitmq": "amqp", "mosquitto": "mqtt", "valkey": "redis"}
_SHAPE = "write amqp://HOST:PORT/VHOST, kafka://HOST:PORT,HOST:PORT, mqtt://HOST:PORT or redis://HOST:PORT/DATABASE"
_CREDENTIALS = "write special characters in its user name and password as %XX, or put them into username and password"
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]")
_PORT = re.compile(r"[0-9]{1,5}")
_DATABASE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True, repr=False)
class BrokerUrl:
    """Where a broker is: as a model's field it is a string; neither str nor repr shows user name or password.

    `addresses` are (host, port), one or more, IPv6 without brackets. `path` is decoded and has no leading slash: AMQP's
    virtual host, "/" if the URL names none; the number of Redis's database, "0" if it names none; else empty.
    """

    kind: Kind
    addresses: tuple[tuple[str, int], ...]
    path: str = ""
    username: str | None = field(default=None)
    password: str | None = field(default=None)

    @property
    def shown(self) -> str:
        """The URL as a person may see it: without credentials."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses)
        path = "" if not self.path else "/" if self.path == "/" else "/" + quote(self.path, safe="")
        return f"{self.kind}://{hosts}{path}"

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"BrokerUrl({self.shown!r})"

    @classmethod
    def parse(cls, text: str) -> "BrokerUrl":
        """Parse a URL; raises ValueError, in words for the person who wrote it and without any part of the URL."""
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise ValueError(f"not a broker's URL; {_SHAPE}")
        kind = _kind(scheme.lower())
        if re.search(r"[\s\x00-\x1f\x7f]", rest):
            raise ValueError(f"a URL holds no spaces or control characters; {_CREDENTIALS}")
        if "#" in rest or "?" in rest:
            raise ValueError(f"a broker's URL takes no ?options and no #fragment; {_CREDENTIALS}")
        authority, _, path = rest.partition("/")
        if "@" in path:
            raise ValueError(f"an @ after the /; {_CREDENTIALS}")
        login, _, hosts = authority.rpartition("@")
        username, password = _login(login)
        if kind != "kafka" and "," in hosts:
            raise ValueError(f"{kind}:// takes one address; write a list of URLs for several")
        addresses = tuple(_address(host, _PORTS[kind]) for host in hosts.split(","))
        return cls(kind, addresses, _path(kind, path), username, password)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": r"^[A-Za-z]+://|\$\{"}


def _validate(value: object) -> BrokerUrl:
    if isinstance(value, BrokerUrl):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "not text")
    return BrokerUrl.parse(value)


def _kind(scheme: str) -> Kind:
    for kind in _PORTS:
        if scheme == kind:
            return kind
    if scheme in _OVER_TLS:
        raise ValueError(f"TLS ({scheme}) does not work yet; use {_OVER_TLS[scheme]}://")
    close = [_MEANT[scheme]] if scheme in _MEANT else difflib.get_close_matches(scheme, _PORTS, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    raise ValueError(f"not the scheme of a broker that works yet{meant}; {_SHAPE}")


def _path(kind: Kind, path: str) -> str:
    """What stands after the addresses, decoded, or what it means that nothing does."""
    if kind == "amqp":
        return _decoded(path) or "/"
    if kind == "redis":
        if path and not _DATABASE.fullmatch(path):
            raise ValueError("after its address a Redis URL has the number of a database, as in redis://HOST:PORT/0")
        return str(int(path or "0"))
    if path:
        raise ValueError(f"{kind}:// ends after its address; leave out the rest")
    return ""


def _login(text: str) -> tuple[str | None, str | None]:
    username, separator, password = text.partition(":")
    return (_decoded(username) if username else None), (_decoded(password) if separator else None)


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its %XX are not UTF-8") from None


def _address(text: str, port: int) -> tuple[str, int]:
    host = _HOST.match(text)
    if host is None:
        raise ValueError(f"needs a host; {_SHAPE}")
    rest = text[host.end() :]
    if rest:
        if rest[0] != ":":
            raise ValueError(f"a host name holds letters, digits, dots and dashes; {_CREDENTIALS}")
        if not _PORT.fullmatch(rest[1:]) or not 1 <= int(rest[1:]) <= 65535:
            raise ValueError(f"a port is a number from 1 to 65535; {_CREDENTIALS}")
        port = int(rest[1:])
    return host[0].strip("[]"), port
