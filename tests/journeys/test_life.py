"""Programs are killed and keys are changed in the middle of things: what was asked for is done all the same, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import httpx
import psycopg
import pytest
import valkey

from broker.local.database import Database
from broker.local.home import Home
from tests.journeys.conftest import Api
from tests.platform import Platform
from tests.processes import descendants

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

SETTLED_WITHIN_S: Final = 60
BROKER, POSTGRES, REDIS = "broker serve", "providers.postgres", "providers.redis"
Found = TypeVar("Found")


def pid_of(platform: Platform, words: str) -> int:
    """The program among the children of `broker up`."""
    [pid] = [pid for pid, arguments in descendants(platform.pid).items() if words in arguments]
    return pid


def eventually(look: Callable[[], Found | None]) -> Found:
    """What `look` finds in the end; that the broker does not answer meanwhile is no fault."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"this did not come true within {SETTLED_WITHIN_S} s: {look}")


def settled(api: Api, app: str, name: str) -> dict[str, Any] | None:
    """The add-on, once it is no longer being made."""
    addon: dict[str, Any] = api.get(f"/apps/{app}/addons/{name}")
    return None if addon["state"] == "provisioning" else addon


def attachments_released(api: Api, app: str) -> list[str]:
    return [
        text for release in api.get(f"/apps/{app}/releases") if (text := release["description"]).startswith("Attach")
    ]


def test_an_add_while_the_provider_is_dead_is_done_once_it_is_back(platform: Platform, api: Api, app: str) -> None:
    dead = pid_of(platform, REDIS)
    os.kill(dead, signal.SIGKILL)
    answer = api.call("POST", f"/apps/{app}/addons", plan="redis", name=f"{app}-keys")
    if answer.status_code >= 400:
        assert answer.json()["message"].endswith("."), answer.text
        assert api.get(f"/apps/{app}/addons") == []
        eventually(lambda: api.call("POST", f"/apps/{app}/addons", plan="redis", name=f"{app}-keys").is_success)
    assert eventually(lambda: settled(api, app, f"{app}-keys"))["state"] == "provisioned"
    with valkey.from_url(api.config(app)["REDIS_URL"]) as keys:
        assert keys.ping()
    assert len(attachments_released(api, app)) == 1
    assert pid_of(platform, REDIS) != dead


def test_a_broker_killed_in_the_middle_of_a_provision_finishes_it_by_itself(
    platform: Platform, api: Api, app: str
) -> None:
    provider = pid_of(platform, POSTGRES)
    before = _listed(platform)
    os.kill(provider, signal.SIGSTOP)  # so that the call is under way when the broker dies
    try:
        with ThreadPoolExecutor(1) as asking:
            request = asking.submit(api.call, "POST", f"/apps/{app}/addons", plan="postgres", name=f"{app}-db")
            eventually(lambda: _running(api, f"{app}-db"))
            os.kill(pid_of(platform, BROKER), signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                request.result(30)
    finally:
        os.kill(provider, signal.SIGCONT)
    addon = eventually(lambda: settled(api, app, f"{app}-db"))
    assert addon["state"] == "provisioned"
    with psycopg.connect(api.config(app)["DATABASE_URL"]) as session:
        assert session.execute("select 42").fetchone() == (42,)
    assert attachments_released(api, app) == [f"Attach DATABASE ({app}-db)"]
    assert _listed(platform) - before == {addon["id"]}, "the provider built one database, and no second one"


def _running(api: Api, name: str) -> bool:
    answer = api.call("GET", f"/addons/{name}/operations")
    return answer.is_success and answer.json()[0]["state"] == "running"


def _listed(platform: Platform) -> set[str]:
    """The resources that the postgres provider says it has."""
    manifest = json.loads((platform.home / "manifests/postgres.json").read_text())
    answer = httpx.get(
        manifest["api"]["production"]["base_url"], auth=("postgres", manifest["api"]["password"]), trust_env=False
    )
    return {resource["uuid"] for resource in answer.raise_for_status().json()}


def test_the_key_is_changed_while_everything_runs(platform: Platform, api: Api, app: str) -> None:
    api.add(app, "sendgrid")
    config = api.config(app)
    key_file = platform.home / "secret.key"
    old = key_file.read_text()
    told = {"DATABASE_URL": Database(Home(platform.home)).url, "BROKER_SECRET_KEY_FILE": str(key_file)}
    with subprocess.Popen(
        [sys.executable, "-m", "broker", "secrets:rotate"],
        env={"PATH": os.environ["PATH"], "HOME": str(platform.home), **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as rotating:
        count = 0
        while rotating.poll() is None:
            count += 1
            changed = api.call("PATCH", f"/apps/{app}/config-vars", COUNT=str(count))
            assert changed.json() == config | {"COUNT": str(count)}
            time.sleep(0.2)
        output = rotating.communicate()[0]
    assert rotating.returncode == 0, output
    assert count > 5, "requests were answered while the keys changed"
    assert (len(key_file.read_text().split()), key_file.stat().st_mode & 0o777) == (1, 0o600)
    assert key_file.read_text() != old
    assert api.config(app) == config | {"COUNT": str(count)}
    assert api.get(f"/apps/{app}/releases/2/config-vars") == config, "old releases can be read as well"
    api.add(app, "redis")
