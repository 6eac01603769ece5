"""A run of the mirror in a process of its own, in small steps, that an alarm kills after so many seconds.

Run as: python -m tests.mirror.killed URL FOLDER SECONDS
"""

import signal
import sys
from pathlib import Path

from adapters.engine import Engine
from adapters.mirror.mirroring import mirror
from adapters.settings import LIMITS
from tests.mirror.reading import SMALL

if __name__ == "__main__":
    for name, value in SMALL.items():
        object.__setattr__(LIMITS, name, value)
    with Engine.open(sys.argv[1]) as opened:
        signal.setitimer(signal.ITIMER_REAL, float(sys.argv[3]))
        mirror(opened, Path(sys.argv[2]))
