"""Views and questions in a real database, made by the simplest DDL: what the questions' SQL must run on."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date
from graphlib import TopologicalSorter
from typing import Any

import psycopg

from projections import views

_TYPES = {str: "TEXT", int: "BIGINT", float: "DOUBLE PRECISION"}


class Report:
    """The tables of all views, the moment, and every question as a SQL view."""

    def __init__(self, url: str) -> None:
        self.postgres = url.startswith("postgresql")
        self._connection: Any = psycopg.connect(url) if self.postgres else sqlite3.connect(":memory:")
        self._connection.execute("CREATE TABLE moment (at BIGINT, day TEXT, dayno BIGINT)")
        for view in views().values():
            columns = ", ".join(
                f"{column.name} {_TYPES[column.type]}{'' if column.nullable else ' NOT NULL'}"
                for column in view.columns()
            )
            self._connection.execute(f"CREATE TABLE {view.name} ({columns}, PRIMARY KEY ({', '.join(view.key)}))")
        waiting = {question.name: question.sql for view in views().values() for question in view.questions}
        words = {name: set(re.findall(r"\w+", sql)) for name, sql in waiting.items()}
        # Each after those that it rests on.
        for name in TopologicalSorter({name: words[name] & waiting.keys() - {name} for name in waiting}).static_order():
            self._connection.execute(f"CREATE VIEW {name} AS {waiting[name]}")
        self._connection.commit()

    def fill(self, view: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows into the table of a view."""
        for row in rows:
            marks = ", ".join(["%s" if self.postgres else "?"] * len(row))
            self._connection.execute(f"INSERT INTO {view} VALUES ({marks})", tuple(row))

    def at(self, at_us: int, day: str) -> "Report":
        """Set the moment."""
        self.fill("moment", [(at_us, day, date.fromisoformat(day).toordinal())])
        return self

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The answer to a question, or to any SQL."""
        cursor = self._connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def names(self, question: str) -> list[str]:
        """The columns of a question, as the database has them."""
        return [column[0] for column in self._connection.execute(f"SELECT * FROM {question}").description]

    def undo(self) -> None:
        """Take back all that was filled in and set."""
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()
