"""All that this package uses of redis-py beyond its documented interface: a new version of it is checked here.

tests/unit/connectors/redis/test_hooks.py fails when one of these moves:

- `Connection._reader` and `Connection._writer`: asyncio's streams. redis-py connects, logs in, selects the database and
  closes; in between commands go to these streams, and replies come from them into a reader of hiredis's of our own, in
  bulk, and errors as values: `read_response` costs as much for each reply as all the rest for a message, raises
  errors, and drops the connection for some of them that only say that the server has no time (LOADING)
- `Connection.retry` of no attempts, and `Connection.connect`, which therefore tries once (X1, X2 in
  research/reliability.md); `driver_info=None`, without which servers before 7.2 refuse two commands at each login
- in the protocol's version 2 nothing comes that was not asked for, so that after the login nothing is left in the
  parser of redis-py
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import hiredis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from connectors.redis.errors import Refused

__all__ = ["NOTHING", "Connection", "Reply", "connect", "drop", "new_connection", "new_parser", "streams"]

Reply: TypeAlias = Any
"""What a server says: bytes, a number, None, a list of these, or Refused."""

NOTHING: Final = object()
"""What a parser gives while the next reply is not complete."""


def new_connection(address: tuple[str, int], database: int, username: str | None, password: str | None) -> Connection:
    """A connection of redis-py, not connected, that retries nothing and knows no timeouts: those are the caller's."""
    host, port = address
    return Connection(
        host=host,
        port=port,
        db=database,
        username=username,
        password=password,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=None,
        health_check_interval=0,
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
    )


async def connect(connection: Connection) -> None:
    """Connect, log in and select the database, once; raises RedisError or OSError."""
    await cast("Any", connection).connect()


def streams(connection: Connection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The streams of a connection that is connected."""
    reader, writer = connection._reader, connection._writer
    if reader is None or writer is None:
        raise ConnectionError("redis-py has no streams")
    return reader, writer


def new_parser() -> hiredis.Reader:
    """A parser of replies that gives NOTHING where there is none, and Refused for errors."""
    return hiredis.Reader(replyError=cast("Callable[[str], Exception]", Refused), notEnoughData=NOTHING)


async def drop(connection: Connection, grace: float) -> None:
    """Close a connection within `grace` seconds; never raises for one that has gone. A cancelled call cuts it."""
    writer = connection._writer
    try:
        with contextlib.suppress(TimeoutError, OSError, RedisError):
            async with asyncio.timeout(grace):
                await connection.disconnect()
    finally:
        if writer is not None:
            writer.transport.abort()
