"""Log lines for machines: one JSON object each, on standard error, and never a value of a customer's.

Whoever logs hands over what it knows to be harmless. What others log goes through here too; of an error only its type
and the places in the code are told, for its words may hold what a customer sent.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson
import structlog

# structlog's own go through all that a context holds, at each line.
_throughout: dict[str, str] = {}
_names: ContextVar[Mapping[str, str]] = ContextVar("names of what is served", default=_throughout)

PIECE_MAX_BYTES = 4_096
"""How much of one process stays together where several write into one pipe: PIPE_BUF, as Linux has it."""

FRAMES_MAX = 12
"""How many places in the code are told of an error, the innermost ones."""


def as_json() -> None:
    """Let this process write its log lines so, those of libraries included."""
    structlog.configure(
        processors=[*_PROCESSORS, _rendered],
        logger_factory=lambda *_: _Writer(),
        cache_logger_on_first_use=True,  # else it is put together anew for each line
    )
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Lines)]:
        root.removeHandler(handler)
    root.addHandler(_Lines())


def named(ids: Mapping[str, str]) -> None:
    """Let every line from now on have these names, as long as it is written for what this is called for."""
    _names.set(ids)


def line(event: str, **told: Any) -> None:
    """Write a line of ours as structlog would, of what is plain to write: one for each request would take it longer."""
    lines(event, [told])


def lines(event: str, each_told: Sequence[Mapping[str, Any]]) -> None:
    """The same of several, as many at once as stay in one piece: to write takes longer than to make what is written."""
    if structlog.get_config()["processors"][-1] is not _rendered:  # lines of this process go another way
        for told in each_told:
            structlog.get_logger().info(event, **told)
        return
    common = {**_names.get(), "level": "info", "timestamp": datetime.now(UTC)}
    piece, size = list[bytes](), 0
    for told in each_told:
        made = orjson.dumps({**told, "event": event, **common}, option=_IN_UTC)
        size += len(made) + 1
        if piece and size > PIECE_MAX_BYTES:
            _WRITER.msg(b"\n".join(piece).decode())
            piece, size = [], len(made) + 1
        piece.append(made)
    if piece:
        _WRITER.msg(b"\n".join(piece).decode())


def named_throughout(ids: Mapping[str, str]) -> None:
    """Let every line of this process have these names, unless it is written for what has names of its own."""
    _throughout.update(ids)


def thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Tell of a thread that ended with an error, as `threading.excepthook` does, but without the error's words."""
    structlog.get_logger().error("a thread failed", exc_info=failed.exc_value)


def failure(error: BaseException, at: TracebackType | None) -> dict[str, Any]:
    """What may be told of an error: its type, and the places in the code from the innermost outwards."""
    frames = traceback.extract_tb(at)[-FRAMES_MAX:]
    return {
        "error": type(error).__name__,
        "at": [f"{each.filename}:{each.lineno} {each.name}" for each in frames[::-1]],
    }


def _without_words(_logger: Any, _level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = line.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        line.update(failure(error, error.__traceback__))
    return line


def _with_names(_logger: Any, _level: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line.update(_names.get())
    return line


def _rendered(_logger: Any, _level: str, line: MutableMapping[str, Any]) -> str:
    return orjson.dumps(line, default=lambda value: type(value).__name__).decode()


_IN_UTC = orjson.OPT_UTC_Z

_PROCESSORS = (
    _with_names,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    _without_words,
)


class _Writer:
    """Where a line goes: to standard error, whichever that is by then."""

    def msg(self, line: str) -> None:
        """Write it in one piece."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = exception = critical = msg


_WRITER = _Writer()


class _Lines(logging.Handler):
    """What libraries log, as lines like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        line: MutableMapping[str, Any] = {"event": record.getMessage().strip(), "logger": record.name}
        if record.exc_info:
            line["exc_info"] = record.exc_info[1]
        for process in _PROCESSORS:
            line = process(None, record.levelname.lower(), line)
        _WRITER.msg(_rendered(None, "", line))
