"""What operators do when broker and provider do not agree: on real servers, with the real worker."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from broker.local.database import Database
from broker.local.home import Home
from tests.journeys.conftest import Api
from tests.platform import Platform
from tests.waiting import until

pytestmark = pytest.mark.journey

RESOURCES = "/heroku/resources"


@pytest.fixture
def provider(platform: Platform) -> Iterator[httpx.Client]:
    """The PostgreSQL provider as the broker speaks to it."""
    manifest: dict[str, Any] = json.loads(Path(platform.providers["postgres"]["manifest"]).read_text())
    auth = (manifest["id"], manifest["api"]["password"])
    origin = platform.providers["postgres"]["url"]
    with httpx.Client(base_url=origin, auth=auth, trust_env=False, timeout=120) as client:
        yield client


def listed(provider: httpx.Client) -> set[str]:
    return {item["uuid"] for item in provider.get(RESOURCES).json()}


def eventually(condition: Callable[[], bool]) -> None:
    """Go on once the worker has done it."""

    async def holds() -> bool:
        return await asyncio.to_thread(condition)

    asyncio.run(until(holds, within_s=20))


def drifts(api: Api, resource: str, *, fix: bool = False) -> list[tuple[str, bool]]:
    """What a run says of one add-on or resource."""
    run = api.post("/reconcile-runs", service="postgres", fix=fix)
    assert run["state"] == "finished", run
    found = run["report"]["drifts"]
    return [(item["kind"], item["fixed"]) for item in found if resource in (item["addon_id"], item["resource_id"])]


def sql(platform: Platform, statement: str, *values: object) -> None:
    with psycopg.connect(Database(Home(platform.home)).url) as connection:
        connection.execute(statement, values)


def test_what_the_broker_lost_sight_of_is_found_and_deleted_at_the_provider(
    api: Api, app: str, platform: Platform, provider: httpx.Client
) -> None:
    addon = api.get(f"/addons/{api.add(app, 'postgres')}")
    assert drifts(api, addon["id"]) == []
    sql(platform, "update addons set state = 'deprovisioned' where id = %s", uuid.UUID(addon["id"]))
    sql(platform, "update usage_periods set ended_at = now() where addon_id = %s", uuid.UUID(addon["id"]))
    assert drifts(api, addon["id"]) == [("leftover", False)]
    assert addon["id"] in listed(provider)
    assert drifts(api, addon["id"], fix=True) == [("leftover", True)]
    (orphan,) = [item for item in api.get("/orphans") if item["addon_id"] == addon["id"]]
    assert (orphan["service"], orphan["reason"]) == ("postgres", "found in the provider's list")
    eventually(lambda: api.get(f"/orphans/{orphan['id']}")["state"] == "deleted")
    assert addon["id"] not in listed(provider)
    assert drifts(api, addon["id"]) == []


def test_what_is_missing_at_the_provider_or_a_stranger_there_is_reported_and_left_alone(
    api: Api, app: str, provider: httpx.Client
) -> None:
    addon = api.get(f"/addons/{api.add(app, 'postgres')}")
    stranger = str(uuid.uuid4())
    made = provider.post(RESOURCES, json={"uuid": stranger, "plan": "mini", "name": "stranger"})
    assert made.is_success, made.text
    assert provider.delete(f"{RESOURCES}/{addon['id']}").status_code == 204
    assert drifts(api, addon["id"], fix=True) == [("missing", False)]
    assert drifts(api, stranger, fix=True) == [("unknown_resource", False)]
    assert api.get(f"/addons/{addon['id']}")["state"] == "provisioned"
    assert stranger in listed(provider)
    assert provider.delete(f"{RESOURCES}/{stranger}").status_code == 204


def test_a_forgotten_add_on_is_gone_here_at_once_and_there_soon(api: Api, app: str, provider: httpx.Client) -> None:
    addon = api.get(f"/addons/{api.add(app, 'postgres')}")
    forgotten = api.post(f"/addons/{addon['name']}/actions/forget", reason="only a test")
    assert (forgotten["state"], api.config(app)) == ("deprovisioned", {})
    eventually(lambda: addon["id"] not in listed(provider))
    health = api.get("/addon-services/postgres/health")
    assert (health["circuit"], health["last_ok_at"] is not None) == ("closed", True)
