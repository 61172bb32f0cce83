"""How the kit counts generations of credentials, with a service that keeps its live ones in a set."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from providers.kit.app import create_provider_app
from providers.kit.manifest import Manifest, load
from providers.kit.secrets import ProviderKey
from providers.kit.service import Provisioned, ProvisionRequest, Refused
from providers.kit.store import ResourceStore
from tests.providers.partner import provision_body, running, write_manifest

RESOURCES = "/heroku/resources"


@dataclass
class Doors:
    """A service whose whole engine is the generations that it lets in."""

    store: ResourceStore
    live: dict[UUID, set[int]] = field(default_factory=dict)
    refuses: bool = False

    async def start(self) -> None:
        self.live.clear()

    async def stop(self) -> None:
        self.live.clear()

    async def healthy(self) -> bool:
        return not self.refuses

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        self.live.setdefault(request.uuid, {0})
        return await self.config(request.uuid, request.manifest)

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        return await self.config(uuid, manifest)

    async def deprovision(self, uuid: UUID) -> None:
        self.live.pop(uuid)

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        return self._answer(uuid, self.store.get(uuid).generation)

    async def issue(self, uuid: UUID, generation: int, manifest: Manifest) -> Provisioned:
        self.live[uuid].add(generation)
        if self.refuses:
            raise Refused("Stuck half-way.", 503)
        return self._answer(uuid, generation)

    async def revoke(self, uuid: UUID, before: int) -> None:
        self.live[uuid] = {generation for generation in self.live[uuid] if generation >= before}

    @staticmethod
    def _answer(uuid: UUID, generation: int) -> Provisioned:
        return Provisioned(str(uuid), {"DOOR_URL": f"door://{generation}"})


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return Doors(ResourceStore(tmp_path / "resources.sqlite3"))


@pytest.fixture
async def broker(doors: Doors, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    manifests = (load(write_manifest(tmp_path, "door", ["DOOR_URL"], "DOOR")),)
    key = ProviderKey.load(tmp_path / "key")
    app = create_provider_app(doors, manifests, store=doors.store, key=key, title="Doors")
    async with running(app, "door") as client:
        yield client


@pytest.fixture
async def uuid(broker: httpx.AsyncClient) -> UUID:
    uuid = uuid4()
    assert (await broker.post(RESOURCES, json=provision_body(uuid))).status_code == 201
    return uuid


async def act(broker: httpx.AsyncClient, uuid: UUID, action: str, rotation: UUID) -> httpx.Response:
    return await broker.post(f"{RESOURCES}/{uuid}/actions/{action}", json={"rotation": str(rotation)})


async def url_of(broker: httpx.AsyncClient, uuid: UUID) -> str:
    return (await broker.get(f"{RESOURCES}/{uuid}")).json()["config"]["DOOR_URL"]


async def test_old_and_new_live_until_the_old_are_revoked(broker: httpx.AsyncClient, doors: Doors, uuid: UUID) -> None:
    rotation = uuid4()
    answer = await act(broker, uuid, "rotate", rotation)
    assert (answer.status_code, answer.json()["config"]) == (200, {"DOOR_URL": "door://1"})
    assert answer.headers["cache-control"] == "no-store"
    assert doors.live[uuid] == {0, 1}
    assert await url_of(broker, uuid) == "door://1"
    repeated = await broker.post(RESOURCES, json=provision_body(uuid))
    assert repeated.json()["config"] == {"DOOR_URL": "door://1"}
    for _ in range(2):
        assert (await act(broker, uuid, "revoke", rotation)).status_code == 204
    assert doors.live[uuid] == {1}


async def test_the_same_rotation_gets_the_same_answer_also_after_a_later_one(
    broker: httpx.AsyncClient, doors: Doors, uuid: UUID
) -> None:
    first, second = uuid4(), uuid4()
    urls = [
        (await act(broker, uuid, "rotate", one)).json()["config"]["DOOR_URL"] for one in (first, first, second, first)
    ]
    assert urls == ["door://1", "door://1", "door://2", "door://1"]
    assert (await act(broker, uuid, "revoke", second)).status_code == 204
    assert doors.live[uuid] == {2}
    late = await act(broker, uuid, "rotate", first)
    assert (late.status_code, late.json()["message"]) == (422, "The credentials of this rotation were revoked since.")
    assert (await act(broker, uuid, "revoke", first)).status_code == 204
    assert doors.live[uuid] == {2}


async def test_what_broke_half_way_is_completed_by_the_repeat(
    broker: httpx.AsyncClient, doors: Doors, uuid: UUID
) -> None:
    rotation, doors.refuses = uuid4(), True
    assert (await act(broker, uuid, "rotate", rotation)).status_code == 503
    assert await url_of(broker, uuid) == "door://0"
    doors.refuses = False
    assert (await act(broker, uuid, "rotate", rotation)).json()["config"] == {"DOOR_URL": "door://1"}


async def test_what_is_not_there_is_said_so(broker: httpx.AsyncClient, uuid: UUID) -> None:
    assert (await act(broker, uuid, "revoke", uuid4())).status_code == 404
    assert (await act(broker, uuid4(), "rotate", uuid4())).status_code == 404
    assert (await broker.post(f"{RESOURCES}/{uuid}/actions/rotate", json={})).status_code == 422
    await broker.delete(f"{RESOURCES}/{uuid}")
    assert (await act(broker, uuid, "rotate", uuid4())).status_code == 410
    assert (await broker.get(f"{RESOURCES}/{uuid}")).status_code == 410


async def test_a_provider_without_logins_of_their_own_says_so(broker: httpx.AsyncClient, uuid: UUID) -> None:
    body = {"credential": str(uuid4()), "name": "analytics", "permission": "read_only"}
    answer = await broker.post(f"{RESOURCES}/{uuid}/credentials", json=body)
    assert (answer.status_code, "no logins" in answer.json()["message"]) == (404, True)
    assert (await broker.post(f"{RESOURCES}/{uuid}/credentials", json=body | {"permission": "all"})).status_code == 422
    assert (await broker.delete(f"{RESOURCES}/{uuid}/credentials/{uuid4()}")).status_code == 404


OF_YESTERDAY = """
CREATE TABLE resources (
    uuid TEXT PRIMARY KEY, manifest TEXT NOT NULL, plan TEXT NOT NULL, name TEXT NOT NULL, region TEXT NOT NULL,
    state TEXT NOT NULL, generation INTEGER NOT NULL DEFAULT 0, extra TEXT NOT NULL DEFAULT '{}',
    created_at TEXT NOT NULL, gone_at TEXT);
CREATE TABLE sign_ons (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO resources (uuid, manifest, plan, name, region, state, created_at)
VALUES ('01234567-89ab-4def-8123-456789abcdef', 'door', 'mini', 'old', 'us', 'active', '2026-01-01T00:00:00+00:00');
"""


def test_a_resource_of_a_store_that_knew_no_rotation_can_be_rotated(tmp_path: Path) -> None:
    path = tmp_path / "resources.sqlite3"
    with closing(sqlite3.connect(path)) as before:
        before.executescript(OF_YESTERDAY)
    store, uuid, rotation = ResourceStore(path), UUID("01234567-89ab-4def-8123-456789abcdef"), uuid4()
    with closing(store):
        assert list(store.get(uuid).generations) == [0]
        store.add_rotation(uuid, rotation, 1)
        assert (store.find_rotation(uuid, rotation), list(store.get(uuid).generations)) == (1, [0, 1])
        store.revoke_before(uuid, rotation)
    with closing(ResourceStore(path)) as store:
        assert list(store.get(uuid).generations) == [1]
        assert [one.oldest for one in store.all()] == [1]
