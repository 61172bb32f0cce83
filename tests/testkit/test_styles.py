"""The kit understands providers as others write them: the programs of tests/providers/styles, each in its process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker.testkit.listen import bound, origin_of
from broker.testkit.results import Result, Status
from broker.testkit.run import examine
from broker.testkit.subject import subject
from embedded.processes import free_port
from tests.testkit.shelf import PASSWORD, SALT
from tests.testkit.trying import LIMITS
from tests.waiting import until

FINISHED = "A provision that is accepted with 202 is finished by a call to actions/provision."
GRANT = "The grant is exchanged as the contract says: grant_type, code and client_secret."
CALLS = "Every other call of the provider to the broker is one that the broker takes."
REMOVED = "Everything that the kit made is removed again."


def manifest(style: str, origin: str) -> dict[str, Any]:
    urls = {"base_url": f"{origin}/heroku/resources", "sso_url": f"{origin}/sso"}
    api: dict[str, Any] = {
        "password": PASSWORD,
        "sso_salt": SALT,
        "regions": ["us"],
        "config_vars": [f"{style.upper()}_URL", f"{style.upper()}_EXTRA"],
        "production": origin if style == "root" else urls,
    }
    if style not in ("legacy", "root"):
        api["version"] = "3"
    plans = [{"name": "test", "price_cents": 0}, {"name": "large", "price_cents": 0}]
    return {"id": style, "name": style.title(), "api": api, "plans": plans}


@contextlib.asynccontextmanager
async def started(style: str, callbacks: str) -> AsyncIterator[str]:
    """The program, told its token URL as its author would have put it into its settings."""
    port = free_port()
    settings = {
        "SLUG": style, "PASSWORD": PASSWORD, "SALT": SALT, "CLIENT_SECRET": "a-client-secret",
        "TOKEN_URL": f"{callbacks}/oauth/token", "PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, "-m", f"tests.providers.styles.{style}"]
    program = subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    try:
        await until(lambda: answers(port), within_s=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        program.terminate()
        program.wait()


async def answers(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing((await asyncio.open_connection("127.0.0.1", port))[1]):
        return True
    return False


async def tried(style: str, *groups: str) -> dict[str, Result]:
    listener = bound()
    async with started(style, origin_of(listener)) as origin:
        found = subject(manifest(style, origin))
        results = await examine(found, groups=groups, limits=LIMITS, listener=listener)
    return {result.name: result for result in results}


def passed(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if result.status is Status.PASS}


@pytest.mark.parametrize("style", ["inside", "query"])
async def test_one_that_exchanges_its_grant_and_finishes_by_itself_passes(style: str) -> None:
    assert passed(await tried(style, "async")) >= {FINISHED, GRANT, CALLS}


async def test_one_that_ends_a_removal_later_is_waited_for() -> None:
    results = await tried("keeper", "deprovision")
    assert passed(results) >= {
        "A delete that is accepted with 202 is finished by a call to actions/deprovision.",
        REMOVED,
    }


async def test_one_of_the_first_version_finds_its_apps_and_sets_their_config() -> None:
    results = await tried("legacy", "planchange", "async")
    assert passed(results) >= {"A change to another plan succeeds with 200, 202 or 204.", CALLS, REMOVED}


async def test_one_with_a_single_url_is_signed_on_to_by_get() -> None:
    results = await tried("root", "sso")
    assert passed(results) >= {"A signed form signs the user in.", "A form with forged tokens is refused with 403."}
    assert results["A signed form signs the user in."].detail == "Verified: token."
