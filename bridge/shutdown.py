"""Signals: the first SIGTERM or SIGINT asks for a drain, the second ends the process at once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

ENDED_BY_HAND = 1
"""The exit code after a second signal: something was not drained."""


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets; the handlers are removed on leaving. Needs a running loop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def ask() -> None:
        log = structlog.get_logger()
        if stop.is_set():
            log.error("A second signal; ending at once, without draining.")
            os._exit(ENDED_BY_HAND)
        log.info("Stopping: what is in flight is drained first; a second signal ends at once.")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
