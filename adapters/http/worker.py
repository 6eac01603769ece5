"""One process of the service, as `lifecircle serve` begins it."""

import threading

from starlette.types import ASGIApp

from adapters.apikeys import ApiKeys
from adapters.collector import keep_out_of_sight, look_seldom
from adapters.configuration import configured
from adapters.http.app import create
from adapters.http.hosting import Hosting
from adapters.http.tokens import tokens_named
from adapters.loglines import as_json, thread_failed
from adapters.memory import give_back
from adapters.parent import end_with_parent


def from_environment() -> ASGIApp:
    """The service over the log or the tenants that are configured; what each process of it begins with."""
    as_json()
    look_seldom()
    threading.excepthook = thread_failed
    end_with_parent()
    configuration = configured()
    if configuration.tenants:
        app: ASGIApp = Hosting(configuration.tenants, tokens_named(several=True))
    else:
        url = configuration.log
        assert url is not None  # noqa: S101 - who starts these processes says so in their environment
        app = create(url, ApiKeys.of_log(url), tokens_named(several=False))
    keep_out_of_sight()
    give_back()
    return app
