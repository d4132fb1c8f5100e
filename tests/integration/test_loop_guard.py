"""The loop guard on real brokers: bridges that face each other, and rings of them, carry each message once."""

import asyncio
import itertools

import pytest

from bridge.cli.demo.brokers import Brokers
from tests.ends import End, Queue
from tests.legs import KINDS, Ends, MakeBridge
from tests.routes import Bridge, everywhere, numbered, publish, wait

COUNT = 100


async def fill(end: End) -> None:
    """Put numbered messages where the other bridge would put them."""
    if isinstance(end, Queue):
        await asyncio.to_thread(publish, end.url, end.name, numbered(COUNT), "leg")
    else:
        await end.fill(numbered(COUNT))


def table(name: str, origin: End, target: End, more: str = "") -> str:
    """A route of that name."""
    return f"[routes.{name}]\nfrom.{origin.kind} = {origin.source}\nto.{target.kind} = {{ {target.target} }}\n{more}\n"


def ended(bridge: Bridge, name: str, **fates: int) -> None:
    """Wait until a route has received so many messages, and see how they ended and that no more come."""
    expected = {"received": COUNT, "delivered": 0, "dead": 0, "dropped": 0, "filtered": 0, "returned": 0, **fates}
    wait(lambda: bridge.fates(name) == expected, lambda: f"{name}: {bridge.fates(name)}\n{bridge.tail()}")


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(KINDS, 2), *zip(KINDS, KINDS, strict=True)])
async def test_a_two_way_pair_in_one_file_carries_each_message_once(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, one: str, other: str
) -> None:
    here, there = await ends.make(one, "here"), await ends.make(other, "there")
    daemon = bridge(everywhere(brokers, table("out", here, there) + table("back", there, here)))
    for name in ("out", "back"):
        daemon.wait_state("running", name)
    await fill(here)
    ended(daemon, "out", delivered=COUNT)
    ended(daemon, "back", filtered=COUNT)
    series = f'fedbridge_sink_messages_total{{outcome="filtered",route="back",sink="{here.kind}"}}'
    assert daemon.metric(series) == COUNT
    assert daemon.stop() == 0


async def test_three_bridges_in_a_ring_carry_each_message_round_once(
    brokers: Brokers, ends: Ends, bridge: MakeBridge
) -> None:
    ring = [await ends.make(kind, kind) for kind in ("amqp", "kafka", "redis")]
    daemons = [
        bridge(everywhere(brokers, table(f"from-{origin.kind}", origin, target)).replace('"test"', f'"{origin.kind}"'))
        for origin, target in zip(ring, [*ring[1:], ring[0]], strict=True)
    ]
    for daemon, origin in zip(daemons, ring, strict=True):
        daemon.wait_state("running", f"from-{origin.kind}")
    await fill(ring[0])
    ended(daemons[0], "from-amqp", delivered=COUNT)
    ended(daemons[1], "from-kafka", delivered=COUNT)
    ended(daemons[2], "from-redis", filtered=COUNT)


@pytest.mark.parametrize("via", KINDS)
async def test_a_message_comes_back_to_its_broker_at_another_place(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, via: str
) -> None:
    origin, between, home = await ends.make("amqp", "a"), await ends.make(via, "x"), await ends.make("amqp", "b")
    daemon = bridge(everywhere(brokers, table("out", origin, between) + table("back", between, home)))
    for name in ("out", "back"):
        daemon.wait_state("running", name)
    await fill(origin)
    ended(daemon, "out", delivered=COUNT)
    ended(daemon, "back", delivered=COUNT)
    assert await home.found() == numbered(COUNT)


async def test_without_trust_a_path_is_dropped_and_too_many_hops_are_an_error(
    brokers: Brokers, ends: Ends, bridge: MakeBridge
) -> None:
    first, second, third = [await ends.make("redis", role) for role in ("a", "b", "c")]
    back = await ends.make("redis", "d")
    routes = table("one", first, second) + table("two", second, third, "max_hops = 1\non_error = 'drop'")
    daemon = bridge(everywhere(brokers, routes + table("three", second, back, "max_hops = 1\ntrust = false")))
    for name in ("one", "two", "three"):
        daemon.wait_state("running", name)
    await fill(first)
    ended(daemon, "one", delivered=COUNT)
    ended(daemon, "two", dropped=COUNT)
    ended(daemon, "three", delivered=COUNT)
    assert await back.found() == numbered(COUNT)
    assert "too_many_hops" in daemon.tail()
