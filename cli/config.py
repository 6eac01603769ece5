"""Show how the program is run on this machine: every setting, and where it was said."""

import click

from cli.options import format_option


@click.command()
@format_option
@click.pass_context
def command(ctx: click.Context, style: str) -> None:
    """Show every setting as it stands for commands that are typed here, and where it was said.

    A flag wins over an environment variable, that over the file of --config, that over the default. Of a secret it is
    only shown that there is one. What the company decides is shown by lifecircle settings.
    """
    from adapters.configuration import SETTINGS, Said, said, shown, strangers
    from cli.output import show

    found = said()
    if url := ctx.find_root().obj["url"]:
        found["log"] = Said(url, "--log")
    rows = [
        (name, shown(setting, found[name].value), found[name].where, setting.variable, setting.told.meaning)
        for name, setting in SETTINGS.items()
    ]
    show(("setting", "value", "said by", "variable", "meaning"), rows, style)
    for name in strangers():
        click.echo(f"{name} is set, and is no setting of this program", err=True)
