"""The garbage collector, kept from walking again and again what is in no cycle: touchpoints, rows, states of folds.

It walks what is new after every few hundred objects, and all there is whenever a quarter of that is new. Where
thousands are made a second, and go by themselves, it finds nothing and takes a fifth of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_YOUNG_MAX = 100_000
"""How many objects must be new before it looks at them: several batches of them."""


_lock = RLock()  # an abandoned generator may leave its block while the collector runs in one that holds it
_blocks = 0
_before = gc.get_threshold()


@contextmanager
def seldom() -> Iterator[None]:
    """Let it look at what is new less often, until the last of the blocks ends that are under way at once."""
    global _blocks, _before
    with _lock:
        if not _blocks:
            _before = young, *older = gc.get_threshold()
            gc.set_threshold(max(_YOUNG_MAX, young), *older)
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                gc.set_threshold(*_before)


def look_seldom() -> None:
    """The same for as long as the process lives: a service, whose every request is gone when it is answered.

    What it finds once is looked at again soon: what is in a cycle by then would wait until a million objects are new.
    """
    young, _, oldest = gc.get_threshold()
    gc.set_threshold(max(_YOUNG_MAX, young), 1, oldest)


def keep_out_of_sight() -> None:
    """Let it never look again at what is there now; what is in a cycle and not needed any more goes first."""
    # Looking at the oldest empties caches of the interpreter too, which takes longer than to look at what is new.
    gc.collect(2 if gc.get_objects(generation=2) else 1)
    gc.freeze()


@contextmanager
def paused() -> Iterator[None]:
    """Let it not look at all until the block ends, which must be soon: what other threads make meanwhile stays too."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
