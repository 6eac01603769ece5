"""The sealer: reads what was recorded, beside those who record, and signs what it read.

Whatever it is killed at, it goes on: tiles first, then what it remembers, then checkpoints, and the head last, each
whole or not at all. Only what `head` says is signed for; all else can be made again from the log.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event
from time import monotonic, time_ns

from adapters.audit.keys import SigningKey
from adapters.audit.rows import LEAF_COLUMNS, AuditRows, LeafRow, open_audit_rows
from adapters.audit.seal import Seal
from adapters.audit.store import Store, Tree
from adapters.audit.tiles import GrowingTiles, Tiles, contradiction
from adapters.cursor import Cursor
from adapters.durable_files import leading, sync_all, write_whole
from adapters.log import Log
from adapters.progress import Progress, unseen
from adapters.settings import LIMITS
from domain.errors import SealContradicted, SealUnusable
from domain.leaf import NONE_BEFORE, LeafOf, leaves_of
from domain.merkle import HASH_BYTES
from domain.merkle import root as root_of
from domain.notes import Head, Note
from domain.tails import Tails, slot_of, stream_key

_READ_PER_SIGNED = 9
"""How many times as long as it last took to sign is read before it is signed again, where there is much to read: it
grows with the number of streams."""

_NO_TAIL = (0, NONE_BEFORE)


@contextmanager
def sealer(log: Log, url: str, folder: Path, *, new_origin: bool = False) -> Iterator["Sealer"]:
    """Lead a seal; one process at a time does.

    Args:
        log: what is sealed.
        url: where it is.
        folder: the seal.
        new_origin: begin a new tree over what the log holds now, and say which one it supersedes.

    Raises:
        SealerFenced: another process leads.
        SealUnusable: the key is missing, damaged or readable by others.
        SealContradicted: what is signed there is not this log's.
    """
    with leading(folder), closing(open_audit_rows(url)) as rows:
        leader = Sealer(log, rows, folder, new_origin=new_origin)
        try:
            yield leader
        finally:
            leader.close()


class Sealer:
    """The one that leads a seal."""

    def __init__(self, log: Log, rows: AuditRows, folder: Path, *, new_origin: bool) -> None:
        self._log, self._rows, self._folder = log, rows, folder
        self.key = self._signing_key()
        self.head = self._signed_head()
        origin, self._supersedes = self._origin(new_origin=new_origin)
        self._origin_name = origin
        if self.head and (self.head.origin != origin):
            self.head = None
        self._begin()

    def _signing_key(self) -> SigningKey:
        path = key_path(self._folder)
        if path.exists():
            return SigningKey.read(path)
        if (self._folder / "head").exists():
            raise SealUnusable(
                "the sealer's key is missing",
                where=str(path),
                rule="what goes on is signed by the key that signed what went before, or one that it handed over to",
                way_out="put the key back from its copy; if it is lost, move the folder away and publish the new key",
            )
        return SigningKey.make(f"lifecircle/{self._log.log_id.hex()}", path)

    def _signed_head(self) -> Head | None:
        if not (self._folder / "head").exists():
            return None
        head = Seal(self._folder, [self.key.verifier]).head
        if (head.log_id, len(head.trees)) != (self._log.log_id, self._log.buckets):
            raise SealContradicted(
                "this seal is another log's",
                where=str(self._folder),
                rule="a seal is of one log, by its id and its number of buckets",
                way_out="name this log's own folder by --seal, or LIFECIRCLE_SEAL",
            )
        return head

    def _origin(self, *, new_origin: bool) -> tuple[str, str]:
        if self.head is None:
            return f"lifecircle/{self._log.log_id.hex()}/1", ""
        if not new_origin:
            return self.head.origin, self.head.supersedes
        stem, _, number = self.head.origin.rpartition("/")
        digest = sha256((self._folder / "head").read_bytes()).hexdigest()
        return f"{stem}/{int(number) + 1}", f"{self.head.origin} {digest}"

    def _begin(self) -> None:
        """Take up what is remembered of this origin, as far as it agrees with what is signed."""
        number = self._origin_name.rpartition("/")[2]
        self._store = Store.writing(self._folder / f"sealer-{number}.db")
        buckets = range(1, self._log.buckets + 1)
        trees = {bucket: self._store.tree(bucket) for bucket in buckets}
        signed = self.head.sizes if self.head else (0,) * len(buckets)
        self._trees = {
            bucket: GrowingTiles(self._folder / number / str(bucket), tree.edges, tree.size, signed[bucket - 1])
            for bucket, tree in trees.items()
        }
        self._previous = {bucket: tree.previous for bucket, tree in trees.items()}
        self._leaves: dict[int, LeafOf] = {bucket: leaves_of(self._log.log_id, bucket) for bucket in buckets}
        self._tails = Tails(self._store.slots())
        self._moved = set[int]()
        self._newest = 0

    @property
    def read(self) -> int:
        """How many touchpoints have been read."""
        return sum(tree.size for tree in self._trees.values())

    def seal(self, on_progress: Progress = unseen) -> Head:
        """Read up to the end of the log, and sign it: what takes long, a part each second.

        Raises:
            SealContradicted: the log is not what was signed before; nothing new is signed.
        """
        heads = self._log.heads()
        for bucket, last in enumerate(heads.numbers, 1):
            self._agrees(bucket, last)
        signed, signing = monotonic(), 0.0
        while not self._reached(heads):
            for bucket, last in enumerate(heads.numbers, 1):
                size = self._trees[bucket].size
                if size < last:
                    upto = min(last, size + LIMITS.seal_page_touchpoints)
                    self._take(bucket, upto)
                    on_progress(self.read, sum(heads.numbers))
            if (now := monotonic()) - signed >= max(LIMITS.seal_unsigned_max_s, _READ_PER_SIGNED * signing):
                self._sign()
                signed = monotonic()
                signing = signed - now
        return self._sign()

    def follow(self, stop: Event, on_signed: Callable[[Head], None]) -> None:
        """Sign whatever is recorded, at most a second later, until `stop` is set.

        Raises:
            As `seal`.
        """
        while not stop.is_set():
            began = monotonic()
            before = self.head
            if (head := self.seal()) is not before:
                on_signed(head)
            stop.wait(max(0.0, LIMITS.seal_interval_s - (monotonic() - began)))

    def _reached(self, heads: Cursor) -> bool:
        return all(self._trees[bucket].size >= last for bucket, last in enumerate(heads.numbers, 1))

    def _agrees(self, bucket: int, last: int) -> None:
        """Whether the log still ends in what was read last: after a backup came back, it does not."""
        size = self._trees[bucket].size
        if self.head and last < self.head.sizes[bucket - 1]:
            raise contradiction(bucket, last + 1)
        if not size:
            return
        found = self._rows.page(bucket, size - 1, size)
        read = bytes(self._trees[bucket].edges[0][-HASH_BYTES:]) or self._last_full(bucket, size)
        if len(found) != 1 or self._leaf(bucket, found[0][:LEAF_COLUMNS], self._previous[bucket]) != read:
            raise contradiction(bucket, self._first_wrong(bucket, size))

    def _last_full(self, bucket: int, size: int) -> bytes:

        return Tiles(self._trees[bucket].folder).tile(0, (size - 1) // 256, size)[-HASH_BYTES:]

    def _first_wrong(self, bucket: int, size: int) -> int:
        """Read the bucket again from its beginning, up to the first leaf that is another one."""
        tiles, tails, after = Tiles(self._trees[bucket].folder), dict[bytes, bytes](), 0
        for rows in self._rows.leaf_rows(bucket, 0, size):
            for number, row in enumerate(rows, after + 1):
                at = (number - 1) % 256 * HASH_BYTES
                leaf = self._leaf(bucket, row, tails.get(row[1], NONE_BEFORE))
                if row[0] != number or leaf != tiles.tile(0, (number - 1) // 256, size)[at : at + HASH_BYTES]:
                    return number
                tails[row[1]] = leaf
            after += len(rows)
        return min(size, after + 1)

    def _leaf(self, bucket: int, row: LeafRow, previous: bytes) -> bytes:
        """The leaf of a row; an empty one, which is no leaf, when the row is no touchpoint."""
        try:
            return self._leaves[bucket](*row, previous)
        except (TypeError, ValueError, struct.error):
            return b""

    def _take(self, bucket: int, upto: int) -> None:
        """Read what comes next into a tree, and remember it."""
        tree, leaf_of = self._trees[bucket], self._leaves[bucket]
        keys, ends = dict[bytes, bytes](), dict[bytes, tuple[int, bytes]]()
        leaves, expected, before = list[bytes](), tree.size, b""
        for rows in self._rows.leaf_rows(bucket, tree.size, upto):
            # Asked of each row and not of a set of them: a difference of sets would copy what is known, page by page.
            new = {row[1]: stream_key(row[1]) for row in rows if row[1] not in ends and isinstance(row[1], bytes)}
            keys |= new
            known = self._store.tails(new.values())
            ends.update((stream, known.get(key, _NO_TAIL)) for stream, key in new.items())
            for row in rows:
                expected += 1
                stream = row[1]
                try:
                    version, before = ends[stream]
                    leaf = leaf_of(*row, before)
                except (KeyError, TypeError, ValueError, struct.error):
                    raise contradiction(bucket, expected) from None
                if row[0] != expected or row[2] != version + 1:
                    raise contradiction(bucket, expected)
                ends[stream] = (version + 1, leaf)
                leaves.append(leaf)
            self._newest = max(self._newest, rows[-1][4])
        if expected != upto:
            raise contradiction(bucket, expected + 1)
        tree.extend(b"".join(leaves))
        tree.write_edges()
        sync_all(tree.written)
        tree.written.clear()
        self._previous[bucket] = before
        edges = [bytes(edge) for edge in tree.edges]
        tails = sorted((keys[stream], *end) for stream, end in ends.items())  # as they lie in the store
        self._store.put({bucket: Tree(tree.size, before, edges)}, tails)
        self._moved.update(map(slot_of, keys.values()))

    def _sign(self) -> Head:
        trees = tuple((tree.size, tree.root) for tree in self._trees.values())
        current = self.key.verifier
        if self.head and (self.head.trees, self.head.key) == (trees, str(current)):
            return self.head
        if self.head:
            self._extends(self.head)
        self._tails.put(self._store.slots_among(self._moved))
        self._moved.clear()
        head = Head(
            self._origin_name,
            self._log.log_id,
            self._now(),
            str(current),
            self._store.streams(),
            self._tails.root,
            trees,
            self._supersedes,
        )
        self._publish(head, [self.key])
        return head

    def _now(self) -> int:
        """The sealer's clock, which never goes back behind what it signed before."""
        return max(time_ns() // 1000, self.head.sealed + 1 if self.head else 0)

    @property
    def behind_log_s(self) -> float:
        """By how much the clock of the log, by the newest touchpoint that was read, is ahead of this machine's."""
        return max(0.0, (self._newest - time_ns() // 1000) / 1_000_000)

    def _extends(self, signed: Head) -> None:
        """Never sign what does not begin with what was signed: the tree as of then must still have its root."""
        for bucket, (size, root) in enumerate(signed.trees, 1):
            tree = self._trees[bucket]
            if tree.size < size or root_of(size, Tiles(tree.folder).of_size(size)) != root:
                raise contradiction(bucket, min(tree.size, size) + (tree.size < size))

    def _publish(self, head: Head, keys: Sequence[SigningKey]) -> None:
        for bucket, tree in self._trees.items():
            note = _signed(head.checkpoint(bucket).text, keys)
            write_whole(tree.folder / "checkpoint", str(note).encode())
        write_whole(self._folder / "key.pub", f"{keys[-1].verifier}\n".encode())
        write_whole(self._folder / "head", str(_signed(head.text, keys)).encode())
        self.head = head
        for bucket, (size, _) in enumerate(head.trees, 1):
            self._trees[bucket].sealed = size

    def rotate(self) -> None:
        """Hand over to a new key: both sign one head, which is kept, and the old key is destroyed.

        Killed on the way, the old key goes on, and the next call hands over to the same new one.
        """
        path = key_path(self._folder)
        waiting = path.with_name(f"{path.name}.next")
        name = self.key.verifier.name
        successor = SigningKey.read(waiting) if waiting.exists() else SigningKey.make(name, waiting)
        head = self.seal()._replace(key=str(successor.verifier), sealed=self._now())
        handed_over = str(_signed(head.text, [self.key, successor])).encode()
        write_whole(self._folder / "rotations" / f"{head.sealed:020}", handed_over)
        self._publish(head, [self.key, successor])
        waiting.replace(path)
        self.key = successor

    def close(self) -> None:
        """Close what is remembered."""
        self._store.close()


def _signed(text: str, keys: Sequence[SigningKey]) -> Note:
    note = Note(text, ())
    for key in keys:
        note = key.signed(note)
    return note


def key_path(folder: Path) -> Path:
    """Where the key of a seal lies: beside the folder, which others may read."""
    return folder.with_name(f"{folder.name}.key")
