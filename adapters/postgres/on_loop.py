"""A conversation with the server that an event loop carries on: no thread waits for the socket, but the loop itself."""

from asyncio import Future, get_running_loop
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from psycopg import Connection
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

T = TypeVar("T")


async def carried_on(connection: Connection[Any], talk: PQGen[T]) -> T:
    """What a conversation comes to. Where its end is not waited for, the connection is closed.

    Raises:
        NotImplementedError: this loop watches no sockets; nothing was sent.
        psycopg.Error: as in the conversation.
    """
    loop, socket = get_running_loop(), connection.fileno()
    over: Future[T] = loop.create_future()
    writes = False

    def ends() -> None:
        loop.remove_reader(socket)
        if writes:
            loop.remove_writer(socket)

    def go_on(step: Callable[[], Wait]) -> None:
        nonlocal writes
        try:
            wanted = step()
        except StopIteration as end:
            ends()
            over.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            ends()
            over.set_exception(error)
        else:
            if bool(wanted & Wait.W) is not writes:
                writes = not writes
                if writes:
                    loop.add_writer(socket, go_on, partial(talk.send, Ready.W))
                else:
                    loop.remove_writer(socket)

    loop.add_reader(socket, go_on, partial(talk.send, Ready.R))
    go_on(talk.__next__)
    try:
        return await over
    finally:
        if over.cancelled():
            ends()
            connection.close()
