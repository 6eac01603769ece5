"""Memory that was freed, given back to the system."""

import ctypes
from collections.abc import Callable
from threading import Thread
from time import sleep

from adapters.settings import LIMITS


def give_back() -> None:
    """Give back now and then what is free between pieces in use, as long as the process lives.

    glibc keeps it for later, and gives back by itself only what lies behind the last piece: what one burst of large
    requests needed would stay for ever, and the next one's beside it. Other C libraries have no such call, nor need it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        Thread(target=_again_and_again, args=(trim,), name="memory", daemon=True).start()


def _again_and_again(trim: Callable[[int], object]) -> None:
    while True:
        sleep(LIMITS.memory_free_s)
        trim(0)
