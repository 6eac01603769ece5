"""Keys for the tasks of an event loop: what they need while some are being fetched is fetched together next."""

import asyncio
from collections.abc import Sequence

from adapters.privacy.sealing import Sealing
from domain.compiled import Appendable


class KeyFlights:
    """Fetches, or makes, keys for the tasks of one loop at a time, in a thread beside the loop."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._waiting: set[str] = set()
        self._flight: asyncio.Task[None] | None = None

    async def fetch(self, touchpoints: Sequence[Appendable]) -> None:
        """See to it that the keys are in memory under which touchpoints will be sealed.

        Raises:
            KeysUnusable: the keys are not to be had.
        """
        while lacking := self._sealing.lacking(touchpoints):
            self._waiting.update(lacking)
            if self._flight is None or self._flight.done():
                # It starts when the tasks that are ready now have had their turn, and so joined it.
                self._flight = asyncio.get_running_loop().create_task(self._fly())
            await asyncio.shield(self._flight)

    async def _fly(self) -> None:
        taken, self._waiting = self._waiting, set()
        await asyncio.to_thread(self._sealing.keyring.ensure, self._sealing.realm, taken)
