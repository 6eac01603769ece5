"""Say what is delivered where, see how it stands, and mend what was not taken."""

from contextlib import closing

import click

from cli.options import format_option, log_option
from cli.output import show


@click.group()
def command() -> None:
    """Have touchpoints delivered to webhooks or to NATS JetStream as they are recorded; lifecircle relay delivers.

    A subscription keeps its own place in the log. What it is sent is signed with its secret, which lies beside the log
    for its owner alone; LIFECIRCLE_WEBHOOK_SECRETS names another folder.
    """


@command.command()
@log_option
@click.argument("name")
@click.argument("to", metavar="URL")
@click.option("--kind", "kinds", multiple=True, help="Only touchpoints of this kind.")
@click.option("--phase", "phases", multiple=True, help="Only touchpoints of this phase of the circle.")
@click.option("--subject", "subjects", multiple=True, metavar="ID", help="Only touchpoints of this subject.")
@click.option("--subjects", "prefixes", multiple=True, metavar="PREFIX", help="Only of subjects that begin so.")
@click.option("--batch", default=1, show_default=True, help="How many of one subject one request may carry.")
@click.option("--attempts", type=int, help="Park a subject after so many failures in a row.")
@click.option("--after", metavar="CURSOR", help="Begin after this cursor; by default with the first touchpoint.")
@click.option("--tail", is_flag=True, help="Begin with what is recorded from now on.")
def add(
    url: str,
    name: str,
    to: str,
    kinds: tuple[str, ...],
    phases: tuple[str, ...],
    subjects: tuple[str, ...],
    prefixes: tuple[str, ...],
    batch: int,
    attempts: int | None,
    after: str | None,
    *,
    tail: bool,
) -> None:
    """Have touchpoints delivered to URL, under a NAME; print the secret with which a webhook checks signatures.

    URL is https://host/path, or nats://host:port/PREFIX: then each is published under PREFIX.KIND.HASH OF ITS SUBJECT,
    one at a time. Kinds and phases add up, and so do subjects and prefixes.
    """
    from adapters.engine import Engine
    from adapters.outgoing.signing import Secrets
    from adapters.outgoing.subscriptions import Subscriptions
    from adapters.outgoing.wanted import Wanted
    from domain.touchpoint import kind_named

    asked = {"name": name, "to": to, "kinds": kinds, "phases": phases, "subjects": subjects, "prefixes": prefixes}
    with Engine.open(url) as engine, closing(Subscriptions(url)) as subscriptions:
        for kind in kinds:
            kind_named(kind)
        wanted = Wanted.read(**asked, batch=batch, **({} if attempts is None else {"attempts": attempts}))
        cursor = engine.cursor(after) if after else engine.log.heads() if tail else engine.log.start()
        subscriptions.add(wanted, cursor)
        if wanted.is_webhook:
            try:
                click.echo(Secrets(url, name).make())
            except BaseException:
                subscriptions.remove(name)  # without its secret it could never deliver
                raise


@command.command("list")
@log_option
@format_option
def list_(url: str, style: str) -> None:
    """List the subscriptions, and how they stand."""
    from adapters.cursor import Cursor
    from adapters.engine import Engine
    from adapters.outgoing.subscriptions import Subscriptions

    with Engine.open(url) as engine, closing(Subscriptions(url)) as subscriptions:
        heads, rows = engine.log.heads(), []
        for each in subscriptions.all():
            at = Cursor.read(each.cursor, engine.log.log_id, engine.log.buckets)
            lag = sum(heads.numbers) - sum(at.numbers)
            rows.append((each.wanted.name, each.wanted.to, each.state, lag, each.delivered, each.parked, each.answer))
    show(("name", "to", "state", "lag", "delivered", "parked", "last_answer"), rows, style)


@command.command("show")
@log_option
@click.argument("name")
def show_(url: str, name: str) -> None:
    """Show all of the subscription NAME as JSON."""
    import orjson

    from adapters.outgoing.subscriptions import Subscriptions
    from adapters.told import iso

    with closing(Subscriptions(url)) as subscriptions:
        each = subscriptions.get(name)
    told = {
        **each.wanted.model_dump(mode="json"),
        "state": each.state,
        "cursor": each.cursor,
        "delivered": each.delivered,
        "parked": each.parked,
        "failures": each.failures,
        "next_attempt": iso(each.next_us) if each.next_us else None,
        "last_answer": each.answer,
        "last_answer_time": iso(each.answered_us) if each.answered_us else None,
    }
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


@command.command()
@log_option
@click.argument("name")
def pause(url: str, name: str) -> None:
    """Deliver nothing more for NAME until it is resumed; nothing is lost."""
    _pause(url, name, paused=True)


@command.command()
@log_option
@click.argument("name")
def resume(url: str, name: str) -> None:
    """Go on delivering for NAME, at once even if it waits for its receiver."""
    _pause(url, name, paused=False)


def _pause(url: str, name: str, *, paused: bool) -> None:
    from adapters.outgoing.subscriptions import Subscriptions

    with closing(Subscriptions(url)) as subscriptions:
        subscriptions.pause(name, paused=paused)


@command.command()
@log_option
@click.argument("name")
@click.option(
    "--after", metavar="CURSOR", help="Go back to this cursor; to the first touchpoint when nothing is given."
)
@click.option("--from", "position", metavar="BUCKET/NUMBER", help="Go back to this position, in its bucket.")
def replay(url: str, name: str, after: str | None, position: str | None) -> None:
    """Deliver again what NAME got since an earlier point, under the same ids."""
    from adapters.cursor import Cursor
    from adapters.engine import Engine
    from adapters.outgoing.subscriptions import Subscriptions

    if after and position:
        raise click.UsageError("a replay begins after a cursor or at a position, not both")
    with Engine.open(url) as engine, closing(Subscriptions(url)) as subscriptions:
        if position:
            bucket, _, number = position.partition("/")
            if not (
                bucket.isdecimal() and number.isdecimal() and 1 <= int(bucket) <= engine.log.buckets and int(number)
            ):
                raise click.UsageError("a position is BUCKET/NUMBER, as receipts say it")
            at = Cursor.read(subscriptions.get(name).cursor, engine.log.log_id, engine.log.buckets)
            cursor = at.advanced(int(bucket), int(number) - 1)
        else:
            cursor = engine.cursor(after) if after else engine.log.start()
        subscriptions.replay(name, cursor, engine.log.heads())


@command.command()
@log_option
@click.argument("name")
@format_option
def parked(url: str, name: str, style: str) -> None:
    """List the subjects that NAME holds back, parked or to be tried again, with the last answer and when it came."""
    from adapters.outgoing.subscriptions import Subscriptions
    from adapters.told import iso

    with closing(Subscriptions(url)) as subscriptions:
        subscriptions.get(name)
        held = subscriptions.held(name)
    rows = [
        (
            each.subject,
            "parked" if each.parked else "waiting",
            f"{each.bucket}/{each.number}",
            each.id,
            each.attempts,
            each.answer,
            iso(each.answered_us),
        )
        for each in held
    ]
    show(("subject", "state", "position", "touchpoint", "attempts", "answer", "time"), rows, style)


@command.command()
@log_option
@click.argument("name")
@click.argument("subjects", metavar="[SUBJECT]...", nargs=-1)
@click.option("--skip", is_flag=True, help="Never deliver the touchpoint that failed; go on with the next.")
def release(url: str, name: str, subjects: tuple[str, ...], *, skip: bool) -> None:
    """Try the SUBJECTs that are parked in NAME again, from where each stopped; all when none is named."""
    from adapters.outgoing.subscriptions import Subscriptions

    if skip and not subjects:
        raise click.UsageError("say of which subjects a touchpoint is to be left out")
    with closing(Subscriptions(url)) as subscriptions:
        for each in subscriptions.release(name, subjects, skip=skip):
            done = "left out" if skip else "to be tried again"
            click.echo(f"{each.subject}: {each.bucket}/{each.number} {each.id} {done}")


@command.command()
@log_option
@click.argument("name")
@click.option("--finish", is_flag=True, help="Sign with the new secret alone from now on.")
def rotate(url: str, name: str, *, finish: bool) -> None:
    """Make a new secret for NAME and print it; until --finish, deliveries are signed with both."""
    from adapters.outgoing.signing import Secrets
    from adapters.outgoing.subscriptions import Subscriptions

    with closing(Subscriptions(url)) as subscriptions:
        wanted = subscriptions.get(name).wanted
    if not wanted.is_webhook:
        raise click.UsageError("what goes to a broker is not signed, and has no secret")
    if finish:
        Secrets(url, name).finish()
    else:
        click.echo(Secrets(url, name).rotate())


@command.command()
@log_option
@click.argument("name")
def remove(url: str, name: str) -> None:
    """End the subscription NAME, and forget its secret."""
    from adapters.outgoing.signing import Secrets
    from adapters.outgoing.subscriptions import Subscriptions

    with closing(Subscriptions(url)) as subscriptions:
        subscriptions.remove(name)
    Secrets(url, name).remove()
