"""One source to several kinds of targets, with a Mosquitto or a Redis away or slow: no other minds it."""

import asyncio
import signal

import pytest

from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.redis import Redis
from tests.ends import wait_found
from tests.integration.fan import INTO_MQTT, INTO_REDIS, WINDOW, MakeFan
from tests.legs import settled
from tests.routes import numbered

CASES = [*((source, "mosquitto") for source in INTO_MQTT), *((source, "redis") for source in INTO_REDIS)]
PATIENT = 'heartbeat = "60s"\nconnect_timeout = "60s"\nbroker_timeout = "60s"'
IMPATIENT = 'heartbeat = "1s"\nconnect_timeout = "1s"\nbroker_timeout = "1s"'


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Mosquitto | Redis:
    """A broker of this test's own."""
    made: Mosquitto | Redis = request.getfixturevalue(f"own_{request.param}")
    return made


@pytest.mark.parametrize(("source", "own"), CASES, indirect=["own"])
async def test_one_target_away_holds_no_other_back_and_misses_nothing(
    fan: MakeFan, own: Mosquitto | Redis, source: str
) -> None:
    its = await fan(source, own, IMPATIENT)
    await its.origin.fill(numbered(300))
    await asyncio.to_thread(own.stop)  # with some of them on their way, or not
    await its.origin.fill(numbered(700, first=300))
    await its.others_have(1000)
    assert its.daemon.fates()["delivered"] <= 300, "nothing is settled before every target has it"
    its.daemon.wait_state("backing_off")
    await asyncio.to_thread(own.start)
    found = await wait_found(its.own, 1000)
    assert list(dict.fromkeys(found)) == numbered(1000)
    assert len(found) - 1000 <= WINDOW
    await its.ends()


@pytest.mark.parametrize(("source", "own"), CASES, indirect=["own"])
async def test_a_slow_target_holds_the_source_back_within_the_window_and_no_connection_is_lost(
    fan: MakeFan, own: Mosquitto | Redis, source: str
) -> None:
    its = await fan(source, own, PATIENT, window=100)
    await its.origin.fill(numbered(300))
    settled(its.daemon, 300)
    (process,) = own.processes
    process.signal(signal.SIGSTOP)
    try:
        await its.origin.fill(numbered(700, first=300))
        await its.others_have(400)
        assert its.metric("inflight_messages") == 100, "no more than the window is taken from the source"
        assert its.daemon.fates()["delivered"] == 300
        assert its.daemon.route() == ("running", "")
    finally:
        process.signal(signal.SIGCONT)
    assert await wait_found(its.own, 1000) == numbered(1000)
    assert its.reconnects() == 0
    await its.ends()


@pytest.mark.parametrize(("source", "own"), CASES, indirect=["own"])
async def test_a_target_that_is_silent_for_too_long_is_connected_anew_and_misses_nothing(
    fan: MakeFan, own: Mosquitto | Redis, source: str
) -> None:
    its = await fan(source, own, IMPATIENT)
    await its.origin.fill(numbered(300))
    (process,) = own.processes
    process.signal(signal.SIGSTOP)  # with some of them on their way, or not
    try:
        await its.origin.fill(numbered(700, first=300))
        its.daemon.wait_state("backing_off")
        await its.others_have(1000)
    finally:
        process.signal(signal.SIGCONT)
    await wait_found(its.own, 1000)
    assert its.reconnects() > 0
    await its.ends()
    found = await its.own.found()
    assert list(dict.fromkeys(found)) == numbered(1000)
    assert len(found) - 1000 <= WINDOW
