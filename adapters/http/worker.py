"""One process of the service, as `lifecircle serve` begins it."""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess

from starlette.types import ASGIApp

from adapters.collector import keep_out_of_sight, look_seldom
from adapters.configuration import configured
from adapters.http.apikeys import ApiKeys
from adapters.http.app import create
from adapters.http.hosting import Hosting
from adapters.http.tokens import tokens_named
from adapters.loglines import as_json, thread_failed


def from_environment() -> ASGIApp:
    """The service over the log or the tenants that are configured; what each process of it begins with."""
    as_json()
    look_seldom()
    threading.excepthook = thread_failed
    if parent := parent_process():
        threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()
    configuration = configured()
    if configuration.tenants:
        app: ASGIApp = Hosting(configuration.tenants, tokens_named(several=True))
    else:
        url = configuration.log
        assert url is not None  # noqa: S101 - who starts these processes says so in their environment
        app = create(url, ApiKeys.of_log(url), tokens_named(several=False))
    keep_out_of_sight()
    return app


def _stop_after(parent: BaseProcess) -> None:
    """End this worker, in peace, when who began it is gone: killed, it could not tell its workers."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
