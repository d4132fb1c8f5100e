"""Keeping every route running: opens and reopens its source and each sink, backs off, gives up on permanent faults.

Each route has one task for its source and one for each sink; they live, fail and come back separately, around the
relay, which holds what is in hand meanwhile. A route's state is not stored anywhere: it follows from its connections.
"""

import asyncio
import math
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple, TypeVar

import structlog

from bridge.backoff import delay
from bridge.connection import Connection, State
from bridge.errors import Disconnected, RouteFault
from bridge.lane import Lane
from bridge.metrics import Metrics, follow
from bridge.ports import OpenSink, OpenSource, Sink, Source
from bridge.relay import Relay, RelaySettings

Port = TypeVar("Port", Source, Sink)


class Timings(NamedTuple):
    """How patient the supervisor is, in seconds (and bugs in a row); the defaults are reliability.md section 3.3's."""

    backoff_initial: float = 0.5
    backoff_longest: float = 30.0
    probe: float = 30.0
    """Between attempts at a route that has failed for good, so that nobody is locked out by them."""
    healthy: float = 60.0
    """A connection that lasted this long, or made progress, starts the backoff afresh."""
    bugs: int = 5
    """Unexpected errors in a row until the route counts as failed."""


class RoutePlan(NamedTuple):
    """What it takes to run a route: the relay's settings, and for source and sinks the broker's name and the opener."""

    relay: RelaySettings
    source: tuple[str, OpenSource]
    sinks: dict[str, tuple[str, OpenSink]]


_LOOK_EVERY = 1.0  # seconds between two looks at the routes' states, for the log

_SEVERITY = (State.FAILED, State.BACKING_OFF, State.WAITING, State.STARTING, State.RUNNING)


class Route:
    """One route, from start to stop."""

    def __init__(self, plan: RoutePlan, metrics: Metrics, timings: Timings) -> None:
        """To be made inside the event loop that runs it."""
        self.name = plan.relay.route
        self._plan = plan
        self._timings = timings
        self._clock = asyncio.get_running_loop().time
        self._meters = metrics.route(self.name)
        self.relay = Relay(plan.relay, self._meters, self._clock)
        self.connections = (
            Connection(plan.source[0], "source", "source"),
            *(Connection(broker, "sink", name) for name, (broker, _) in plan.sinks.items()),
        )
        self._draining = False
        self.log = structlog.get_logger().bind(route=self.name)
        """Where what happens to the route is logged."""
        _expose(self, metrics)

    @property
    def state(self) -> State:
        """The state of the route: the worst of its connections', unless it is draining or has stopped itself."""
        if self.relay.halted is not None:
            return State.FAILED
        if self._draining:
            return State.DRAINING
        states = {connection.state for connection in self.connections}
        if any(lane.obstacle for lane in self.relay.lanes):
            states.add(State.WAITING)
        return next(state for state in _SEVERITY if state in states)

    @property
    def reason(self) -> str:
        """Why the route is in its state, for a person; empty when it is running."""
        if self.relay.halted is not None:
            return self.relay.halted
        details = [(c.name, c.detail) for c in self.connections if c.detail]
        details += [(lane.name, lane.obstacle) for lane in self.relay.lanes if lane.obstacle]
        return "; ".join(f"{name}: {detail}" for name, detail in details)

    async def run(self, stop: asyncio.Event, drain_timeout: float) -> int:
        """Run until `stop`; gives the number of messages that were not drained within `drain_timeout` seconds.

        A route whose `on_error` stopped it drains, closes its connections and stays `failed` until `stop`.
        """
        async with asyncio.TaskGroup() as tasks:
            source = tasks.create_task(self._keep_source(drain_timeout), name=f"{self.name} source")
            sinks = [
                tasks.create_task(self._keep_sink(number), name=f"{self.name} {connection.name}")
                for number, connection in enumerate(self.connections[1:])
            ]
            closer = tasks.create_task(self._close_at(stop), name=f"{self.name} closer")
            await self.relay.closing.wait()
            self._draining = True
            deadline = self._clock() + drain_timeout
            if self.connections[0].port is None:
                source.cancel()
            await asyncio.wait({source})
            await self.relay.drain(max(0.0, deadline - self._clock()))
            for task in (*sinks, closer):
                task.cancel()
        if self.relay.halted is not None:
            await stop.wait()
        return self.relay.undrained

    async def _close_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.relay.close()

    async def _keep_source(self, drain_timeout: float) -> None:
        await self._keep(
            self.connections[0],
            self._plan.source[1],
            lambda source: self.relay.consume(source, drain_timeout),
            lambda: self.relay.settled,
        )

    async def _keep_sink(self, number: int) -> None:
        connection, lane = self.connections[1 + number], self.relay.lanes[number]
        await self._keep(connection, self._plan.sinks[connection.name][1], lane.run, lambda: lane.confirmed)

    async def _keep(
        self,
        connection: Connection,
        open_port: Callable[[], AbstractAsyncContextManager[Port]],
        use: Callable[[Port], Awaitable[None]],
        progress: Callable[[], int],
    ) -> None:
        """Open, use, and after every loss back off and open again, until `use` returns or the task is cancelled."""
        attempt = bugs = 0
        lost: str | None = None
        while True:
            opened, before = self._clock(), progress()
            try:
                async with open_port() as port:
                    if lost is not None:
                        self._meters.reconnected(connection.broker, connection.role, lost)
                    connection.port = port
                    opened = self._clock()
                    self.log.info("Connected.", broker=connection.broker, role=connection.role, name=connection.name)
                    await use(port)
                    return
            except (Disconnected, RouteFault) as error:
                failure: Disconnected | RouteFault = error
                bugs = 0
            except Exception as error:  # noqa: BLE001 - the one place: a bug must not take other routes down
                bugs += 1
                failure = self._bug(error, bugs)
            finally:
                was_open, connection.port = connection.port is not None, None
            if connection.role == "source" and self.relay.closing.is_set():
                return
            if was_open:
                lost = failure.reason
                if progress() > before or self._clock() - opened >= self._timings.healthy:
                    attempt = 0
            pause = self._pause(failure, attempt)
            attempt += 1
            self._note(connection, failure, pause)
            await asyncio.sleep(pause)

    def _pause(self, failure: Disconnected | RouteFault, attempt: int) -> float:
        timings = self._timings
        draw = random.random()  # noqa: S311 - jitter, not a secret
        if isinstance(failure, RouteFault):
            return delay(0, timings.probe, timings.probe, draw)
        return delay(attempt, timings.backoff_initial, timings.backoff_longest, draw)

    def _note(self, connection: Connection, failure: Disconnected | RouteFault, pause: float) -> None:
        permanent = isinstance(failure, RouteFault)
        connection.trouble = State.FAILED if permanent else State.BACKING_OFF
        connection.reason = str(failure)
        write = self.log.error if permanent else self.log.warning
        write(
            "The route has failed; it is tried again slowly." if permanent else "No connection; backing off.",
            broker=connection.broker,
            role=connection.role,
            name=connection.name,
            reason=failure.reason,
            error=str(failure),
            retry_in_s=round(pause, 2),
        )

    def _bug(self, error: Exception, bugs: int) -> Disconnected | RouteFault:
        self.log.error("This is a bug in fedbridge; please report it.", error=repr(error), where=place_of(error))
        if bugs >= self._timings.bugs:
            return RouteFault(f"an unexpected error, {bugs} times in a row: {error!r}", "bug")
        return Disconnected(f"an unexpected error: {error!r}", "error")


async def supervise(routes: Sequence[Route], stop: asyncio.Event, drain_timeout: float) -> int:
    """Run all routes until `stop`; gives the number of messages that stayed undrained, over all routes."""
    if not routes:
        await stop.wait()
        return 0
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell(routes), name="states")
        running = [tasks.create_task(route.run(stop, drain_timeout), name=f"route {route.name}") for route in routes]
        await asyncio.wait(running)
        telling.cancel()
    return sum(task.result() for task in running)


async def _tell(routes: Sequence[Route]) -> None:
    """Log when a route begins to wait for something, and when it runs again; failures are logged where they happen."""
    told = dict.fromkeys(routes, State.STARTING)
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        for route in routes:
            state, before = route.state, told[route]
            told[route] = state
            if state is State.WAITING is not before:
                route.log.warning("The route waits.", reason=route.reason)
            elif state is State.RUNNING is not before:
                route.log.info("The route runs.")


def place_of(error: BaseException) -> str:
    """FILE:LINE where an error was raised, for a report; of a group, of its first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def _expose(route: Route, metrics: Metrics) -> None:
    """Have the gauges read this route at every scrape."""
    name, relay = route.name, route.relay
    follow(metrics.inflight_messages, name, value=lambda: relay.messages)
    follow(metrics.inflight_bytes, name, value=lambda: relay.bytes)
    follow(metrics.oldest_unsettled, name, value=lambda: relay.oldest)
    follow(metrics.source_lag, name, value=partial(_lag_of, relay))
    for state in State:
        follow(metrics.route_state, name, state.value, value=partial(_is_in, route, state))
    for lane, connection in zip(relay.lanes, route.connections[1:], strict=True):
        follow(metrics.sink_blocked, name, lane.name, value=partial(_is_blocked, lane, connection))
    for broker, role in {(connection.broker, connection.role) for connection in route.connections}:
        alike = [c for c in route.connections if (c.broker, c.role) == (broker, role)]
        follow(metrics.connection_up, broker, name, role, value=partial(_are_up, alike))


def _lag_of(relay: Relay) -> float:
    """What the source's broker holds for the route; not a number while nobody can say."""
    lag = relay.lag
    return math.nan if lag is None else float(lag)


def _is_in(route: Route, state: State) -> float:
    return float(route.state is state)


def _is_blocked(lane: Lane, connection: Connection) -> float:
    return float(bool(lane.obstacle) or connection.state is State.WAITING)


def _are_up(connections: Sequence[Connection]) -> float:
    return float(all(connection.port is not None for connection in connections))
