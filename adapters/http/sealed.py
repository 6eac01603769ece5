"""What was sealed, over HTTP: checkpoints and tiles open to everybody, and the evidence of one customer's history.

Below `/seal/ORIGIN/BUCKET/` stands what c2sp.org/tlog-tiles asks of a log: `checkpoint` and `tile/…`. Tiles never
change, so they are kept for ever; a checkpoint is asked for anew each time.
"""

import re
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi.responses import Response

from adapters.apikeys import Principal, Role
from adapters.audit.bundle import agreeing, bundle_bytes, make_bundle
from adapters.audit.rows import open_audit_rows
from adapters.audit.seal import read_key, seal_path
from adapters.audit.tiles import WIDTH, Tiles, name_of
from adapters.http.answers import Answers
from adapters.http.answers import refusal as told_refusal
from adapters.http.problems import RequestRefused
from adapters.http.service import denied, in_turn, service_of, within
from adapters.views.replay import family_facts
from domain.notes import Checkpoint, Note

router = APIRouter(tags=["seal"])

_NOTE = "text/plain; charset=utf-8"
_TILE = "application/octet-stream"
_ZIP = "application/zip"
_ANEW = {"Cache-Control": "no-cache"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_INDEX = re.compile(r"(?:x[0-9]{3}/){0,6}[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?")
_TREE_MAX = 2**31

Number = Annotated[int, InPath(ge=1, le=_TREE_MAX)]


def _answers(form: str, said: str) -> Answers:
    shape = {"type": "string"} if form == "text/plain" else {"type": "string", "format": "binary"}
    found = {"description": said, "content": {form: {"schema": shape}}}
    return {200: found, 404: told_refusal(HTTPStatus.NOT_FOUND)}


@router.get(
    "/seal/head",
    summary="The signed head of all trees",
    response_class=Response,
    responses=_answers("text/plain", "A signed note"),
)
def head(request: Request) -> Response:
    """The note that says how far each bucket's tree is sealed, and under which origin."""
    return Response(_file(_folder(request) / "head"), headers=_ANEW, media_type=_NOTE)


@router.get(
    "/seal/key",
    summary="The verifier key",
    response_class=Response,
    responses=_answers("text/plain", "A verifier key of signed notes"),
)
def key(request: Request) -> Response:
    """The key that the first head was signed by. Compare it with what you have from whom you trust."""
    return Response(_file(_folder(request) / "key.pub"), headers=_ANEW, media_type=_NOTE)


@router.get(
    "/seal/{origin}/{bucket}/checkpoint",
    summary="The checkpoint of a bucket's tree",
    response_class=Response,
    responses=_answers("text/plain", "A signed checkpoint"),
)
def checkpoint(request: Request, origin: Number, bucket: Number) -> Response:
    """The checkpoint (c2sp.org/tlog-checkpoint) of the last seal."""
    path = _folder(request) / str(origin) / str(bucket) / "checkpoint"
    return Response(_file(path), headers=_ANEW, media_type=_NOTE)


@router.get(
    "/seal/{origin}/{bucket}/tile/{level}/{index:path}",
    summary="A tile of a bucket's tree",
    response_class=Response,
    responses=_answers(_TILE, "Up to 256 hashes of 32 bytes"),
)
def tile(
    request: Request, origin: Number, bucket: Number, level: Annotated[int, InPath(ge=0, le=7)], index: str
) -> Response:
    """A tile, or as many of its first hashes as `.p/WIDTH` asks for; of the sealed tree alone."""
    tree = _folder(request) / str(origin) / str(bucket)
    size = Checkpoint.read(Note.read(_file(tree / "checkpoint")).text).size
    if not _INDEX.fullmatch(index):
        raise _no_such()
    at, _, width = index.partition(".p/")
    place, wide = int(at.replace("x", "").replace("/", "")), int(width or WIDTH)
    there = (size >> 8 * level) - place * WIDTH
    if wide > there or name_of(level, place, wide) != f"tile/{level}/{index}":
        raise _no_such()
    found = Tiles(tree).tile(level, place, (place * WIDTH + wide) << 8 * level)
    return Response(found, headers=_FOR_EVER, media_type=_TILE)


@router.get(
    "/subjects/{subject:path}/evidence",
    summary="The proof of a subject's history",
    response_class=Response,
    responses=_answers(_ZIP, "An evidence bundle"),
)
def evidence(
    request: Request,
    principal: Annotated[Principal, Depends(in_turn(Role.AUDITOR), scope="function")],
    subject: str,
) -> Response:
    """A zip file that proves a history as of the last seal, with verify.py, which checks it without this program."""
    within(principal, subject)
    if principal.kinds:
        raise denied("this key reaches some kinds only, and evidence is of a whole history")
    engine = service_of(request).engine
    for stream in {fact.stream for fact in family_facts(engine.log, subject)}:
        within(principal, stream)
    place = _folder(request)
    if not (place / "key.pub").is_file():
        raise _no_such()
    trusted = [read_key(str(place / "key.pub"))]
    with closing(open_audit_rows(engine.url)) as rows, agreeing(place, trusted) as (seal, store):
        bundle = bundle_bytes(make_bundle(engine.log, rows, seal, store, subject))
    return Response(bundle, headers={"Cache-Control": "no-store"}, media_type=_ZIP)


def _folder(request: Request) -> Path:
    return seal_path(service_of(request).engine.url, None)


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise _no_such() from None


def _no_such() -> RequestRefused:
    return RequestRefused(
        HTTPStatus.NOT_FOUND,
        "nothing of this name is sealed",
        rule="a tile is as wide as it is in the sealed tree, or narrower",
        way_out="ask for /seal/head: it says what is sealed; where it is missing, the operator seals: lifecircle seal",
    )
