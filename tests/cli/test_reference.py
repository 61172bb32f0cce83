"""The committed reference pages are those that the commands give."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.cli.main import COMMANDS
from broker.cli.reference import PAGES
from broker.cli.topics import ALIASES

FILES = {"commands": "cli.md", "exit-codes": "exit-codes.md"}


@pytest.mark.parametrize("page", PAGES)
def test_the_committed_page_is_up_to_date(page: str) -> None:
    committed = Path(__file__).parents[2] / "docs" / "reference" / FILES[page]
    assert committed.read_text(encoding="utf-8") == PAGES[page](), f"run: python -m broker.cli.reference {page}"


def test_every_command_and_short_name_is_in_the_reference() -> None:
    page = PAGES["commands"]()
    assert [name for name in COMMANDS if f"### `{name}`" not in page] == []
    assert [name for name in ALIASES if f"`{name}`" not in page] == []
