"""A writer in a process of its own: appends, and says each group's id and positions once the log has acknowledged it.

Run as: python -m tests.contracts.writer URL NAME GROUPS SIZE
"""

import sys
from contextlib import closing

from adapters.addresses import open_log
from tests.contracts.drafts import append, draft


def main(url: str, name: str, groups: int, size: int) -> None:
    with closing(open_log(url)) as log:
        for at in range(groups):
            # Half of all goes to streams that every writer shares.
            streams = [name if n % 2 else f"shared-{at % 3}" for n in range(size)]
            receipts = append(log, *(draft(stream, f"{name}-{at}-{n}") for n, stream in enumerate(streams)))
            print(at, *(f"{receipt.bucket}/{receipt.number}" for receipt in receipts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
