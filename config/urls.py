"""Broker URLs: `amqp://HOST:PORT/VHOST` and `kafka://HOST:PORT,HOST:PORT`, parsed into values that hide credentials.

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

_PORTS: dict[Kind, int] = {"amqp": 5672, "kafka": 9092}
_SHAPE = "write amqp://HOST:PORT/VHOST or kafka://HOST:PORT,HOST:PORT"
_CREDENTIALS = "write special characters in its user name and password as %XX, or put them into username and password"
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True, repr=False)
class BrokerUrl:
    """Where a broker is: as a model's field it is a string; neither str nor repr shows user name or password.

    `addresses` are (host, port), one or more, IPv6 without brackets. `path` is decoded and has no leading slash; for
    AMQP it is the virtual host, "/" if the URL names none; for Kafka it is empty.
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
        path = "" if self.kind == "kafka" else "/" if self.path == "/" else "/" + quote(self.path, safe="")
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
        if kind == "amqp" and "," in hosts:
            raise ValueError("one address in an AMQP URL; write a list of URLs for several")
        if kind == "kafka" and path:
            raise ValueError("a Kafka URL ends after its addresses")
        addresses = tuple(_address(host, _PORTS[kind]) for host in hosts.split(","))
        return cls(kind, addresses, (_decoded(path) or "/") if kind == "amqp" else "", username, password)

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
    if scheme == "amqp":
        return "amqp"
    if scheme == "kafka":
        return "kafka"
    if scheme == "amqps":
        raise ValueError("TLS (amqps) does not work yet; use amqp://")
    close = difflib.get_close_matches(scheme, _PORTS, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    raise ValueError(f"not the scheme of a broker that works yet{meant}; {_SHAPE}")


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
