"""The committed OpenAPI documents."""

from pathlib import Path

import pytest

from broker.openapi import DOCUMENTS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_committed_document_is_that_of_the_code(path: Path) -> None:
    assert path.read_text() == DOCUMENTS[path](), "run `python -m broker.openapi` and review the difference"
