"""Touchpoints as a hostile producer sends them: most of them right, so that they get far, the others with one flaw."""

from typing import Any

from hypothesis import strategies as st

from tests.strategies import envelopes, with_few_entities

SUBJECTS = ("customer-1", "customer-2", "customer-3", "c1")
"""Of whom all of them tell, so that histories grow and touchpoints meet."""
FEW = tuple(f"again-{number}" for number in range(20))
"""Ids that are used again, with the same content or with other."""

_STRANGE: tuple[Any, ...] = (
    None,
    "",
    "\0",
    "\u202e",
    "x" * 3_000,
    "' OR 1=1 --",
    0,
    -1,
    2**63,
    -(2**63) - 1,
    1e308,
    True,
    [],
    {},
    [[[[{}]]]],
    {"micros": 1, "currency": "EUR"},
    "9999999999999999.999999 EUR",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-30",
    "[erased]",
)


@st.composite
def right(draw: st.DrawFn) -> dict[str, Any]:
    """A CloudEvent that is as its kind wants it; of anything, but always of the same few."""
    made = with_few_entities(draw, draw(envelopes(st.sampled_from(SUBJECTS))))
    sent: dict[str, Any] = made.model_dump(mode="json", exclude_none=True)
    sent["data"] = made.data.model_dump(mode="json", exclude_none=True)
    if draw(st.integers(0, 9)) == 0:
        sent["id"] = draw(st.sampled_from(FEW))
    for name, known in (("target", FEW), ("survivor", SUBJECTS), ("absorbed", SUBJECTS)):
        if isinstance(sent["data"].get(name), str):  # a correction or a merge, of what there is
            sent["data"][name] = draw(st.sampled_from(known))
    return sent


@st.composite
def flawed(draw: st.DrawFn) -> dict[str, Any]:
    """The same with one thing left out, added, or replaced by what is strange."""
    sent = draw(right())
    within = draw(st.sampled_from([sent, sent["data"]]))
    name = draw(st.sampled_from([*within, "surprise", "custom"]))
    if draw(st.integers(0, 3)) == 0:
        within.pop(name, None)
    else:
        within[name] = draw(st.sampled_from(_STRANGE) | st.text(max_size=20))
    return sent


one = st.integers(0, 3).flatmap(lambda turn: flawed() if turn == 0 else right())
"""One touchpoint; three of four are right."""
several = st.lists(one, min_size=1, max_size=5)
"""A batch of them."""
