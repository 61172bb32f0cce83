"""What of docs/ is made from the code is up to date."""

from pathlib import Path

import pytest

from broker.settings import Settings
from scripts import reference


@pytest.mark.parametrize("path", reference.PAGES, ids=lambda path: path.name)
def test_the_committed_page_is_what_the_code_says(path: Path) -> None:
    assert path.exists(), "run `make docs`"
    assert path.read_text(encoding="utf-8") == reference.PAGES[path](), "run `make docs`"


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_refusal_says_what_it_means_and_has_a_status() -> None:
    classes = reference.error_classes()
    assert [error.__name__ for error in classes if "__doc__" not in vars(error)] == []
    assert [
        error.__name__ for error in classes if reference.status_of(error) >= 500 and error.id == "internal_error"
    ] == []


def test_events_are_named_by_a_noun_and_a_verb() -> None:
    kinds = [kind for kind, _names, _modules in reference.events()]
    assert kinds
    assert [kind for kind in kinds if kind.count(".") != 1 or kind != kind.lower()] == []
