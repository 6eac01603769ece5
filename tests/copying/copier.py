"""A copy in a process of its own, which waits for a line before it goes on: to be killed meanwhile.

Run as: python -m tests.copying.copier SOURCE_URL TARGET_URL BUCKETS
"""

import sys

from adapters.copying import copy_log


def _wait(doing: str, done: int, total: int) -> None:
    print(doing, done, total, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    copy_log(sys.argv[1], sys.argv[2], int(sys.argv[3]), _wait)
