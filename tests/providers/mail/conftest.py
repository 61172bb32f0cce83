"""Fixtures of the mail provider's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.providers.mail.program import Clock, Program, mail_program


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Program]:
    clock = Clock()
    clock.move_to_noon()
    async with mail_program(tmp_path, clock) as running:
        yield running
