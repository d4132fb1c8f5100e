"""`fedbridge run`: the daemon, from its configuration to its exit code."""

import asyncio
import sys
from importlib import metadata
from pathlib import Path

import structlog
import typer
import uvloop
from prometheus_client import CollectorRegistry, ProcessCollector

from bridge import logs
from bridge.admin import listening
from bridge.cli import Exit
from bridge.metrics import Metrics
from bridge.shutdown import stop_on_signals
from bridge.supervisor import Route, Timings, supervise
from bridge.wiring import plan_routes
from config import Settings, load


def run(config: Path) -> None:
    """Run until a signal; exits 0 when everything was drained, 1 when something was not, 78 for a bad configuration."""
    settings = load(config)
    logs.configure(settings.log)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(_serve(settings)))


async def _serve(settings: Settings) -> int:
    version = metadata.version("fedbridge")
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry, version)
    log = structlog.get_logger()
    with stop_on_signals() as stop:
        routes = [Route(plan, metrics, Timings()) for plan in plan_routes(settings)]
        addresses = [address for address in (settings.admin.listen, settings.admin.metrics_listen) if address]
        try:
            async with listening(addresses, registry, routes) as taken:
                log.info("fedbridge is up.", version=version, routes=len(routes), admin=", ".join(taken))
                undrained = await supervise(routes, stop, settings.bridge.drain_timeout)
        except OSError as error:
            print(f"[admin]: cannot listen on {' and '.join(addresses)}: {error.strerror}", file=sys.stderr)
            return Exit.CONFIGURATION
    if undrained:
        log.error("Stopped, but not everything was drained; it comes again at the next start.", messages=undrained)
        return Exit.NEGATIVE
    log.info("Stopped; everything was drained.")
    return Exit.OK
