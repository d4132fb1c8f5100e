"""`fedbridge check --connect` on real Redis servers: what is missing, and that looking changes nothing."""

import asyncio
from pathlib import Path

import pytest

from bridge.cli import Exit
from bridge.cli.demo.redis import Redis
from tests.integration.looking import look, remedies, told
from tests.integration.redis_streams import Streams, add, counted


def toml(url: str, route: str, login: str = "") -> str:
    return f"""
[bridge]
name = "test"
instance = "node"
[brokers.redis]
url = "{url}"
broker_timeout = "3s"
{login}
[routes.a]
{route}
"""


@pytest.mark.parametrize(
    ("server", "name"), [("redis_url", "Redis 7"), ("redis_6_url", "Redis 6.2.5"), ("valkey_url", "Valkey 8.1.8")]
)
async def test_what_is_there_and_what_will_be_made(
    request: pytest.FixtureRequest, unique: str, tmp_path: Path, server: str, name: str
) -> None:
    streams = Streams(await asyncio.to_thread(request.getfixturevalue, server), unique)
    route = f"""
from.redis = {{ streams = ["{unique}", "{unique}-new", "{unique}-bare"], start = "$" }}
to.redis = [{{ name = "a", stream = "{unique}-out" }}, {{ name = "b", stream = "{{header.x:none}}" }}]
"""
    async with streams.client() as client:
        (first, last) = await add(client, unique, counted(0, 2))
        await client.xgroup_create(unique, "fedbridge.test.a", first)
        (bare,) = await add(client, f"{unique}-bare", counted(0, 1))
        keys = await client.dbsize()
        found = await look(tmp_path, toml(streams.url, route))
        assert (found.exit, found.away) == (Exit.OK, {})
        (version, *source) = told(found, "a.from.redis")
        assert version[0] == "ok"
        assert version[1].startswith(name)
        assert source == [
            ("ok", f"stream {unique} is there, 2 entries, the last id {last.decode()}"),
            ("ok", f"group fedbridge.test.a of stream {unique} is there, at {first.decode()}, 0 pending"),
            ("created", f"stream {unique}-new is not there yet and will be created"),
            (
                "created",
                f"group fedbridge.test.a of stream {unique}-new is not there yet and will be created at its end",
            ),
            ("ok", f"stream {unique}-bare is there, 1 entries, the last id {bare.decode()}"),
            (
                "created",
                f"group fedbridge.test.a of stream {unique}-bare is not there yet and will be created at its end",
            ),
        ]
        assert told(found, "a.to.redis[0]")[1:] == [
            ("created", f"stream {unique}-out is not there yet and will be created")
        ]
        assert told(found, "a.to.redis[1]")[1:] == [
            ("unknown", "stream {header.x:none}: which one depends on the message")
        ]
        assert await client.dbsize() == keys, "looking changes nothing"
        assert len(await client.xinfo_groups(unique)) == 1
        assert await client.xinfo_groups(f"{unique}-bare") == []
        assert await client.xinfo_consumers(unique, "fedbridge.test.a") == []
        assert await client.xlen(unique) == 2


async def test_what_may_cost_messages_is_said_with_the_command_that_prevents_it(
    own_redis: Redis, unique: str, tmp_path: Path
) -> None:
    route = f'from.redis = {{ streams = ["{unique}"] }}\nto.redis = {{ stream = "{unique}-out" }}'
    async with Streams(own_redis.url, unique).client() as client:
        await client.config_set("appendonly", "no")
        await client.config_set("maxmemory", 1 << 30)
        await client.config_set("maxmemory-policy", "allkeys-lru")
        found = await look(tmp_path, toml(own_redis.url, route))
        assert found.exit is Exit.OK
        for end in ("a.from.redis", "a.to.redis"):
            assert [verdict for verdict, _ in told(found, end)][1:3] == ["warning"] * 2
            assert remedies(found, end) == [
                f"$ redis-cli -h 127.0.0.1 -p {own_redis.port} CONFIG SET maxmemory-policy noeviction",
                f"$ redis-cli -h 127.0.0.1 -p {own_redis.port} CONFIG SET appendonly yes",
            ]
        lost = "appendonly is off: a crash of the server loses what it took since it last saved its data"
        again = f"{lost}, and what was acknowledged since comes again, however much it is"
        assert told(found, "a.from.redis")[2] == ("warning", again)
        assert told(found, "a.to.redis")[2] == ("warning", lost)


async def test_a_key_that_is_no_stream_is_a_conflict(redis_url: str, unique: str, tmp_path: Path) -> None:
    route = f'from.redis = {{ streams = ["{unique}"] }}\nto.redis = {{ stream = "{unique}-out" }}'
    async with Streams(redis_url, unique).client() as client:
        await client.set(unique, "a string")
        await client.rpush(f"{unique}-out", "a list")
        found = await look(tmp_path, toml(redis_url, route))
    assert found.exit is Exit.NEGATIVE
    assert told(found, "a.from.redis")[1:] == [("conflict", f"{unique} is a string and no stream")]
    assert told(found, "a.to.redis")[1:] == [("conflict", f"{unique}-out is a list and no stream")]
    assert remedies(found, "a.from.redis") == ["name another one: routes.a.from.redis.streams = …"]
    assert remedies(found, "a.to.redis") == ["name another one: routes.a.to.redis.stream = …"]


async def test_missing_rights_are_said_with_the_command_that_grants_them(
    own_redis: Redis, unique: str, tmp_path: Path
) -> None:
    route = f'from.redis = {{ streams = ["{unique}"] }}\nto.redis = {{ stream = "{unique}-out" }}'
    login = 'username = "least"\npassword = "sesame"'
    async with Streams(own_redis.url, unique).client() as client:
        await client.execute_command("ACL", "SETUSER", "least", "on", ">sesame", "+ping", "~other")  # type: ignore[no-untyped-call]
        found = await look(tmp_path, toml(own_redis.url, route, login))
        assert found.exit is Exit.NEGATIVE
        verdicts = [verdict for verdict, _ in told(found, "a.from.redis")]
        assert verdicts == ["unknown", "unknown", "unknown", "forbidden"]
        lacking = told(found, "a.from.redis")[-1][1]
        assert lacking == (f"user least may not xreadgroup, xack, xclaim, xautoclaim, xgroup|create on stream {unique}")
        assert told(found, "a.to.redis")[-1] == ("forbidden", f"user least may not append to stream {unique}-out")
        for command in (remedies(found, "a.from.redis")[-1], remedies(found, "a.to.redis")[-1]):
            words = command.removeprefix("$ redis-cli -h 127.0.0.1 -p ").split()[1:]
            await client.execute_command(*(word.strip("'") for word in words))  # type: ignore[no-untyped-call]
        found = await look(tmp_path, toml(own_redis.url, route, login))
        assert found.exit is Exit.OK, "the remedies are all that is needed"


async def test_a_login_that_does_not_do_is_told_of_every_end(own_redis: Redis, unique: str, tmp_path: Path) -> None:
    route = f'from.redis = {{ streams = ["{unique}"] }}\nto.redis = {{ stream = "{unique}-out" }}'
    found = await look(tmp_path, toml(own_redis.url, route, 'username = "nobody"\npassword = "sesame"'))
    assert found.exit is Exit.NEGATIVE
    for end in ("a.from.redis", "a.to.redis"):
        ((verdict, text),) = told(found, end)
        assert verdict == "forbidden"
        assert "change username and password" in text
        assert "sesame" not in text
