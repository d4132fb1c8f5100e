"""How the process treats memory while it relays: settings of the interpreter and the C library, made once at the start.

A relay makes and drops some hundred thousand small values and some megabytes of buffers a second; nearly all live for
milliseconds. Measured on AMQP -> Kafka, 256 B, as shares of the process's CPU time: with the defaults 9 to 29 % went
into garbage collections that found nothing, and 15 % into page faults of buffers that the C library had given back to
the system and took again for the next request.
"""

import ctypes
import gc

YOUNG = 200_000
"""Allocations between collections of the youngest generation: more than a window's values, which die by themselves."""

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2  # malloc.h of the GNU C library
_KEEP = 128 << 20
_PAD = 4 << 20


def keep_memory_at_hand() -> None:
    """Set up garbage collection and malloc for relaying; to be called once, when everything is imported.

    The process then keeps up to 128 MiB that it once needed instead of giving it back at once. Where the C library is
    not GNU's, its part is left out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_MMAP_THRESHOLD, _KEEP), (_TRIM_THRESHOLD, _KEEP), (_TOP_PAD, _PAD)):
            mallopt(parameter, value)
