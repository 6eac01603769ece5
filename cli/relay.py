"""Deliver for all subscriptions, until stopped."""

import signal

import click

from cli.options import log_or_tenants


@click.command()
@log_or_tenants(lambda given: given["once"], alone=("origin",))
@click.option("--once", is_flag=True, help="Stop when nothing is left that could be delivered now.")
@click.option(
    "--allow-internal", "internal", multiple=True, metavar="HOST", help="Deliver to this host even if it is inside."
)
@click.option("--allow-http", is_flag=True, help="Deliver over plain http too.")
@click.option("--from-nats", "origin", metavar="URL", help="Append what comes in nats://host:port/STREAM too.")
def command(url: str, *, once: bool, internal: tuple[str, ...], allow_http: bool, origin: str | None) -> None:
    """Follow the log and deliver to every subscription, at least once and in each subject's order, until stopped.

    Killed at any moment, it goes on where it was. Several may run: one at a time delivers for a subscription. A host
    whose address is not public is refused unless it is allowed by the name that the subscription gives it.

    With --from-nats the CloudEvents in a stream are appended, each acknowledged when its receipt is there; what is
    refused goes to quarantine, and comes no more. LIFECIRCLE_NATS_USER and LIFECIRCLE_NATS_PASSWORD say as whom.
    """
    import asyncio
    import re

    from adapters.extras import need

    need("relay", "delivering")
    if origin and not re.fullmatch(r"nats://[^/@\s]+/[A-Za-z0-9_-]+", origin):
        raise click.UsageError("--from-nats names a stream: nats://host:port/STREAM, without a password")
    from adapters.loglines import as_json
    from adapters.outgoing.doors import Doors
    from adapters.outgoing.relay import relay
    from adapters.supervisor import at_work

    as_json()

    async def work() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        works = [relay(url, Doors(frozenset(map(str.lower, internal)), allow_http), stop, once=once)]
        if origin:
            from adapters.outgoing.incoming import take_in

            works.append(take_in(url, origin, stop, once=once))
        at_work = [asyncio.ensure_future(each) for each in works]
        try:
            await asyncio.gather(*at_work)
        finally:
            stop.set()  # if one fails, the other one finishes what is under way
            await asyncio.gather(*at_work, return_exceptions=True)

    at_work()
    if not once:
        click.echo("delivering; Ctrl-C stops", err=True)
    asyncio.run(work())
