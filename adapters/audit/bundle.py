"""Evidence bundles: one customer's history with all that proves it, as a folder in a zip file."""

import io
import json
import zipfile
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import adapters.audit.alone
import adapters.audit.evidence
import domain.leaf
import domain.merkle
import domain.notes
import domain.tails
from adapters.audit.evidence import EVIDENCE_FORMAT, page_of, problems_of
from adapters.audit.keys import verify
from adapters.audit.rows import AuditRows
from adapters.audit.seal import Seal
from adapters.audit.store import Store
from adapters.audit.tiles import Tiles
from adapters.cursor import Cursor
from adapters.durable_files import write_whole
from adapters.log import Log, bucket_of
from adapters.settings import LIMITS
from adapters.views.replay import family_facts, history
from domain.errors import SealContradicted, SealUnusable
from domain.judging import breaches_in
from domain.merkle import inclusion_proof
from domain.notes import VerifierKey
from domain.tails import Tails, slot_of, stream_key

_PARTS = (domain.merkle, domain.leaf, domain.tails, domain.notes, adapters.audit.evidence, adapters.audit.alone)

_ZIPPED = (1980, 1, 1, 0, 0, 0)
"""The time that the files of a bundle bear, so that the same evidence is the same file."""


def verifier_script() -> bytes:
    """The modules that check a bundle, put together into one file."""
    texts = []
    for module in _PARTS:
        lines = Path(str(module.__file__)).read_text("utf-8").splitlines()
        texts.append("\n".join(line for line in lines if not line.startswith(("from domain.", "from adapters."))))
    return ("#!/usr/bin/env python3\n" + "\n\n\n".join(texts) + "\n").encode()


@contextmanager
def agreeing(folder: Path, keys: Sequence[VerifierKey]) -> Iterator[tuple[Seal, Store]]:
    """The seal, and what the sealer remembers as of it; a sealer at work is waited for.

    Raises:
        SealUnusable: there is no seal, or what was read was not signed yet.
    """
    deadline = monotonic() + LIMITS.seal_wait_s
    while True:
        seal = Seal(folder, keys)
        number = seal.head.origin.rpartition("/")[2]
        path = folder / f"sealer-{number}.db"
        if path.is_file():
            with closing(Store.reading(path)) as store:
                if tuple(store.tree(at).size for at in range(1, len(seal.head.trees) + 1)) == seal.head.sizes:
                    yield seal, store
                    return
        if monotonic() > deadline:
            raise SealUnusable(
                "what the sealer remembers is not what it last signed",
                where=str(path),
                rule="evidence is given as of the last seal, from what the sealer keeps beside it",
                way_out="run lifecircle seal, then this again",
            )
        sleep(LIMITS.seal_interval_s / 10)


def make_bundle(log: Log, rows: AuditRows, seal: Seal, store: Store, subject: str) -> dict[str, bytes]:
    """All that proves the history of a subject and of every stream that merges joined to it, as of the last seal.

    Raises:
        UnknownSubject: the seal holds nothing of it.
        SealContradicted: the log is not what was sealed, so there is nothing that could be proved.
    """
    head = seal.head
    cut = Cursor(log.log_id, head.sizes)
    facts = history(log, subject, known=cut)
    family = sorted({fact.stream for fact in family_facts(log, subject, upto=cut)} | {subject})
    later = sum(len(log.stream(stream)) - len(log.stream(stream, cut)) for stream in family)
    tails = Tails(store.slots())
    streams = []
    for stream in family:
        bucket = bucket_of(stream, log.buckets)
        size, tiles = head.sizes[bucket - 1], seal.tiles(bucket)
        slot = slot_of(stream_key(stream.encode()))
        streams.append(
            {
                "stream": stream,
                "bucket": bucket,
                "tail": {"slot": _text(store.slot(slot)), "path": list(map(_text, tails.path(slot)))},
                "touchpoints": _touchpoints(rows, bucket, stream, size, tiles),
            }
        )
    evidence: dict[str, Any] = {
        "format": EVIDENCE_FORMAT,
        "log": log.log_id.hex(),
        "subject": subject,
        "unsealed": later,
        "quarantined": len(log.quarantined()),
        "streams": streams,
        "breaches": [
            f"{breach.rule}: {breach.kind} {breach.stream} version {breach.version}, {breach.detail}"
            for breach in breaches_in(facts, log.company)
        ],
    }
    files = {
        "evidence.json": json.dumps(evidence, indent=1, ensure_ascii=False).encode(),
        "head": str(seal.note).encode(),
        "history.html": page_of(evidence, head),
        "verify.py": verifier_script(),
    }
    for path in sorted((seal.folder / "rotations").glob("*")):
        files[f"rotations/{path.name}"] = path.read_bytes()
    if problems := problems_of(files, str(seal.keys[0]), verify):
        raise SealContradicted(
            problems[0],
            where=subject,
            rule="evidence is given only of what can be proved",
            way_out="find out more with: lifecircle verify",
        )
    return files


def _touchpoints(rows: AuditRows, bucket: int, stream: str, size: int, tiles: Tiles) -> list[dict[str, Any]]:
    subtree = tiles.of_size(size)
    return [
        {
            "number": number,
            "version": version,
            "kind": kind.decode(),
            "recorded": recorded,
            "recordedby": recordedby.decode(),
            "content_hmac": None if content_hmac is None else _text(content_hmac),
            "state": _text(state),
            "path": list(map(_text, inclusion_proof(number - 1, size, subtree))),
        }
        for number, _, version, kind, recorded, recordedby, state, content_hmac, *_ in rows.stream(
            bucket, stream.encode(), size
        )
    ]


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


def write_bundle(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle as a zip file, whole or not at all."""
    write_whole(path, bundle_bytes(files))


def bundle_bytes(files: Mapping[str, bytes]) -> bytes:
    """A bundle as a zip file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIPPED), content, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def read_bundle(path: Path) -> dict[str, bytes]:
    """Read a bundle from its zip file, or from the folder that it was unpacked to.

    Raises:
        SealContradicted: it is neither, or larger than any bundle.
    """
    if path.is_dir():
        found = {each.relative_to(path).as_posix(): each for each in path.rglob("*") if each.is_file()}
        return {name: each.read_bytes() for name, each in found.items()}
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LIMITS.bundle_size_max_bytes:
                raise zipfile.BadZipFile("too large")  # noqa: TRY301
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise SealContradicted(
            "this is no evidence bundle, or a damaged one",
            where=str(path),
            rule=f"a bundle is the zip file that lifecircle prove wrote, up to {LIMITS.bundle_size_max_bytes} bytes",
            way_out="ask for it again",
        ) from None
