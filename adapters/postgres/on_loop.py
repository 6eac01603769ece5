"""A conversation with the server that an event loop carries on: no thread waits for the socket, but the loop itself."""

from asyncio import Future, get_running_loop
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

    def rest() -> None:
        loop.remove_reader(socket)
        loop.remove_writer(socket)

    def go_on(ready: Ready | None = None) -> None:
        # Each wait is begun anew: of a socket that failed, uvloop tells once, and its last words may be left to read.
        rest()
        try:
            wanted = talk.send(ready) if ready else next(talk)
        except StopIteration as end:
            over.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            over.set_exception(error)
        else:
            if wanted & Wait.R:
                loop.add_reader(socket, go_on, Ready.R)
            if wanted & Wait.W:
                loop.add_writer(socket, go_on, Ready.W)

    loop.add_reader(socket, go_on, Ready.R)
    go_on()
    try:
        return await over
    finally:
        if over.cancelled():
            rest()
            connection.close()
