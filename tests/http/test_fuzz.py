"""A few hundred requests of a hostile caller; `make fuzz` makes as many as there is time for."""

from tests.cli.program import Shell
from tests.http.fuzz import fuzz, hostile


def test_no_request_breaks_the_service_or_its_contract(file_shop: Shell) -> None:
    with hostile(file_shop) as (url, key):
        found = fuzz(url, key, iter([0]), examples=2)
    assert found.requests > 40
    assert found.statuses.keys() >= {200, 400, 404, 422}
    assert (found.five_xx, found.shown) == (0, [])
