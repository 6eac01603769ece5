"""From the columns that were recognised to the tables of a mapping."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters.sources.columns import Column, boolean_words, words_of
from adapters.sources.likeness import Likeness, choices
from adapters.sources.vocabulary import CONSTANTS, FOLLOWUPS, NOT_YET, STATUS, Followup
from domain.errors import GuessFailed
from domain.touchpoint import kind_named

Table = dict[str, Any]
_STATUS_WORDS_MAX = 30


class Outline:
    """The mapping of a file to a kind that its rows are like; says what it assumed and what it doubts."""

    def __init__(self, like: Likeness, path: Path, assumed: list[str], unsure: list[str]) -> None:
        self._like = like
        self._path = path
        self._assumed = assumed
        self._unsure = unsure
        self._entities = kind_named(like.kind).entity_fields()
        entity = next((name for name in self._entities if name in like.found), None)
        self._entity = like.found[entity] if entity else None
        status = (each for each in like.columns if 0 < len(each.different) <= _STATUS_WORDS_MAX)
        self._status = like.best(STATUS, status)

    def tables(self, name: str, form: Table, zone: str | None) -> Table:
        """The whole mapping.

        Raises:
            GuessFailed: no time, no subject, or a field that the kind needs cannot be told.
        """
        like = self._like
        time = like.time or next((each for each in like.columns if each.time), None)
        if time is None:
            raise self._missing("when it happened", "time = { column = …, format = … }")
        if like.time is None:
            self._unsure.append(f"no column's name says when it happened; {time.name} is the first that holds times")
        if like.subject is None:
            raise self._missing("whom a row concerns", "subject = …")
        if lacking := like.missing():
            raise self._missing(f"{', '.join(lacking)}, which {like.kind} needs", "[touchpoint.fields]")
        self._assumed.append("name and source, which stand in the log for ever, are made of the file's name")
        group = self._group()
        rule = self._rule(time, grouped=bool(group))
        rules = [rule, *self._followups(rule)]
        if zone is None and any(self._is_local(each["time"]) for each in rules):
            self._unsure.append("times without an offset are taken as UTC: say the right zone, such as Europe/Berlin")
        return {
            "name": name,
            "source": name,
            "zone": zone or "UTC",
            "file": form,
            "leave_out": self._left_out(rule),
            "group": group,
            "touchpoint": rules,
        }

    def _missing(self, what: str, key: str) -> GuessFailed:
        names = ", ".join(each.name for each in self._like.columns)
        return GuessFailed(
            f"it cannot be told {what}" if what.startswith("w") else f"no column gives {what}",
            where=f"{self._path} as {self._like.kind}",
            rule=f"every touchpoint has it; the columns are {names}",
            way_out=f"say another --kind, or write a mapping by hand with {key}: docs/how-to/import.md",
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
            raise self._missing("whom a row concerns", "subject = …")
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
        each_row = self._each_row(constants)
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
        if not (column.email or column.phone):
            self._unsure.append(f"{column.name} names whom a row concerns: two people of one name become one customer")
        self._assumed.append(f"{column.name} is personal: the log gets an id that is derived with its key")
        return {"column": column.name, "keyed": True}

    def _time(self, column: Column) -> Table:
        form = column.time
        if form is None:
            raise self._missing("when it happened", "time = { column = …, format = … }")
        if form.ambiguous:
            order = "month" if form.format.startswith("%m") else "day"
            self._unsure.append(f"every date sampled in {column.name} could be read either way; taken as {order} first")
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
            if column.time.format != "iso":
                value["format"] = column.time.format
        elif described == "yes or no":
            value |= {"type": "boolean", "words": boolean_words(column.different)}
        elif " | " in described:
            value["words"] = choices(name, column)
            if strange := len(column.different - value["words"].keys()):
                self._unsure.append(f"{strange} words in {column.name} are not known as a {name}: add them to words")
        elif number and column.email:
            value["keyed"] = True
        return value

    def _amount(self, column: Column) -> Table:
        value: Table = {"type": "amount", **self._spelling(column)}
        currency = self._like.currency
        named = column.named_currency
        if named is None and currency and currency.filled < len(currency.cells) and len(currency.different) == 1:
            (named,) = (code.upper() for code in currency.different)
            self._assumed.append(f"{named}, which {currency.name} says in some rows, is the currency of all")
        if currency and named is None:
            value["currency_column"] = currency.name
            # Where codes are small, it is a payment interface that speaks, and those count in hundredths.
            small = all(cell.islower() for cell in currency.different)
        else:
            value["currency"] = named or "EUR"
            small = False
            if named is None:
                self._unsure.append(f"no currency is named for {column.name}; taken as EUR")
        if column.number and column.number.whole and (small or {"cents", "cent", "pence", "minor"} & set(column.words)):
            value["factor"] = "0.01"
            self._unsure.append(
                f"{column.name} is taken as hundredths; currencies without hundredths, as JPY, would be wrong"
            )
        return value

    def _spelling(self, column: Column) -> Table:
        number = column.number
        if number is None:
            return {}
        if number.ambiguous:
            self._unsure.append(f"what parts thousands in {column.name} is not clear; taken as {number.style}")
        spelling: Table = {} if number.style == "1234.56" else {"number": number.style}
        return spelling | ({"sign": number.sign} if number.sign else {})

    def _differs_in_group(self, column: Column) -> bool:
        """Whether rows of one group say different things: then each tells its part."""
        said: dict[str, str] = {}
        entity = self._entity.cells if self._entity else ()
        return any(cell and said.setdefault(of, cell) != cell for of, cell in zip(entity, column.cells, strict=True))

    def _each_row(self, constants: dict[str, str]) -> dict[str, Table]:
        like = self._like
        tables: dict[str, Table] = {}
        for name in sorted(self._list_names()):
            inner = {path: column for path, column in like.found.items() if path.startswith(f"{name}[].")}
            if not inner or (name == "lines" and not like.has_lines()):
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
            tables[name] = table
        return tables

    def _told_apart(self, fields: Table) -> Table:
        """What the kind needs and no column says, but the file does as a whole."""
        found: Table = {}
        if "mode" in self._like.fields and self._needs("mode") and "mode" not in fields:
            told = {word for column in self._like.columns for word in column.words} | set(words_of(self._path.stem))
            mode = next((mode for mode in ("call", "visit", "email", "chat") if {mode, f"{mode}s"} & told), "call")
            found["mode"] = {"constant": mode}
            self._unsure.append(f"no column says how the two sides met; taken as {mode}")
        if "question" in self._like.fields and self._needs("question") and "question" not in fields:
            asked = self._like.found.get("score")
            found["question"] = {"constant": asked.name if asked else self._path.stem}
            self._unsure.append("no column holds the question; the name of the score's column stands for it")
        return found

    def _status_words(self, phrases: Sequence[str]) -> list[str]:
        if self._status is None:
            return []
        wanted = [tuple(phrase.split()) for phrase in phrases]
        said = {cell: words_of(cell) for cell in sorted(self._status.different)}
        return [
            cell for cell, words in said.items() if any(words == each or set(each) <= set(words) for each in wanted)
        ]

    def _followups(self, rule: Table) -> Iterator[Table]:
        for each in FOLLOWUPS:
            if each.of == self._like.kind and (made := self._followup(each, rule)):
                yield made

    def _followup(self, each: Followup, rule: Table) -> Table | None:
        like = self._like
        words = self._status_words(each.status)
        times = [column for column in like.columns if column.time]
        at = like.best(each.time, times) if each.time else None
        if (each.status and not words) or (not each.status and (at is None or at is like.time)):
            return None
        fields: Table = {each.entity: rule["fields"].get(each.entity, {"derived": each.entity})}
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
            self._assumed.append(f"{self._status.name} {', '.join(words)} says {each.kind}")
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
