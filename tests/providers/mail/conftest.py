"""Fixtures of the mail provider's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.providers.mail.program import Clock, Program, mail_program


@pytest.fixture(scope="module")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """One program for the tests of a module: each provisions tenants of its own, and may turn the clock forward."""
    clock = Clock()
    clock.move_to_noon()
    async with mail_program(tmp_path_factory.mktemp("mail"), clock) as running:
        yield running
