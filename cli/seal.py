"""Sign what the log holds, so that anybody can prove later that nothing was altered, dropped or slipped in."""

import signal
from threading import Event

import click

from adapters.told import iso
from cli.options import log_or_tenants, seal_option


@click.command()
@log_or_tenants(lambda given: not given["follow"], alone=("folder", "new_origin", "rotate_key"))
@seal_option
@click.option("--follow", is_flag=True, help="Go on signing what is recorded, at most a second later, until stopped.")
@click.option("--new-origin", is_flag=True, help="Begin anew over what the log holds now, and say so for ever.")
@click.option("--rotate-key", is_flag=True, help="Hand over to a new key: both sign once; the old one is destroyed.")
def command(url: str, folder: str | None, *, follow: bool, new_origin: bool, rotate_key: bool) -> None:
    """Read what was recorded since the last time, and sign it with a key that the first seal makes.

    The folder may be copied, published and served; the key beside it may not. Give its public half, which is shown, to
    whoever shall verify. A log that is not what was signed before, such as one restored from a backup, is refused.
    """
    from adapters.audit.seal import seal_path
    from adapters.audit.sealer import sealer
    from adapters.engine import Engine
    from adapters.settings import LIMITS
    from adapters.supervisor import at_work
    from cli.output import folding
    from domain.notes import Head

    stop = Event()

    def tell(head: Head) -> None:
        click.echo(f"sealed {sum(head.sizes)} touchpoints of {head.streams} streams at {iso(head.sealed)}")

        if (behind_s := leading.behind_log_s) > LIMITS.seal_clock_skew_max_s:
            click.echo(
                f"this machine's clock is {behind_s:.0f} s behind the log's: times of sealing and of recording cannot "
                "be compared until one of them is set right",
                err=True,
            )

    place = seal_path(url, folder)
    with Engine.open(url) as engine, sealer(engine.log, url, place, new_origin=new_origin) as leading:
        at_work()
        click.echo(f"key: {leading.key.verifier}")
        with folding("sealing") as on_progress:
            tell(head := leading.seal(on_progress))
        if new_origin and head.supersedes:
            click.echo(f"origin {head.origin} begins anew; it supersedes {head.supersedes.partition(' ')[0]}")
        if rotate_key:
            leading.rotate()
            click.echo(f"new key: {leading.key.verifier}; who trusts the old one finds it by the seal")
        if follow:
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, lambda *_: stop.set())
            leading.follow(stop, tell)
