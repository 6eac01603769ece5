"""List the kinds of touchpoints, or explain one: its fields, or its JSON Schema."""

from typing import Any

import click

from cli.options import format_option


@click.command()
@click.argument("kind", required=False)
@click.option("--phase", help="Only the kinds of this phase; 'none' for those across the circle.")
@click.option("--schema", is_flag=True, help="The JSON Schema of the kind's whole CloudEvent.")
@format_option
def command(kind: str | None, phase: str | None, schema: bool, style: str) -> None:  # noqa: FBT001 - click's flag
    """List every kind of touchpoint, or show what KIND means and which fields it has.

    For example: lifecircle kinds --phase sale, or: lifecircle kinds OrderPlaced --schema
    """
    if kind is None:
        if schema:
            raise click.UsageError("say of which kind: lifecircle kinds OrderPlaced --schema")
        _list(phase, style)
    elif phase is not None:
        raise click.UsageError("give either a kind or --phase")
    else:
        _explain(kind, style, schema=schema)


def _list(phase: str | None, style: str) -> None:
    import domain.kinds  # noqa: F401 - registers every kind
    from cli.output import show
    from domain.touchpoint import KINDS, Phase

    phases = [*(str(each) for each in Phase), "none"]
    if phase is not None and phase not in phases:
        raise click.BadParameter(f"choose one of {', '.join(phases)}", param_hint="--phase")
    rows = [
        (kind.kind, _phase(kind.phase), (kind.__doc__ or "").partition("\n")[0])
        for kind in sorted(KINDS.values(), key=lambda kind: (phases.index(_phase(kind.phase)), kind.kind))
        if phase in (None, _phase(kind.phase))
    ]
    show(("kind", "phase", "what happened"), rows, style)


def _explain(name: str, style: str, *, schema: bool) -> None:
    import domain.kinds  # noqa: F401 - registers every kind
    from cli.output import show
    from domain.schema import fields, json_schema
    from domain.touchpoint import kind_named

    kind = kind_named(name)
    if schema:
        import json

        click.echo(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))
        return
    if style == "table":
        click.echo(f"{kind.kind} ({_phase(kind.phase)}): {' '.join((kind.__doc__ or '').split())}\n")
    rows = [(field.name, field.type, "yes" if field.required else "", field.meaning) for field in fields(kind)]
    show(("field", "type", "required", "meaning"), rows, style)


def _phase(phase: Any) -> str:
    return "none" if phase is None else str(phase)
