"""A seal copied while its sealer goes on: what one head signed, and nothing that came after it."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from adapters.audit.tiles import WIDTH, Tiles, name_of
from adapters.durable_files import write_whole
from domain.errors import SealUnusable
from domain.notes import Head, Note, NoteMalformed

_TRIES = 100


def copy_seal(folder: Path, target: Path) -> Head:
    """Copy a seal as its head signed it; neither the key nor what the sealer remembers comes along.

    A sealer makes from the log again what it remembers.

    Raises:
        SealUnusable: there is no seal, or none that can be read.
        SealContradicted: a tile is missing or cut.
    """
    signed, head, checkpoints = _signed(folder)
    *_, number = head.origin.rpartition("/")
    for before in range(1, int(number)):
        if (folder / str(before)).is_dir():
            copytree(folder / str(before), target / str(before), dirs_exist_ok=True)
    for bucket, (size, _) in enumerate(head.trees, 1):
        _copy_tree(folder / number / str(bucket), target / number / str(bucket), size)
    if (folder / "rotations").is_dir():
        copytree(folder / "rotations", target / "rotations", ignore=ignore_patterns(".*"), dirs_exist_ok=True)
    for name, content in {**checkpoints, **signed}.items():
        write_whole(target / name, content)
    return head


def _signed(folder: Path) -> tuple[dict[str, bytes], Head, dict[str, bytes]]:
    """The signed files as one head has them: the sealer writes checkpoints first, and the head last."""
    for _ in range(_TRIES):
        try:
            signed = {name: (folder / name).read_bytes() for name in ("key.pub", "head")}
            head = Head.read(Note.read(signed["head"]).text)
            *_, number = head.origin.rpartition("/")
            trees = range(1, len(head.trees) + 1)
            checkpoints = {name: (folder / name).read_bytes() for name in (f"{number}/{at}/checkpoint" for at in trees)}
        except (OSError, NoteMalformed) as error:
            raise _unusable(folder, str(error)) from None
        if (folder / "head").read_bytes() == signed["head"]:
            return signed, head, checkpoints
    raise _unusable(folder, "it is signed anew more often than it can be read")


def _copy_tree(folder: Path, target: Path, size: int) -> None:
    tiles, level = Tiles(folder), 0
    while hashes := size >> 8 * level:
        for index in range(-(-hashes // WIDTH)):
            width = min(WIDTH, hashes - index * WIDTH)
            write_whole(target / name_of(level, index, width), tiles.tile(level, index, size), sync=False)
        level += 1


def _unusable(folder: Path, rule: str) -> SealUnusable:
    return SealUnusable(
        "the seal cannot be copied",
        where=str(folder),
        rule=rule,
        way_out="look with: lifecircle verify; then try again",
    )
