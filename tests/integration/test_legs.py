"""Whole legs between all systems, on real brokers: 1,000 numbered messages each, exactly once and in order."""

import pytest

from bridge.cli.demo.brokers import Brokers
from tests.ends import wait_found
from tests.legs import GROUP, LEGS, Ends, MakeBridge, delivered, route, settled
from tests.routes import everywhere, numbered, wait


@pytest.mark.parametrize(("source", "sink"), LEGS)
async def test_a_thousand_messages_cross_exactly_once_and_in_order(
    brokers: Brokers, ends: Ends, bridge: MakeBridge, source: str, sink: str
) -> None:
    origin, target = await ends.make(source, "in"), await ends.make(sink, "out")
    await origin.fill(numbered(600))
    daemon = bridge(everywhere(brokers, route(origin, (sink, "out", target.target))))
    daemon.wait_state("running")
    await origin.fill(numbered(400, first=600))
    assert await wait_found(target, 1000) == numbered(1000)
    settled(daemon, 1000)
    assert daemon.fates() == delivered(1000)
    if source != "mqtt":  # whose brokers do not say what they hold
        wait(lambda: daemon.metric('fedbridge_source_lag{route="updates"}') == 0, lambda: daemon.get("/metrics")[1], 20)
    assert daemon.stop() == 0
    assert await origin.left(GROUP) == 0
    assert await target.found() == numbered(1000)
