"""Deliver for all subscriptions, until stopped."""

import signal

import click

from cli.options import log_option


@click.command()
@log_option
@click.option("--once", is_flag=True, help="Stop when nothing is left that could be delivered now.")
@click.option(
    "--allow-internal", "internal", multiple=True, metavar="HOST", help="Deliver to this host even if it is inside."
)
@click.option("--allow-http", is_flag=True, help="Deliver over plain http too.")
def command(url: str, *, once: bool, internal: tuple[str, ...], allow_http: bool) -> None:
    """Follow the log and deliver to every subscription, at least once and in each subject's order, until stopped.

    Killed at any moment, it goes on where it was. Several may run: one at a time delivers for a subscription. A host
    whose address is not public is refused unless it is allowed by the name that the subscription gives it.
    """
    import asyncio
    from importlib.util import find_spec

    if find_spec("httpx2") is None:
        from domain.errors import ExtraMissing

        raise ExtraMissing(
            "httpx2 is not installed", rule="delivering needs the extra relay", way_out="install lifecircle[relay]"
        )
    from adapters.loglines import as_json
    from adapters.outgoing.doors import Doors
    from adapters.outgoing.relay import relay

    as_json()

    async def deliver() -> int:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        return await relay(url, Doors(frozenset(map(str.lower, internal)), allow_http), stop, once=once)

    if not once:
        click.echo("delivering; Ctrl-C stops", err=True)
    asyncio.run(deliver())
