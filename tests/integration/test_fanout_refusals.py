"""One source to several kinds of targets, with a Mosquitto or a Redis that refuses: what that does to a route."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from redis.asyncio import Redis as Client

from bridge.cli.demo.install import Files
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.redis import Redis
from tests import mqtt
from tests.ends import wait_found
from tests.integration.fan import INTO_MQTT, INTO_REDIS, WINDOW, Fan, MakeFan
from tests.integration.mqtt_topics import mosquitto
from tests.legs import GROUP, settled
from tests.quota import quota
from tests.routes import numbered, wait


class Shortage(NamedTuple):
    """What a Redis lacks to take messages: what brings it about and ends it, and what the route says of it."""

    begin: Callable[[Client], Awaitable[object]]
    end: Callable[[Client], Awaitable[object]]
    code: str
    reason: str


SHORTAGES = [
    Shortage(
        lambda client: client.config_set("maxmemory", 1),
        lambda client: client.config_set("maxmemory", 0),
        "OOM",
        "out_of_memory",
    ),
    Shortage(
        lambda client: client.replicaof("127.0.0.1", "1"),  # of nobody
        lambda client: client.replicaof("NO", "ONE"),
        "READONLY",
        "read_only",
    ),
]


@pytest.mark.parametrize("shortage", SHORTAGES, ids=lambda shortage: shortage.reason)
@pytest.mark.parametrize("source", INTO_REDIS)
async def test_a_redis_that_refuses_is_waited_for_visibly_and_gets_each_message_once(
    fan: MakeFan, own_redis: Redis, source: str, shortage: Shortage
) -> None:
    its = await fan(source, own_redis)
    async with Client.from_url(own_redis.url) as client:
        await its.origin.fill(numbered(300))
        await shortage.begin(client)
        await its.origin.fill(numbered(700, first=300))
        await held(its, shortage.code, shortage.reason)
        await shortage.end(client)
    assert await wait_found(its.own, 1000) == numbered(1000), "what it refused it does not have"
    await its.ends()


@pytest.mark.parametrize("source", INTO_MQTT)
async def test_an_mqtt_broker_beyond_its_quota_is_waited_for_visibly_and_gets_each_message_once(
    fan: MakeFan, own_mosquitto: Mosquitto, source: str
) -> None:
    with quota(own_mosquitto.url) as proxy:
        its = await fan(source, own_mosquitto, url=proxy.url)
        await its.origin.fill(numbered(300))
        proxy.exceed()
        await its.origin.fill(numbered(700, first=300))
        await held(its, "quota exceeded (0x97)", "quota")
        proxy.lift()
        assert await wait_found(its.own, 1000) == numbered(1000)
        await its.ends()


async def held(its: Fan, words: str, reason: str) -> None:
    """See that a route with a target that refuses waits, says why, does not loop hot, and that the others have all."""
    await its.others_have(1000)
    assert words in its.daemon.wait_state("waiting")
    assert its.metric("sink_blocked", sink="own") == 1
    assert 0 < its.metric("retries_total", sink="own", reason=reason) < 2 * WINDOW
    assert its.daemon.fates()["delivered"] <= 300


class Guarded(NamedTuple):
    """A Mosquitto that everybody may write to, or nobody; both return once that holds, and block."""

    broker: Mosquitto
    rights: Path

    def allow(self) -> None:
        self._grant("readwrite")

    def forbid(self) -> None:
        self._grant("read")

    def _grant(self, right: str) -> None:
        self.rights.write_text(f"topic {right} #\n")
        (process,) = self.broker.processes
        process.signal(signal.SIGHUP)
        wait(lambda: self._takes() == (right == "readwrite"), lambda: "Mosquitto to read the rights")

    def _takes(self) -> bool:
        with mqtt.Session(self.broker.url, "prober", clean=True, expiry=0) as session:
            try:
                session.publish([mqtt.publish("probe", b"", 1)])
            except mqtt.Refused:
                return False
            return True


@pytest.fixture
def guarded(broker_files: Files, tmp_path: Path) -> Iterator[Guarded]:
    """A Mosquitto of this test's own that takes rights away when it is told to."""
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite #\n")
    with mosquitto(broker_files, f"acl_file {rights}") as broker:
        yield Guarded(broker, rights)


@pytest.mark.parametrize("source", INTO_MQTT)
async def test_a_mosquitto_that_forbids_the_topic_stops_the_route_which_misses_nothing_when_it_may_again(
    fan: MakeFan, guarded: Guarded, source: str
) -> None:
    its = await fan(source, guarded.broker)
    await its.origin.fill(numbered(300))
    settled(its.daemon, 300)
    await asyncio.to_thread(guarded.forbid)
    await its.origin.fill(numbered(700, first=300))
    reason = its.daemon.wait_state("failed")
    assert "refused at own: forbidden" in reason
    assert "not authorized (0x87)" in reason
    assert its.daemon.fates()["delivered"] == 300
    assert await its.own.found() == numbered(300)
    its.daemon.stop()
    await asyncio.to_thread(guarded.allow)
    its.daemon.start()
    assert await wait_found(its.own, 1000) == numbered(1000)
    settled(its.daemon, 700)
    assert its.daemon.stop() == 0
    for other in its.others:
        found = await other.found()
        assert list(dict.fromkeys(found)) == numbered(1000)
        assert len(found) - 1000 <= WINDOW, "what the others took before the route stopped comes again"
    assert await its.origin.left(GROUP) == 0
