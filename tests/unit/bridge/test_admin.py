import errno
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from bridge.admin import listening


async def test_it_serves_metrics_and_probes_on_every_address() -> None:
    registry = CollectorRegistry()
    Counter("seen", "What was seen.", registry=registry).inc()
    async with listening(["127.0.0.1:0", "127.0.0.1:0"], registry, []) as addresses, aiohttp.ClientSession() as client:
        assert len(set(addresses)) == 2
        for address in addresses:
            async with client.get(f"http://{address}/livez") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with client.get(f"http://{address}/readyz?verbose") as answer:
                assert await answer.json() == {"ready": True, "routes": {}}
            async with client.get(f"http://{address}/metrics") as answer:
                assert "seen_total 1.0" in await answer.text()
            async with client.post(f"http://{address}/metrics") as answer:
                assert answer.status == 405, "nothing is written here"


async def test_an_address_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=address.partition(":")[2]) as failure:
            async with listening([address], CollectorRegistry(), []):
                pass
    assert failure.value.errno == errno.EADDRINUSE
