"""A provider that does everything right passes, whether it answers at once or later."""

from __future__ import annotations

import pytest

from broker.testkit.results import Status
from broker.testkit.run import names
from tests.testkit.shelf import Shelf
from tests.testkit.trying import tried, wrong

ONLY_AT_ONCE = {"A delete succeeds with 204 or 200."}
ONLY_LATER = {
    "A provision that is accepted with 202 is finished by a call to actions/provision.",
    "An answer of 202 holds no config, which would be lost.",
    "The grant is exchanged as the contract says: grant_type, code and client_secret.",
    "Every other call of the provider to the broker is one that the broker takes.",
    "A delete that is accepted with 202 is finished by a call to actions/deprovision.",
}


@pytest.mark.parametrize("later", [False, True], ids=["at once", "with 202"])
async def test_a_correct_provider_passes_and_keeps_nothing(later: bool) -> None:
    shelf = Shelf(later=later)
    results = await tried(shelf)
    assert wrong(results) == {}, [result for result in results if result.status is Status.FAIL]
    skipped = {result.name for result in results if result.status is Status.SKIP}
    assert skipped == (ONLY_AT_ONCE if later else ONLY_LATER)
    assert {(result.group, result.name) for result in results} == set(names())
    assert all(item.gone for item in shelf.items.values())
    assert len(shelf.items) >= 5
