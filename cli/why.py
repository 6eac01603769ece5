"""Show why a row of a view is as it is: the touchpoints that it came from, with their proofs."""

from datetime import date
from typing import TYPE_CHECKING

import click
import orjson

from adapters.told import iso
from cli.options import format_option, log_option, moment_of, moment_options, seal_option
from cli.output import described, occurred, show

if TYPE_CHECKING:
    from adapters.audit.why import Reason

COLUMNS = ("position", "stream", "version", "kind", "how", "occurred", "recorded", "id", "changed", "sealed")


@click.command()
@log_option
@format_option
@click.argument("view")
@click.argument("key", nargs=-1, required=True)
@moment_options
@seal_option
@click.option("--key", "trusted", metavar="PUB", help="The verifier key that you trust; by default the seal's own.")
def command(
    url: str,
    style: str,
    view: str,
    key: tuple[str, ...],
    as_of: "int | date | None",
    known_at: str | None,
    folder: str | None,
    trusted: str | None,
) -> None:
    """Name the touchpoints whose folding made the row of VIEW with this KEY what it is, in order; fold it once more.

    KEY is the subject, then the other cells that make a row unique: lifecircle why opportunities c-1 d-7. Corrections
    of these touchpoints are named too, and merges where they come from several streams. Where the log is sealed, each
    is proved; as JSON with its audit path. Exit code 12 when one of them is not what was sealed.
    """
    from adapters.audit.proofs import proofs_where_sealed
    from adapters.audit.why import why
    from adapters.engine import Engine
    from adapters.extensions import load_extensions
    from adapters.views.pseudonyms import Pseudonyms

    load_extensions()
    with Engine.open(url) as engine:
        moment = moment_of(engine, as_of, known_at)
        asked = (engine.log, engine.company, view, key, Pseudonyms.of_log(url), moment.known, moment.as_of)
        row, reasons = why(*asked)
        proved = proofs_where_sealed(url, folder, trusted, [each.fact for each in reasons])
    if style == "json":
        found = [proved.get((each.fact.bucket, each.fact.number)) for each in reasons]
        told = [
            {**_plain(each), "proof": proof and proof.as_dict()} for each, proof in zip(reasons, found, strict=True)
        ]
        click.echo(orjson.dumps({"row": row, "touchpoints": told}, option=orjson.OPT_INDENT_2).decode())
        return
    rows = []
    for each in reasons:
        said = _plain(each)
        changed = described(dict(each.changed)) if style == "table" else orjson.dumps(said["changed"]).decode()
        is_sealed = (each.fact.bucket, each.fact.number) in proved
        rows.append([*(said[name] for name in COLUMNS[:-2]), changed, "yes" if is_sealed else "no"])
    show(COLUMNS, rows, style, title=f"{view} {' '.join(key)}: {len(rows)} touchpoints")


def _plain(reason: "Reason") -> dict[str, object]:
    fact = reason.fact
    return {
        "position": f"{fact.bucket}/{fact.number}",
        "stream": fact.stream,
        "version": fact.version,
        "kind": fact.kind,
        "how": reason.how,
        "occurred": occurred(fact),
        "recorded": iso(fact.recorded),
        "id": fact.id,
        "changed": dict(reason.changed),
    }
