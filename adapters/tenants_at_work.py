"""One part of the program for each of several companies: a process each, so that none waits for another's database.

The file of tenants is read again when it changed: whoever is new in it gets a process, whoever is not there any more
has theirs ended. One that ends by itself is started again after a while.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Event
from time import monotonic
from typing import NamedTuple

import structlog

from adapters.configuration import variable
from adapters.loglines import named_throughout
from adapters.parent import end_with_parent
from adapters.settings import LIMITS
from adapters.supervisor import at_work
from adapters.tenants import TenantsUnusable, read_tenants

_PROGRAM = "cli.main"
_LOOK_S = 0.2
"""How often it is looked whether the file changed, and who has ended."""

_log = structlog.get_logger("lifecircle.tenants")


def once_for_each(place: Path, arguments: Sequence[str]) -> int:
    """Let a command do its work for each tenant, one after the other; the first exit code that is not 0, or 0.

    Raises:
        TenantsUnusable: the file cannot be read, or two of them would share what must be one's own.
    """
    codes = []
    for name, url in read_tenants(place).items():
        process = _begun(name, url, arguments)
        process.join()
        codes.append(process.exitcode)
    return next(filter(None, codes), 0)


def keep_for_each(place: Path, arguments: Sequence[str], stop: Event) -> None:
    """Keep a command at work for each tenant until `stop` is set; what is under way is finished then.

    Raises:
        TenantsUnusable: the file cannot be read at the start, or two of them would share what must be one's own.
    """
    crew = _Crew(place, arguments)
    at_work()
    try:
        while not stop.is_set():
            crew.look()
            stop.wait(_LOOK_S)
    finally:
        crew.end()


class _Post(NamedTuple):
    """Whom a process works for, and when it began."""

    url: str
    process: SpawnProcess
    began: float


class _Crew:
    """The processes of all tenants."""

    def __init__(self, place: Path, arguments: Sequence[str]) -> None:
        self._place, self._arguments = place, arguments
        self._urls = read_tenants(place)
        self._seen = _version(place)
        self._at_work: dict[str, _Post] = {}

    def look(self) -> None:
        """Take in what changed in the file, and start whoever is not at work."""
        if (seen := _version(self._place)) != self._seen:
            self._seen = seen
            try:
                self._urls = read_tenants(self._place)
            except TenantsUnusable as error:
                _log.warning("tenants stay as they were", **error.as_dict())
        for name in [name for name, post in self._at_work.items() if self._urls.get(name) != post.url]:
            _ended([self._at_work.pop(name)])
        for name, url in self._urls.items():
            post = self._at_work.get(name)
            if post is not None:
                code = post.process.exitcode
                if code is None or monotonic() - post.began < LIMITS.http_tenant_retry_s:
                    continue
                _log.warning("tenant is begun anew", tenant=name, exit_code=code)
            self._at_work[name] = _Post(url, _begun(name, url, self._arguments), monotonic())

    def end(self) -> None:
        """Let all of them finish what they have taken."""
        _ended(list(self._at_work.values()))


def _ended(posts: Sequence[_Post]) -> None:
    for post in posts:
        post.process.terminate()
    for post in posts:
        post.process.join(LIMITS.http_stop_s)
        if post.process.exitcode is None:
            post.process.kill()
            post.process.join()


def _begun(name: str, url: str, arguments: Sequence[str]) -> SpawnProcess:
    process = get_context("spawn").Process(target=_work, args=(name, url, arguments))
    process.start()
    return process


def _work(name: str, url: str, arguments: Sequence[str]) -> None:
    os.environ[variable("log")] = url
    named_throughout({"tenant": name})
    end_with_parent()
    import_module(_PROGRAM).main(list(arguments))


def _version(place: Path) -> tuple[int, int] | None:
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
