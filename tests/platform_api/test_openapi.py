"""The committed OpenAPI document."""

from broker.openapi import PATH, document


def test_the_committed_document_is_that_of_the_code() -> None:
    assert PATH.read_text() == document(), "run `python -m broker.openapi` and review the difference"
