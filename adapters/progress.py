"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Told now and then how much is done, and of how much: touchpoints, or bytes of a file that is read."""

StagedProgress = Callable[[str, int, int], None]
"""Told what is done, such as copying or checking, how many touchpoints of it are done, and of how many."""


def unseen(done: int, total: int) -> None:
    """Tell nobody."""
