"""Runs the kit against a provider of the tests, in this event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from broker.testkit.checks import manifest as of_manifest
from broker.testkit.listen import served
from broker.testkit.probe import Limits
from broker.testkit.results import GROUPS, Result, Status
from broker.testkit.run import examine, skipped
from broker.testkit.subject import known_subject
from tests.testkit.shelf import Shelf, manifest

LIMITS = Limits(timeout_s=30, good_s=20, pause_s=0.01)
"""Wide: the machine of a test is a busy one."""


@asynccontextmanager
async def offered(shelf: Shelf) -> AsyncIterator[str]:
    """The provider at work; gives its origin."""
    await shelf.open()
    try:
        async with served(shelf.app()) as origin:
            yield origin
    finally:
        await shelf.close()


async def tried(shelf: Shelf, *, groups: Collection[str] = GROUPS, limits: Limits = LIMITS, **api: Any) -> list[Result]:
    """The results of a whole run."""
    async with offered(shelf) as origin:
        data = manifest(origin, **api)
        known = known_subject(data)
        calls = await examine(known, groups=groups, limits=limits) if known else skipped(groups, "No manifest.")
        return [*of_manifest.results(data), *calls]


def wrong(results: list[Result]) -> dict[str, str]:
    """The sentences that did not hold, with fail or warn."""
    return {result.name: str(result.status) for result in results if result.status in (Status.FAIL, Status.WARN)}
