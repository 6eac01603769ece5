"""Examining a log for many who ask at once, and telling in the log lines when what is wrong changes."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock, Thread
from time import monotonic

from adapters.clock import clock_us
from adapters.engine import Engine
from adapters.health import Cause, Check, Health, Trouble, examine
from adapters.settings import LIMITS


class Examiner:
    """Examines one log at most once a second, however many ask, and lets none of them wait for what hangs."""

    def __init__(self, engine: Engine, checks: Sequence[Check] = (), clock: Callable[[], int] = clock_us) -> None:
        self._engine = engine
        self._checks = checks
        self._clock = clock
        self._lock = Lock()
        self._found = Health(0)
        self._found_at = -LIMITS.health_fresh_s
        self._under_way: Future[Health] | None = None
        self._begun_at = 0.0

    async def health(self) -> Health:
        """What the last examination found, or the one that is under way does; no thread that may hang is waited for."""
        import asyncio  # here: a command line has no use for it

        with self._lock:
            now = monotonic()
            if self._under_way is None:
                if now - self._found_at < LIMITS.health_fresh_s:
                    return self._found
                self._begun_at, self._under_way = now, Future()
                Thread(target=self._examine, args=(self._under_way,), name="health", daemon=True).start()
            under_way, left = self._under_way, self._begun_at + LIMITS.health_wait_s - now
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(under_way)), max(0.0, left))
        except TimeoutError:
            return Health(self._clock(), causes=[Cause(Trouble.DATABASE_AWAY)])

    def _examine(self, under_way: "Future[Health]") -> None:
        try:
            found = examine(self._engine, self._clock(), self._checks)
        except BaseException as error:  # noqa: BLE001 - whatever it was, whoever waits must learn of it
            with self._lock:
                self._under_way = None
            under_way.set_exception(error)
            return
        with self._lock:
            before, self._found, self._found_at, self._under_way = self._found, found, monotonic(), None
        under_way.set_result(found)
        _tell_changes(before.causes, found.causes)


def _tell_changes(before: Sequence[Cause], now: Sequence[Cause]) -> None:
    import structlog  # here: a quarter of the time that a command takes to start

    log = structlog.get_logger("lifecircle.health")
    stood, stands = ({(cause.trouble, cause.about): cause for cause in causes} for causes in (before, now))
    for key in stands.keys() - stood.keys():
        log.warning("trouble", **stands[key].as_dict())
    for trouble, about in stood.keys() - stands.keys():
        log.info("trouble is over", trouble=str(trouble), about=about)
