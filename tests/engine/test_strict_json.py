"""Strict JSON is read alike as bytes, which compiled code may read, and as a text, which is walked."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.codec import parse_json
from adapters.settings import LIMITS
from domain.errors import UnreadableInput

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.sampled_from(["-0", "1.50", "1e5", "1E+2", "-0.0", "1e999", "01", "9007199254740993"]),
)
LEAVES = st.one_of(
    NUMBERS, st.text(max_size=5).map(json.dumps), st.sampled_from(["null", "true", '"é\\/"', '"\\ud800"'])
)
KEYS = st.sampled_from(['"a"', '"b"', '""', '"\\u0061"'])


def _objects(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(KEYS, inside).map(":".join), max_size=3)
    return pairs.map(",".join).map("{{{}}}".format) | st.lists(inside, max_size=3).map(",".join).map("[{}]".format)


def _read(raw: bytes | str) -> Any:
    """What is read, with how fractions were written; or the rule by which it is refused."""
    try:
        return _told(parse_json(raw))
    except UnreadableInput as refused:
        return refused


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_told(each) for each in value]
    return type(value).__name__, getattr(value, "text", value)


@settings(max_examples=60, deadline=None)
@given(st.recursive(LEAVES, _objects, max_leaves=8), st.sampled_from(["", " ", "x"]))
@example('{"a":1,"a":1}', "")
@example('{"price":12.50,"count":9223372036854775807}', "")
@example('{"count":9223372036854775808}', "")
@example('["\\u0000"]', "")
@example("[" * LIMITS.json_depth_max + "]" * LIMITS.json_depth_max, "")
@example("[" * LIMITS.json_depth_max + "1" + "]" * LIMITS.json_depth_max, "")
@example("[" * 100_000, "")
@example("[" + "{}," * LIMITS.json_depth_max + "{}]", "")
def test_bytes_are_read_as_the_same_text_is(text: str, more: str) -> None:
    as_bytes, as_text = _read((text + more).encode("utf-8", "surrogatepass")), _read(text + more)
    if isinstance(as_text, UnreadableInput):
        assert isinstance(as_bytes, UnreadableInput)
        assert as_bytes.rule == as_text.rule
    else:
        assert as_bytes == as_text
