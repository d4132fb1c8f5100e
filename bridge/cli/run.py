"""`fedbridge run`: the daemon, from its configuration to its exit code."""

import asyncio
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog
import typer
import uvloop
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from bridge import logs
from bridge.admin import listening
from bridge.cli import Exit
from bridge.metrics import Metrics
from bridge.shutdown import stop_on_signals
from bridge.supervisor import Route, Timings, place_of, supervise
from bridge.tuning import keep_memory_at_hand
from bridge.wiring import plan_routes
from config import Settings, load


def run(config: Path) -> None:
    """Run until a signal; exits 0 when everything was drained, 1 when something was not, 78 for a bad configuration."""
    settings = load(config)
    logs.configure(settings.log)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise typer.Exit(runner.run(_serve(settings)))


def _tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong where nobody could catch it: in a callback, or in a task that nobody awaits."""
    error = context.get("exception")
    where = place_of(error) if error is not None else ""
    structlog.get_logger().error(
        "This is a bug in fedbridge; please report it.", error=repr(error), where=where, context=context["message"]
    )


async def _serve(settings: Settings) -> int:
    version = metadata.version("fedbridge")
    disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client has no types here
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry, version)
    log = structlog.get_logger()
    asyncio.get_running_loop().set_exception_handler(_tell)
    with stop_on_signals() as stop:
        plans = plan_routes(settings)
        keep_memory_at_hand()
        routes = [Route(plan, metrics, Timings()) for plan in plans]
        addresses = [address for address in (settings.admin.listen, settings.admin.metrics_listen) if address]
        try:
            async with listening(addresses, registry, routes) as taken:
                log.info("fedbridge is up.", version=version, routes=len(routes), admin=", ".join(taken))
                undrained = await supervise(routes, stop, settings.bridge.drain_timeout)
        except OSError as error:
            print(f"[admin]: {error.strerror}: is another fedbridge running? change admin.listen", file=sys.stderr)
            return Exit.CONFIGURATION
    if undrained:
        log.error("Stopped, but not everything was drained; it comes again at the next start.", messages=undrained)
        return Exit.NEGATIVE
    log.info("Stopped; everything was drained.")
    return Exit.OK
