"""Fixtures that every test may ask for. Those of one domain live beside its tests, or in tests/domain.py."""

import gc
from collections.abc import Generator, Iterator

import pytest

from tests import engines
from tests.loopback import refuse_the_outside_world
from tests.platform import Platform, running_platform

pytest_plugins = ["tests.domain"]


def pytest_configure() -> None:
    refuse_the_outside_world()


def pytest_report_header() -> str:
    return engines.description()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays until the end: looking through it for garbage, now or amid the tests, finds none and takes long.

    What the tests leave is looked for as often as ever: tests that kill tasks leave connections, which garbage collection closes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A superuser's URL of a real PostgreSQL server of this test process."""
    with engines.postgres_server() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """An empty database of this test alone."""
    with engines.new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The whole marketplace, running. Its tests share it: each makes apps of its own."""
    with running_platform() as running:
        yield running
