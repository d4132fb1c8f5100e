"""What the routes of a configuration need at a Redis, looked up without changing anything there.

A right is asked for by a command that cannot do anything, since it is about a group that is not there, or an id that no
entry can have: the server looks at the right first. Seen on Redis 6.2 and 7.0 and on Valkey 8.1.
"""

import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.findings import End, Finding, Tell
from config.brokers import BrokerSettings
from config.redis import RedisSinkSettings, RedisSourceSettings
from connectors.redis.commands import Member, pack, xack, xautoclaim, xclaim, xreadgroup
from connectors.redis.connection import Wire, connected
from connectors.redis.errors import Refused
from connectors.redis.hooks import Reply
from connectors.redis.source import member_of

_OLDEST: Final = (6, 2)  # the first with XAUTOCLAIM
_NO_ENTRY: Final = b"0-0"


async def survey(broker: BrokerSettings, ends: Sequence[End], tell: Tell) -> None:
    """Connect, and tell of every end what it finds: in the order given, each finding as soon as it is known.

    Takes at most `connect_timeout` and then `broker_timeout` for each question. Raises RouteFault (authentication,
    missing: the login or the database) and Disconnected, also when some findings have been told.
    """
    async with connected(broker, "fedbridge check") as wire:
        look = _Look(wire, broker)
        version, settings = await look.server()
        for end in ends:
            for finding in (version, *look.costs(settings, end), *await look.at(end)):
                tell(end, finding)


class _Look:
    """One look at a server."""

    def __init__(self, wire: Wire, broker: BrokerSettings) -> None:
        url = broker.urls[0]
        host, port = url.addresses[0]
        self._wire = wire
        self._cli = ["redis-cli", "-h", host, "-p", str(port), *(() if url.path == "0" else ("-n", url.path))]
        self._user = broker.login()[0] or "default"

    async def server(self) -> tuple[Finding, Mapping[str, str | None]]:
        """What server it is, and its settings about short memory and restarts."""
        asked = ("maxmemory-policy", "maxmemory", "appendonly")
        info, *settings = await self._wire.ask(pack("INFO", "server"), *(pack("CONFIG", "GET", each) for each in asked))
        return _version(info), dict(zip(asked, map(_value, settings), strict=True))

    async def at(self, end: End) -> list[Finding]:
        """Everything about one source or target."""
        if isinstance(end.settings, RedisSourceSettings):
            return await self._source(end, end.settings)
        if isinstance(end.settings, RedisSinkSettings):
            return await self._target(end, end.settings)
        return []

    def costs(self, settings: Mapping[str, str | None], end: End) -> Iterator[Finding]:
        """What these settings of the server may cost a source or a target."""
        policy, limit, kept = settings.values()
        if policy is None or kept is None:
            text = f"whether the server may evict streams, and what a crash costs: user {self._user} may not CONFIG GET"
            yield Finding("unknown", text, (self._grant("+config|get"),))
            return
        if policy.startswith("allkeys-") and limit != "0":
            text = f"maxmemory-policy is {policy}: where memory is short the server deletes whole streams"
            yield Finding("warning", text, (self._command("CONFIG", "SET", "maxmemory-policy", "noeviction"),))
        if kept == "no":
            text = "appendonly is off: a crash of the server loses what it took since it last saved its data"
            if isinstance(end.settings, RedisSourceSettings):
                text += ", and what was acknowledged since comes again, however much it is"
            yield Finding("warning", text, (self._command("CONFIG", "SET", "appendonly", "yes"),))

    async def _source(self, end: End, settings: RedisSourceSettings) -> list[Finding]:
        member = member_of(settings, end.place)
        found: list[Finding] = []
        for stream in settings.streams:
            there = await self._stream(end, stream, "streams")
            found.append(there)
            if there.verdict != "conflict":
                found += await self._group(stream, member, settings.start, made=there.verdict == "created")
        return found

    async def _group(self, stream: str, member: Member, start: str, *, made: bool) -> list[Finding]:
        group = member.group.decode()
        (groups,) = await self._wire.ask(pack("XINFO", "GROUPS", stream))
        known = (
            [] if isinstance(groups, Refused) else [dict(zip(each[::2], each[1::2], strict=True)) for each in groups]
        )
        mine = next((each for each in known if each[b"name"] == member.group), None)
        missing = await self._rights(stream, member, create=mine is None)
        if missing:
            text = f"user {self._user} may not {', '.join(missing)} on stream {stream}"
            return [Finding("forbidden", text, (self._grant(f"~{stream}", *(f"+{each}" for each in missing)),))]
        if mine is not None:
            at = mine[b"last-delivered-id"].decode()
            return [Finding("ok", f"group {group} of stream {stream} is there, at {at}, {mine[b'pending']} pending")]
        if isinstance(groups, Refused) and not made:
            text = f"whether group {group} of stream {stream} is there: user {self._user} may not ask"
            return [Finding("unknown", text, (self._grant(f"~{stream}", "+xinfo"),))]
        where = {"0": "its beginning", "$": "its end"}.get(start, start)
        return [Finding("created", f"group {group} of stream {stream} is not there yet and will be created at {where}")]

    async def _rights(self, stream: str, member: Member, *, create: bool) -> list[str]:
        """The commands that the user may not use on a stream."""
        key = stream.encode()
        nobody = Member(f"fedbridge-check-{secrets.token_hex(8)}".encode(), member.consumer)
        commands = {
            "xreadgroup": xreadgroup(nobody, 1, None, [(key, _NO_ENTRY)]),
            "xack": xack(key, nobody, [_NO_ENTRY])[0],
            "xclaim": xclaim(key, nobody, 1, [_NO_ENTRY])[0],
            "xautoclaim": xautoclaim(key, nobody, 1, _NO_ENTRY, 1),
        }
        if create:
            commands["xgroup|create"] = pack("XGROUP", "CREATE", stream, nobody.group, "no id")
        replies = await self._wire.ask(*commands.values())
        return [name for name, reply in zip(commands, replies, strict=True) if _is_forbidden(reply)]

    async def _target(self, end: End, settings: RedisSinkSettings) -> list[Finding]:
        stream = settings.stream.fixed
        if stream is None:
            return [Finding("unknown", f"stream {settings.stream}: which one depends on the message")]
        found = [await self._stream(end, stream, "stream")]
        (reply,) = await self._wire.ask(pack("XADD", stream, _NO_ENTRY, "a", "b"))
        if _is_forbidden(reply):
            text = f"user {self._user} may not append to stream {stream}"
            found.append(Finding("forbidden", text, (self._grant(f"~{stream}", "+xadd"),)))
        return found

    async def _stream(self, end: End, stream: str, key: str) -> Finding:
        kind, info = await self._wire.ask(pack("TYPE", stream), pack("XINFO", "STREAM", stream))
        if isinstance(kind, Refused):
            text = f"whether stream {stream} is there: user {self._user} may not ask"
            return Finding("unknown", text, (self._grant(f"~{stream}", "+type", "+xinfo"),))
        if kind == b"none":
            return Finding("created", f"stream {stream} is not there yet and will be created")
        if kind != b"stream":
            text = f"{stream} is a {kind.decode()} and no stream"
            return Finding("conflict", text, (f"name another one: {end.key}.{key} = …",))
        if isinstance(info, Refused):
            return Finding("ok", f"stream {stream} is there")
        facts = dict(zip(info[::2], info[1::2], strict=True))
        last = facts[b"last-generated-id"].decode()
        return Finding("ok", f"stream {stream} is there, {facts[b'length']} entries, the last id {last}")

    def _grant(self, *rules: str) -> str:
        return self._command("ACL", "SETUSER", self._user, *rules)

    def _command(self, *words: str) -> str:
        return "$ " + shlex.join([*self._cli, *words])


def _version(info: Reply) -> Finding:
    """The finding about the server's version, of the reply of INFO."""
    if isinstance(info, Refused):
        return Finding("unknown", "which server this is: the user may not ask (INFO)")
    facts = dict(line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)
    version = facts.get("redis_version", "")
    name = f"Valkey {facts['valkey_version']}" if "valkey_version" in facts else f"Redis {version}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if facts.get("redis_mode") == "cluster":
        return Finding("conflict", f"{name} in cluster mode, which is not supported", ("name a server of its own",))
    if len(numbers) == 2 and numbers < _OLDEST:
        return Finding("conflict", f"{name} is too old: 6.2 or later is needed", ("install a later one",))
    return Finding("ok", name)


def _value(reply: Reply) -> str | None:
    """The value that CONFIG GET gives, or None where it gives none."""
    return reply[1].decode(errors="replace") if isinstance(reply, list) and len(reply) == 2 else None


def _is_forbidden(reply: Reply) -> bool:
    return isinstance(reply, Refused) and reply.code == "NOPERM"
