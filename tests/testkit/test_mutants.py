"""Every check is proved able to fail: each wrong provider is told so on the right line, and on no other."""

from __future__ import annotations

import pytest

from broker.testkit.run import names
from tests.testkit.mutants import MUTANTS
from tests.testkit.trying import tried, wrong


@pytest.mark.parametrize("name", MUTANTS)
async def test_what_is_wrong_is_told_on_the_right_line_and_nothing_else(name: str) -> None:
    mutant = MUTANTS[name]
    assert wrong(await tried(mutant.make(), limits=mutant.limits, **mutant.api)) == mutant.breaks


def test_every_check_has_a_provider_that_breaks_it() -> None:
    broken = {sentence for mutant in MUTANTS.values() for sentence in mutant.breaks}
    assert broken == {name for _, name in names()}
