"""List the kinds of touchpoints, or explain one: its fields, or its JSON Schema."""

from typing import Any

import click

from cli.options import LOG_HELP, format_option


@click.command()
@click.argument("kind", required=False)
@click.option("--phase", help="Only the kinds of this phase; 'none' for those across the circle.")
@click.option("--schema", is_flag=True, help="The JSON Schema of the kind's whole CloudEvent.")
@click.option("--log", "url", metavar="URL", help=LOG_HELP.partition(";")[0] + "; what it holds is shown too.")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    kind: str | None,
    phase: str | None,
    schema: bool,  # noqa: FBT001 - click's flag
    url: str | None,
    style: str,
) -> None:
    """List every kind of touchpoint, or show what KIND means and which fields it has.

    With --log the list counts what that log holds, kinds of packages that are not installed among it, and the schema
    has the company's own fields. For example:

    lifecircle kinds --phase sale, or: lifecircle kinds OrderPlaced --schema
    """
    url = url or ctx.find_root().obj["url"]  # of the environment's log nobody asked here
    if kind is None:
        if schema:
            raise click.UsageError("say of which kind: lifecircle kinds OrderPlaced --schema")
        _list(phase, url, style)
    elif phase is not None:
        raise click.UsageError("give either a kind or --phase")
    else:
        _explain(kind, url, style, schema=schema)


def _list(phase: str | None, url: str | None, style: str) -> None:
    from adapters.extensions import load_extensions, package_of
    from cli.output import show
    from domain.touchpoint import KINDS, Phase

    load_extensions()
    phases = [*(str(each) for each in Phase), "none"]
    if phase is not None and phase not in phases:
        raise click.BadParameter(f"choose one of {', '.join(phases)}", param_hint="--phase")
    kinds = sorted(KINDS.values(), key=lambda kind: (phases.index(_phase(kind.phase)), kind.kind))
    columns = ["kind", "phase", "package", "what happened"]
    rows: list[tuple[Any, ...]] = [
        (kind.kind, _phase(kind.phase), package_of(kind.kind), (kind.__doc__ or "").partition("\n")[0])
        for kind in kinds
        if phase in (None, _phase(kind.phase))
    ]
    if url is not None:
        held = _held(url)
        columns.append("touchpoints")
        if phase is None:
            unknown = sorted(held.keys() - KINDS.keys())
            rows += [(name, "", "", "unknown: no package that is installed has this kind") for name in unknown]
        rows = [(*row, held.get(row[0], 0)) for row in rows]
    show(columns, rows, style)


def _held(url: str) -> dict[str, int]:
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        return engine.log.kinds()


def _explain(name: str, url: str | None, style: str, *, schema: bool) -> None:
    from adapters.extensions import load_extensions
    from cli.output import show
    from domain.schema import fields, json_schema
    from domain.touchpoint import kind_named

    load_extensions()
    kind = kind_named(name)
    if schema:
        import json

        click.echo(json.dumps(json_schema(kind, _company(url)), indent=2, ensure_ascii=False))
        return
    if style == "table":
        click.echo(f"{kind.kind} ({_phase(kind.phase)}): {' '.join((kind.__doc__ or '').split())}\n")
    rows = [(field.name, field.type, "yes" if field.required else "", field.meaning) for field in fields(kind)]
    show(("field", "type", "required", "meaning"), rows, style)


def _company(url: str | None) -> Any:
    if url is None:
        return None
    from adapters.engine import Engine

    with Engine.open(url) as engine:
        return engine.company


def _phase(phase: Any) -> str:
    return "none" if phase is None else str(phase)
