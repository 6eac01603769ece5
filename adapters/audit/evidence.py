"""An evidence bundle as its reader sees it: what it must show, checked with the standard library alone.

The program checks a bundle with this module, and each bundle carries it, together with the modules of hashes and notes
that it stands on, as one file that a stranger can read and run.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from struct import error as StructError  # noqa: N812 - what is too large for its place
from typing import Any

from domain.leaf import NONE_BEFORE, leaves_of
from domain.merkle import included
from domain.notes import Head, Note, NoteMalformed, VerifierKey, Verify
from domain.tails import tail_in

EVIDENCE_FORMAT = "lifecircle evidence v1"
JOINING_KINDS = ("CustomersMerged", "CustomerMergeReverted")
RELATING_KIND = "RelationshipLinked"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{subject}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; vertical-align: top;
padding: .3rem .6rem; border-bottom: 1px solid #ccc }} pre {{ white-space: pre-wrap; margin: 0; font-size: 12px }}
</style></head><body>
<h1>{subject}</h1>
<p>{count} touchpoints of {streams}, as sealed at {sealed} by <code>{key}</code>. {unsealed} later ones were not
sealed yet and are not in this bundle. Times of recording are the log's own clock.
Check this page: <code>python3 verify.py KEY</code>.</p>
<table><tr><th>occurred</th><th>what</th><th>stored under</th><th>position</th><th>recorded</th>
<th>as it was given</th></tr>
{rows}
</table>
<h2>What this is the whole of</h2>
<p>All that was sealed under {streams}: every stream that a merge ever joined to the subject. It names as related, but
their own histories are not in this bundle: {persons}.</p>
<h2>What is not proved</h2>
<p>As the program saw it when the bundle was made: {quarantined} rows of imports waited in quarantine, of which nobody
can say yet whom they concern; and this history broke these rules:</p>
<ul>{breaches}</ul>
</body></html>
"""

_ROW = (
    "<tr><td>{time}</td><td>{kind}</td><td>{stream}, version {version}</td><td>{position}</td>"
    "<td>{recorded} by {recordedby}</td><td><pre>{given}</pre></td></tr>"
)


def problems_of(files: Mapping[str, bytes], key: str, verify: Verify) -> list[str]:
    """What is wrong with a bundle, given the key that its reader trusts; nothing when all of it is proved.

    It is proved that each touchpoint stands in the sealed log where the bundle says, that each stream of its scope is
    whole from its first version to its last, that every stream that a merge joined to one of them is in the scope too,
    and that the page for people shows just this.
    """
    try:
        evidence = json.loads(files["evidence.json"])
        head = _trusted_head(files, VerifierKey.read(key), verify)
        if evidence["format"] != EVIDENCE_FORMAT or evidence["log"] != head.log_id.hex():
            return ["the bundle is of another format, or of another log than its head"]
        found = [problem for stream in evidence["streams"] for problem in _of_stream(stream, head)]
        scope = [stream["stream"] for stream in evidence["streams"]]
        joined = {side for stream in evidence["streams"] for side in _joined(stream)}
        if len(set(scope)) != len(scope) or evidence["subject"] not in scope or not joined <= set(scope):
            found.append("the scope lacks a stream that a merge joined, or names one twice")
        if files["history.html"] != page_of(evidence, head):
            found.append("history.html does not show what is proved")
    except NoteMalformed as error:
        return [str(error)]
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, StructError):
        return ["the bundle is damaged"]
    return found


def _trusted_head(files: Mapping[str, bytes], key: VerifierKey, verify: Verify) -> Head:
    trusted = [key]
    for name in sorted(name for name in files if name.startswith("rotations/")):
        note = Note.read(files[name])
        try:
            note.signed_by(trusted, verify)
        except NoteMalformed:
            continue  # from before the trusted key
        successor = VerifierKey.read(Head.read(note.text).key)
        note.signed_by([successor], verify)
        trusted.append(successor)
    note = Note.read(files["head"])
    note.signed_by(trusted, verify)
    return Head.read(note.text)


def _of_stream(given: Mapping[str, Any], head: Head) -> Iterator[str]:
    """What is wrong with one stream: a leaf that does not follow, stands elsewhere, or is not the last."""
    name, bucket = given["stream"], given["bucket"]
    if not 1 <= bucket <= len(head.trees):
        raise ValueError(bucket)
    size, root = head.trees[bucket - 1]
    leaf_of, leaf, version = leaves_of(head.log_id, bucket), NONE_BEFORE, 0
    for each in given["touchpoints"]:
        version += 1
        state, hmac = _bytes(each["state"]), each["content_hmac"]
        columns = (each["number"], name.encode(), each["version"], each["kind"].encode(), each["recorded"])
        leaf = leaf_of(*columns, each["recordedby"].encode(), state, None if hmac is None else _bytes(hmac), leaf)
        where = f"{name}, version {version}"
        if each["version"] != version:
            yield f"{where} is missing, or out of order"
        if not included(leaf, each["number"] - 1, size, _hashes(each["path"]), root):
            yield f"{where} is not what was sealed at {bucket}/{each['number']}"
        if json.loads(state)["type"] != each["kind"]:
            yield f"{where} is of another kind than its bytes say"
    end = tail_in(name.encode(), _bytes(given["tail"]["slot"]), _hashes(given["tail"]["path"]), head.tails)
    if end != ((version, leaf) if version else None):
        yield f"{name} does not end with version {version}: some of it is missing, or too much is there"


def _joined(given: Mapping[str, Any]) -> Iterator[str]:
    """The streams that a stream's merges and reverts name."""
    for each in given["touchpoints"]:
        if each["kind"] in JOINING_KINDS:
            data = json.loads(_bytes(each["state"]))["data"]
            yield from (data["survivor"], data["absorbed"])


def _persons(evidence: Mapping[str, Any]) -> list[str]:
    """Whom relationships of these streams name, and who is none of these streams."""
    rows = [each for stream in evidence["streams"] for each in stream["touchpoints"] if each["kind"] == RELATING_KIND]
    scope = {stream["stream"] for stream in evidence["streams"]}
    return sorted({str(json.loads(_bytes(each["state"]))["data"]["to"]) for each in rows} - scope)


def page_of(evidence: Mapping[str, Any], head: Head) -> bytes:
    """The page for people, in the order in which things occurred as given."""
    rows = []
    for stream in evidence["streams"]:
        for each in stream["touchpoints"]:
            given = json.loads(_bytes(each["state"]))
            shown = {
                "time": given["time"],
                "kind": each["kind"],
                "stream": stream["stream"],
                "version": each["version"],
                "position": f"{stream['bucket']}/{each['number']}",
                "recorded": _moment(each["recorded"]),
                "recordedby": each["recordedby"],
                "given": json.dumps(given, indent=1, ensure_ascii=False),
            }
            order = (datetime.fromisoformat(given["time"]), stream["stream"], each["version"])
            rows.append((order, _ROW.format(**{name: escape(str(value)) for name, value in shown.items()})))
    page = _PAGE.format(
        subject=escape(evidence["subject"]),
        count=len(rows),
        streams=escape(", ".join(stream["stream"] for stream in evidence["streams"])),
        sealed=_moment(head.sealed),
        key=escape(head.key),
        unsealed=int(evidence["unsealed"]),
        persons=escape(", ".join(_persons(evidence))) or "none",
        quarantined=int(evidence["quarantined"]),
        rows="\n".join(row for _, row in sorted(rows)),
        breaches="".join(f"<li>{escape(str(breach))}</li>" for breach in evidence["breaches"]) or "<li>none</li>",
    )
    return page.encode()


def _moment(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _hashes(texts: Sequence[str]) -> list[bytes]:
    return list(map(_bytes, texts))
