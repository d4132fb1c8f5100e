"""A route from one source to a target of each of several kinds, of which one is at a broker of the test's own."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from bridge.cli.demo.brokers import Brokers
from bridge.cli.demo.mosquitto import Mosquitto
from bridge.cli.demo.redis import Redis
from tests.ends import End, MqttTopic, Stream, wait_found
from tests.legs import GROUP, Ends, MakeBridge, route, settled
from tests.routes import Bridge, everywhere, numbered

FANS = {
    "amqp": ("amqp", "kafka", "mqtt", "redis"),
    "kafka": ("mqtt", "redis"),
    "mqtt": ("kafka", "redis"),
    "redis": ("amqp", "mqtt"),
}
"""The kinds of targets of each kind of source."""

INTO_MQTT = [source for source, kinds in FANS.items() if "mqtt" in kinds]
INTO_REDIS = [source for source, kinds in FANS.items() if "redis" in kinds]

WINDOW = 1000
"""All messages of a test, so that those for a target in trouble keep none from the others."""

_SOON = 'retry = { initial = "50ms", max = "200ms" }'


class Fan(NamedTuple):
    """A route that runs, to a target of each kind; one of them, `own`, is at a broker of the test's own."""

    origin: End
    others: Sequence[End]
    own: End
    daemon: Bridge

    async def others_have(self, count: int) -> None:
        """See every other target get so many messages, exactly once and in order."""
        for other in self.others:
            assert await wait_found(other, count) == numbered(count), other.kind

    async def ends(self) -> None:
        """Stop the route when it has delivered everything: nothing came twice to the others, and nothing is left."""
        settled(self.daemon, 1000)
        assert self.daemon.stop() == 0
        await self.others_have(1000)
        assert await self.origin.left(GROUP) == 0

    def reconnects(self) -> float:
        """How often the target in trouble was connected anew, for any reason."""
        lines = [line for line in self.daemon.get("/metrics")[1].splitlines() if 'broker="own"' in line]
        return sum(float(line.split()[-1]) for line in lines if line.startswith("fedbridge_reconnects_total{"))

    def metric(self, name: str, **labels: str) -> float:
        """The value of a series of this route."""
        its = ",".join(f'{label}="{value}"' for label, value in sorted({"route": "updates", **labels}.items()))
        return self.daemon.metric(f"fedbridge_{name}{{{its}}}")


class MakeFan(Protocol):
    """Starts a route and waits until it runs."""

    def __call__(
        self, source: str, own: Mosquitto | Redis, broker: str = "", *, url: str = "", window: int = WINDOW
    ) -> Awaitable[Fan]:
        """`url` is where the route finds the test's own broker, `broker` has further keys of its table."""


def fans(brokers: Brokers, ends: Ends, bridge: MakeBridge, unique: str) -> MakeFan:
    """Give what makes a test's route."""

    async def make(
        source: str, own: Mosquitto | Redis, broker: str = "", *, url: str = "", window: int = WINDOW
    ) -> Fan:
        name = f"{unique}-own"
        at_own: End = (
            await asyncio.to_thread(MqttTopic, own.url, name) if isinstance(own, Mosquitto) else Stream(own.url, name)
        )
        origin = await ends.make(source, "in")
        if source == "amqp":  # else it begins lower, and is raised to twice that or not at all
            origin.source = origin.source.replace(" }", f", prefetch = {window} }}")
        others = [await ends.make(kind, "out") for kind in FANS[source] if kind != at_own.kind]
        target = at_own.target.replace('"mosquitto"', '"own"').replace('"redis"', '"own"')
        table = route(
            origin,
            *((other.kind, other.kind, other.target) for other in others),
            (at_own.kind, "own", target),
            more=f"window = {{ messages = {window} }}\n{_SOON}",
        )
        daemon = bridge(everywhere(brokers, f'{table}\n[brokers.own]\nurl = "{url or own.url}"\n{broker}\n'))
        daemon.wait_state("running")
        return Fan(origin, others, at_own, daemon)

    return make
