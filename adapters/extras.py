"""What an installation may do without: libraries that come with an extra, looked for when something needs them."""

from importlib import util

from domain.errors import ExtraMissing

_MODULES = {"loyalty": "scipy", "plot": "matplotlib"}


def need(extra: str, what: str) -> None:
    """See to it that what an extra brings is there, before anything else is done; `what` needs it.

    Raises:
        ExtraMissing: it is not installed.
    """
    if util.find_spec(_MODULES[extra]) is None:
        raise ExtraMissing(
            f"{_MODULES[extra]} is not installed",
            rule=f"{what} need the extra {extra}",
            way_out=f"install lifecircle[{extra}]",
        )
