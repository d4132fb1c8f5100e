"""What `fedbridge run` does around the routes; the daemon itself is in tests/integration/test_daemon.py."""

import asyncio
from pathlib import Path

import structlog

from bridge.cli.run import _tell


def _fail() -> None:
    raise KeyError("missing")


async def test_an_error_that_nobody_could_catch_is_told_as_a_bug_with_its_place() -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(_tell)
    try:
        with structlog.testing.capture_logs() as lines:
            loop.call_soon(_fail)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(before)
    (line,) = lines
    assert line["event"] == "This is a bug in fedbridge; please report it."
    assert line["error"] == "KeyError('missing')"
    assert Path(line["where"].rpartition(":")[0]) == Path(__file__)
