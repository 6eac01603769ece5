"""A log in PostgreSQL, behind the same contract as every other. The driver is imported only with this package."""

from adapters.postgres.log import PostgresLog
from adapters.postgres.recorder import Factory

__all__ = ["Factory", "PostgresLog"]
