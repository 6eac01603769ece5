"""From the columns that were recognised to the tables of a mapping."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters.sources.answers import DAY_FIRST, MONTH_FIRST, Doubt
from adapters.sources.columns import Column, boolean_words, words_of
from adapters.sources.likeness import Likeness, choices
from adapters.sources.vocabulary import CONSTANTS, FIRST_NAME, FOLLOWUPS, LAST_NAME, NOT_YET, STATUS, Followup
from domain.errors import GuessFailed
from domain.touchpoint import kind_named

Table = dict[str, Any]
_STATUS_WORDS_MAX = 30
_ASIDE_MAX = 20
_CURRENCY = "EUR"
"""What amounts are taken to be in where nothing names a currency; always said."""


class Outline:
    """The mapping of a file to a kind that its rows are like; says what it assumed and what it doubts."""

    def __init__(self, like: Likeness, path: Path, assumed: list[str], unsure: list[Doubt]) -> None:
        self._like = like
        self._path = path
        self._assumed = assumed
        self._unsure = unsure
        self._own_currency: str | None = None
        self._entities = kind_named(like.kind).entity_fields()
        entity = next((name for name in self._entities if name in like.found), None)
        self._entity = like.found[entity] if entity else None
        status = (each for each in like.columns if 0 < len(each.different) <= _STATUS_WORDS_MAX)
        self._status = like.best(STATUS, status)

    def tables(self, name: str, form: Table, zone: str | None, currency: str | None) -> Table:
        """The whole mapping; in the company's currency, where nothing names another.

        Raises:
            GuessFailed: no time, no subject, or a field that the kind needs cannot be told.
        """
        like = self._like
        self._own_currency = currency
        time = like.time or next((each for each in like.columns if each.time), None)
        if time is None:
            raise self._missing("when it happened", "--time COLUMN, if one holds times")
        if like.time is None:
            text = f"no column's name says when it happened; {time.name} is the first that holds times"
            self._doubt(text, "--time", time.name)
        if like.subject is None:
            raise self._missing("whom a row concerns", "--subject COLUMN")
        if lacking := like.missing():
            raise self._missing(f"{', '.join(lacking)}, which {like.kind} needs", "another --kind")
        self._assumed.append("name and source, which stand in the log for ever, are made of the file's name")
        group = self._group()
        rule = self._rule(time, grouped=bool(group))
        rules = [rule, *self._followups(rule)]
        if zone is None and any(self._is_local(each["time"]) for each in rules):
            self._doubt("times without an offset are taken as UTC: say the right zone, such as Europe/Berlin")
        tables: Table = {
            "name": name,
            "source": name,
            "zone": zone or "UTC",
            "file": form,
            "leave_out": self._left_out(rule),
            "group": group,
            "touchpoint": rules,
        }
        named = set(_texts(tables))
        if aside := [each.name for each in like.columns if each.filled and not named & {each.name, f"{{{each.name}}}"}]:
            more = f" and {len(aside) - _ASIDE_MAX} more" if len(aside) > _ASIDE_MAX else ""
            self._assumed.append(f"not taken: {', '.join(aside[:_ASIDE_MAX])}{more}")
        return tables

    def _doubt(self, text: str, option: str = "", *values: str) -> None:
        self._unsure.append(Doubt(text, option, values))

    def _assume(self, text: str) -> None:
        if text not in self._assumed:
            self._assumed.append(text)

    def _missing(self, what: str, option: str) -> GuessFailed:
        names = ", ".join(each.name for each in self._like.columns)
        return GuessFailed(
            f"it cannot be told {what}" if what.startswith("w") else f"no column gives {what}",
            where=f"{self._path} as {self._like.kind}",
            rule=f"every touchpoint has it; the columns are {names}",
            way_out=f"say {option}, or write a mapping by hand: docs/how-to/import.md",
        )

    def _is_local(self, time: Table) -> bool:
        return "zone" not in time and time.get("precision") != "date" and not self._zoned(time)

    def _zoned(self, time: Table) -> bool:
        named = next((each for each in self._like.columns if each.name == time.get("column")), None)
        return bool(named and named.time and named.time.zoned)

    def _group(self) -> Table | None:
        """Rows that share an entity, where what is made of them has lines."""
        entity = self._entity
        if entity is None or entity.filled == len(entity.different) or "lines" not in self._list_names():
            return None
        runs = sum(cell != before for cell, before in zip(entity.cells, ["", *entity.cells], strict=False) if cell)
        scattered = runs > len(entity.different)
        self._assumed.append(f"rows with the same {entity.name} are one {self._like.kind}")
        return {"by": [entity.name], "rows": "all" if scattered else "consecutive"}

    def _list_names(self) -> set[str]:
        return {name.partition("[]")[0] for name in self._like.fields if "[]" in name}

    def _rule(self, time: Column, *, grouped: bool) -> Table:
        like = self._like
        if like.subject is None:
            raise self._missing("whom a row concerns", "--subject COLUMN")
        rule: Table = {"kind": like.kind, "subject": self._subject(like.subject)}
        if not grouped and self._entity and self._entity.unique and not (self._entity.email or self._entity.phone):
            rule["id"] = {"column": self._entity.name}
            self._assumed.append(
                f"{self._entity.name} is the id: each has one {like.kind}, and a changed row is refused"
            )
        rule["time"] = self._time(time)
        constants = CONSTANTS.get(like.kind, {})
        fields: Table = {name: {"constant": text} for name, text in constants.items() if "[]" not in name}
        for name, column in like.found.items():
            if "[]" not in name:
                fields[name] = self._value(name, column, grouped=grouped)
        fields |= {name: {"derived": name} for name in self._entities if self._needs(name) and name not in fields}
        fields |= self._told_apart(fields)
        each_row = self._each_row(constants, fields)
        if "total" in like.fields and "total" not in fields and "lines" in each_row:
            fields["total"] = {**each_row["lines"]["net"], **({"sum": True} if grouped else {})}
            self._assumed.append("the total is that of the lines, for no column says another")
        rule["fields"] = {name: fields[name] for name in like.fields if name in fields}
        rule["each_row"] = each_row
        return rule

    def _needs(self, name: str) -> bool:
        return self._like.fields[name].required

    def _subject(self, column: Column) -> Table:
        if not self._like.keyed and not (column.email or column.phone):
            return {"column": column.name}
        if not (column.email or column.phone or self._like.answers.subject):
            text = f"{column.name} names whom a row concerns: two people of one name become one customer"
            self._doubt(text, "--subject", column.name)
        self._assumed.append(f"{column.name} is personal: the log gets an id that is derived with its key")
        return {"column": column.name, "keyed": True}

    def _time(self, column: Column) -> Table:
        form = column.time
        if form is None:
            raise self._missing("when it happened", "--time COLUMN, if one holds times")
        if form.ambiguous:
            taken, other = (MONTH_FIRST, DAY_FIRST) if form.month_first else (DAY_FIRST, MONTH_FIRST)
            text = f"every date sampled in {column.name} could be read either way; taken as {taken}"
            self._doubt(text, "--dates", taken, other)
        time: Table = {"column": column.name}
        clock = next(
            (each for each in self._like.columns if each.clock and {"time", "uhrzeit", "hour"} & set(each.words)), None
        )
        if form.is_date and clock and clock.clock:
            day = "%Y-%m-%d" if form.format == "iso" else form.format
            return {"columns": [column.name, clock.name], "format": f"{day} {clock.clock}"}
        if form.format != "iso":
            time["format"] = form.format
        if form.format.endswith(("UTC", " Z", "GMT")) or (not form.zoned and "utc" in column.words):
            time["zone"] = "UTC"
        if form.is_date:
            time["precision"] = "date"
        return time

    def _value(self, name: str, column: Column, *, grouped: bool = False) -> Table:
        """How a field is read from a column, by what the field takes."""
        like, number = self._like, column.number
        described = like.fields[name].type
        value: Table = {"column": column.name}
        if described.startswith("amount"):
            value |= self._amount(column)
            if grouped and "[]" not in name and self._differs_in_group(column):
                value["sum"] = True
                self._assumed.append(f"{column.name} is summed over the rows of a group")
        elif described in ("decimal", "number", "integer"):
            value["type"] = "integer" if described == "integer" else "decimal"
            value |= self._spelling(column)
        elif described == "date" and column.time:
            value["type"] = "date"
            if column.time.day_format != "iso":
                value["format"] = column.time.day_format
        elif described == "yes or no":
            value |= {"type": "boolean", "words": boolean_words(column.different)}
        elif " | " in described:
            value["words"] = choices(name, column)
            if strange := len(column.different - value["words"].keys()):
                self._doubt(f"{strange} words in {column.name} are not known as a {name}: add them to words")
        elif number and column.email:
            value["keyed"] = True
        return value

    def _amount(self, column: Column) -> Table:
        value: Table = {"type": "amount", **self._spelling(column)}
        currency = self._like.currency
        named = column.named_currency
        if named is None and currency and currency.filled < len(currency.cells) and len(currency.different) == 1:
            (named,) = (code.upper() for code in currency.different)
            self._assume(f"{named}, which {currency.name} says in some rows, is the currency of all")
        if currency and named is None:
            value["currency_column"] = currency.name
            # Where codes are small, it is a payment interface that speaks, and those count in hundredths.
            small = all(cell.islower() for cell in currency.different)
        else:
            value["currency"] = named or self._currency_of(column)
            small = False
        if column.number and column.number.whole and (small or {"cents", "cent", "pence", "minor"} & set(column.words)):
            value["factor"] = "0.01"
            self._doubt(f"{column.name} is taken as hundredths; currencies without hundredths, as JPY, would be wrong")
        return value

    def _currency_of(self, column: Column) -> str:
        """The currency of a column that names none, in a file that does not either."""
        if said := self._like.answers.currency:
            return said
        if self._own_currency:
            self._assume(f"amounts are in {self._own_currency}, the company's currency, for none is named")
            return self._own_currency
        self._doubt(f"no currency is named for {column.name}; taken as {_CURRENCY}", "--currency", _CURRENCY)
        return _CURRENCY

    def _spelling(self, column: Column) -> Table:
        number = column.number
        if number is None:
            return {}
        if number.ambiguous:
            self._doubt(f"what parts thousands in {column.name} is not clear; taken as {number.style}")
        spelling: Table = {} if number.style == "1234.56" else {"number": number.style}
        return spelling | ({"sign": number.sign} if number.sign else {})

    def _differs_in_group(self, column: Column) -> bool:
        """Whether rows of one group say different things: then each tells its part."""
        said: dict[str, str] = {}
        entity = self._entity.cells if self._entity else ()
        return any(cell and said.setdefault(of, cell) != cell for of, cell in zip(entity, column.cells, strict=True))

    def _each_row(self, constants: dict[str, str], fields: Table) -> dict[str, Table]:
        like = self._like
        # A total of which each row tells its part is what its line comes to.
        part = {key: given for key, given in fields.get("total", {}).items() if key != "sum"}
        parted = "sum" in fields.get("total", {}) and "lines[].quantity" in like.found
        tables: dict[str, Table] = {}
        for name in sorted(self._list_names()):
            inner = {path: column for path, column in like.found.items() if path.startswith(f"{name}[].")}
            if not inner or (name == "lines" and not like.has_lines() and not parted):
                continue
            table = {path.partition("[].")[2]: self._value(path, column) for path, column in inner.items()}
            table |= {
                path.partition("[].")[2]: {"constant": text}
                for path, text in constants.items()
                if path.startswith(f"{name}[].")
            }
            if name == "lines" and "net" not in table and "unit_price" in table:
                price = table["unit_price"]
                factors = [table["quantity"]["column"], price["column"]]
                table["net"] = {**{key: given for key, given in price.items() if key != "column"}, "product": factors}
                self._assumed.append(f"a line comes to {factors[0]} times {factors[1]}")
            elif name == "lines" and "net" not in table and parted:
                table["net"] = part
            tables[name] = table
        return tables

    def _told_apart(self, fields: Table) -> Table:
        """What the kind needs and no column says, but the file does as a whole."""
        found: Table = {}
        if "name" in self._like.fields and (parts := self._name_parts()):
            found["name"] = {"template": " ".join(f"{{{part.name}}}" for part in parts)}
        if "mode" in self._like.fields and self._needs("mode") and "mode" not in fields:
            told = {word for column in self._like.columns for word in column.words} | set(words_of(self._path.stem))
            mode = next((mode for mode in ("call", "visit", "email", "chat") if {mode, f"{mode}s"} & told), "call")
            found["mode"] = {"constant": mode}
            self._doubt(f"no column says how the two sides met; taken as {mode}")
        if "question" in self._like.fields and self._needs("question") and "question" not in fields:
            asked = self._like.found.get("score")
            found["question"] = {"constant": asked.name if asked else self._path.stem}
            self._doubt("no column holds the question; the name of the score's column stands for it")
        return found

    def _name_parts(self) -> list[Column]:
        """The columns of first and last names, where both are there and always filled."""
        parts = [self._like.best(each, self._like.columns) for each in (FIRST_NAME, LAST_NAME)]
        return [each for each in parts if each and each.filled == len(each.cells)] if all(parts) else []

    def _status_words(self, phrases: Sequence[str]) -> list[str]:
        if self._status is None:
            return []
        wanted = [tuple(phrase.split()) for phrase in phrases]
        said = {cell: words_of(cell) for cell in sorted(self._status.different)}
        return [
            cell for cell, words in said.items() if any(words == each or set(each) <= set(words) for each in wanted)
        ]

    def _followups(self, rule: Table) -> Iterator[Table]:
        made: set[str] = set()
        for each in FOLLOWUPS:
            if each.of == self._like.kind and each.kind not in made and (second := self._followup(each, rule)):
                made.add(each.kind)
                yield second

    def _followup(self, each: Followup, rule: Table) -> Table | None:
        like = self._like
        words = self._status_words(each.status)
        times = [column for column in like.columns if column.time]
        at = like.best(each.time, times) if each.time else None
        if (each.status and not words) or (not each.status and (at is None or at is like.time)):
            return None
        own = {"template": f"{{{rule['id']['column']}}} {each.kind}"} if "id" in rule else {"derived": each.entity}
        fields: Table = {each.entity: rule["fields"].get(each.entity, own)}
        known = kind_named(each.kind).model_fields
        for name, phrases in each.fields.items():
            column = rule["fields"].get(name) or like.best(phrases, like.columns)
            if name in known and column is not None:
                fields[name] = column if isinstance(column, dict) else {"column": column.name}
        second: Table = {"kind": each.kind, "subject": rule["subject"]}
        if "id" in rule:
            second["id"] = {"template": f"{{{rule['id']['column']}}} {each.kind}"}
        second["time"] = self._time(at) if at else rule["time"]
        if words and self._status:
            second["when"] = [{"column": self._status.name, "in": words}]
            if each.instead:
                rule.setdefault("when", []).append({"column": self._status.name, "not_in": words})
            elif at:
                second["when"].append({"column": at.name, "empty": False})
            then = f", at {rule['time']['column']} for no column says when" if not (at or each.instead) else ""
            self._assumed.append(f"{self._status.name} {', '.join(words)} says {each.kind}{then}")
        elif at:
            second["when"] = [{"column": at.name, "empty": False}]
            self._assumed.append(f"{at.name} says {each.kind} where it is filled")
        second["fields"] = fields
        return second

    def _left_out(self, rule: Table) -> list[Table]:
        words = self._status_words(NOT_YET.get(self._like.kind, ()))
        if not words or self._status is None:
            return []
        self._assumed.append(
            f"rows whose {self._status.name} is {', '.join(words)} are left out: it did not happen, or not yet"
        )
        return [{"name": f"{rule['kind']} not yet", "when": [{"column": self._status.name, "in": words}]}]


def _texts(table: Any) -> Iterator[str]:
    """All texts within a mapping, and the places of its templates."""
    if isinstance(table, dict):
        table = list(table.values())
    if isinstance(table, list):
        for each in table:
            yield from _texts(each)
    elif isinstance(table, str):
        yield table
        yield from re.findall(r"\{[^{}]*\}", table)
