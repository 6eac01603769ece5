"""The log and the view store in SQLite; as a module, the event sourcing library's wiring over it."""

from adapters.sqlite.log import SQLiteLog
from adapters.sqlite.recorder import Factory

__all__ = ["Factory", "SQLiteLog"]
