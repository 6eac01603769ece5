"""The campaign of forgetting, in its short form: one person, in a file."""

from pathlib import Path

import pytest

from tests.cli.program import Shell
from tests.privacy.forget import Person, campaign, forms


@pytest.mark.parametrize("seals", [True, False])
def test_nothing_is_left_of_one_who_was_forgotten_and_the_control_finds_all(tmp_path: Path, seals: bool) -> None:  # noqa: FBT001
    person = Person(1)
    url = f"sqlite:///{tmp_path}/shop.db"
    found = campaign(Shell(url), url, tmp_path, None, [person], seals=seals)
    assert found.keys() == (set() if seals else set(person.values))


def test_a_value_is_known_in_every_form() -> None:
    from base64 import b64encode, urlsafe_b64encode

    value = "Zuzana Příkladná"
    for before in (b"", b"a", b"ab", b"abc"):
        whole = before + value.encode() + b"!!"
        for text in (b64encode(whole), urlsafe_b64encode(whole), whole.hex().encode(), whole):
            assert any(form in text for form in forms(value))
    assert not any(form in b64encode(b"Zuzana Somebody else") for form in forms(value))
