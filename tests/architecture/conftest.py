"""Fixtures of the tests that read the source."""

from collections.abc import Iterator

import pytest

from tests.architecture import source


@pytest.fixture(scope="package", autouse=True)
def _trees_are_dropped() -> Iterator[None]:
    """Half a million nodes would slow every later collection of garbage in this process down."""
    yield
    source.nodes.cache_clear()
    source.tree.cache_clear()
