"""Telling who supervises this process that it is at work, as systemd asks for it in `Type=notify`; nobody else asks."""

import os
import socket
from threading import Thread
from time import sleep

_ADDRESS = "NOTIFY_SOCKET"
_LOOK_S = 0.05


def at_work() -> None:
    """Say it once; processes that this one begins have nothing to say."""
    if address := os.environ.pop(_ADDRESS, ""):
        _say(address)


def at_work_once_answering(host: str, port: int) -> None:
    """Say it as soon as a connection to this place is accepted, whichever process takes it."""
    if address := os.environ.pop(_ADDRESS, ""):
        Thread(target=_say_once_answering, args=(address, host, port), daemon=True).start()


def _say_once_answering(address: str, host: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            sleep(_LOOK_S)
        else:
            _say(address)
            return


def _say(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect("\0" + address[1:] if address.startswith("@") else address)
        told.sendall(b"READY=1")
