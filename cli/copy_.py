"""Copy a log to another database, or to another number of buckets."""

import click


@click.command()
@click.argument("source", metavar="SOURCE_URL")
@click.argument("target", metavar="TARGET_URL")
@click.option("--buckets", type=int, help="How many buckets the new log has; as many as the source when not given.")
def command(source: str, target: str, buckets: int | None) -> None:
    """Make a new log at TARGET_URL of all that the log at SOURCE_URL holds now, and check it against that.

    Touchpoints keep their ids, bytes, versions, recorded times and who recorded them; company settings and quarantine
    come along, and subscriptions, which rest until they are resumed. The new log has an id and positions of its own;
    lifecircle cursor turns an old cursor into a new one. What is recorded at the source from now on is not copied: stop
    its writers first. A copy that is stopped leaves no log; start it again.
    """
    from adapters.apikeys import api_keys_path
    from adapters.copying import copy_log
    from adapters.engine import Engine
    from adapters.idkey import id_key_path
    from adapters.outgoing.carrying import carry
    from adapters.outgoing.signing import Secrets
    from adapters.privacy.kek import PLACE as KEK_PLACE
    from adapters.privacy.kek import kek_told
    from adapters.privacy.keystore import PLACE as KEYS_PLACE
    from adapters.privacy.keystore import keystore_told
    from cli.init import give_roles
    from cli.output import progress_of

    with progress_of("copying", "checking") as on_progress:
        copied = copy_log(source, target, buckets, on_progress)
    give_roles(target)
    subscriptions = carry(source, target)
    with Engine.open(target) as engine:
        origin = engine.log.origins[0]
        click.echo(f"new log {engine.log.log_id.hex()} with {_counted(engine.log.buckets, 'bucket')}")
        click.echo(f"copied and checked: {_counted(copied, 'touchpoint')}, up to cursor {origin.cut} of the log before")
    old_key, new_key = id_key_path(source), id_key_path(target)
    if old_key != new_key:
        click.echo(
            f"id key: a secret, so it was not copied; put {old_key} to {new_key} yourself, readable by its owner alone"
        )
    store, kek = keystore_told(source), kek_told(source)
    if store != keystore_told(target):
        click.echo(
            f"keys of personal data: not copied either; both logs are to use {store}, protected by {kek}: name them in "
            f"{KEYS_PLACE} and {KEK_PLACE}, so that whoever is forgotten is forgotten in both"
        )
    if subscriptions:
        click.echo(
            f"subscriptions: {', '.join(subscriptions)}; they rest. When the log before delivers no more, resume each: "
            "lifecircle subscription resume NAME"
        )
    for name in subscriptions:
        if (old_secret := Secrets(source, name).path).exists():
            click.echo(f"webhook secret: not copied; put {old_secret} to {Secrets(target, name).path}")
    if api_keys_path(source).exists():
        click.echo(f"API keys: not copied; put {api_keys_path(source)} to {api_keys_path(target)} for the same callers")
    click.echo("views: build them with lifecircle rebuild")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
