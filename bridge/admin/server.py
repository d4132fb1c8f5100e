"""Metrics and probes over HTTP (DESIGN section 7): `/metrics`, `/livez`, `/readyz`.

Nothing here writes anything or depends on a broker: liveness must not fail when a broker is away, or an outage of the
broker restarts every bridge.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bridge.connection import State
from bridge.supervisor import Route
from config.values import parse_listen

READY = frozenset({State.RUNNING, State.PAUSED})
"""The states in which a route does what its operator wants of it."""

GRACE_S = 1.0
"""How long a request under way may take to end when the bridge stops."""


@asynccontextmanager
async def listening(
    addresses: Sequence[str], registry: CollectorRegistry, routes: Sequence[Route]
) -> AsyncIterator[Sequence[str]]:
    """Serve on HOST:PORT addresses while the context is open; gives them with the ports that were really taken.

    Raises OSError, which names the address, when one cannot be had.
    """
    app = web.Application(client_max_size=1024)
    app.router.add_get("/", _index)
    app.router.add_get("/metrics", _metrics(registry))
    app.router.add_get("/livez", _livez)
    app.router.add_get("/readyz", _readyz(routes))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        for address in addresses:
            host, port = parse_listen(address)
            await web.TCPSite(runner, host, port).start()
        yield [f"{name[0]}:{name[1]}" for name in runner.addresses]
    finally:
        await runner.cleanup()


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _metrics(registry: CollectorRegistry) -> Handler:
    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    return metrics


async def _index(request: web.Request) -> web.Response:
    return web.Response(text="/metrics\n/livez\n/readyz\n/readyz?verbose\n")


async def _livez(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _readyz(routes: Sequence[Route]) -> Handler:
    async def readyz(request: web.Request) -> web.Response:
        ready = all(route.state in READY for route in routes)
        status = 200 if ready else 503
        if "verbose" not in request.query:
            return web.Response(text="ok\n" if ready else "not ready\n", status=status)
        body = {
            "ready": ready,
            "routes": {route.name: {"state": route.state.value, "reason": route.reason} for route in routes},
        }
        return web.json_response(body, status=status, dumps=lambda value: f"{json.dumps(value)}\n")

    return readyz
