"""A writer in a process of its own: appends, and says each group's number and positions once they are acknowledged."""

from collections.abc import Iterator
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Self

from adapters.addresses import open_log
from tests.contracts.drafts import append, draft

_processes = get_context("forkserver")
_processes.set_forkserver_preload([__name__])


class Writer(ForkServerProcess):
    """A writer that has begun; killed with the block, at the latest."""

    def __init__(self, url: str, name: str, groups: int, size: int) -> None:
        heard, tell = _processes.Pipe(duplex=False)
        super().__init__(target=_write, args=(url, name, groups, size, tell))
        self.start()
        tell.close()
        self._heard = heard  # not before it was started, or it would have this end too

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.join()
        self._heard.close()

    def told(self) -> Iterator[tuple[int, list[str]]]:
        """Each group's number and positions, as soon as it is acknowledged, until the writer ends."""
        try:
            while True:
                yield self._heard.recv()
        except (EOFError, OSError):  # it has ended, in the middle of a word if it was killed
            return


def _write(url: str, name: str, groups: int, size: int, tell: Connection) -> None:
    with closing(open_log(url)) as log:
        for at in range(groups):
            # Half of all goes to streams that every writer shares.
            streams = [name if n % 2 else f"shared-{at % 3}" for n in range(size)]
            receipts = append(log, *(draft(stream, f"{name}-{at}-{n}") for n, stream in enumerate(streams)))
            tell.send((at, [f"{receipt.bucket}/{receipt.number}" for receipt in receipts]))
