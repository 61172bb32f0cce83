"""The protocol side of every provider, checked with a service that keeps its resources in a dictionary."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from providers.kit.app import CurrentSession, create_provider_app
from providers.kit.manifest import Manifest, ManifestError, load, load_all
from providers.kit.secrets import ProviderKey
from providers.kit.service import Provisioned, ProvisionRequest, Refused
from providers.kit.settings import ProviderSettings, from_environment
from providers.kit.store import ResourceStore, State
from tests.providers.partner import PASSWORD, client_of, provision_body, running, write_manifest

RESOURCES = "/heroku/resources"


@dataclass
class Shelf:
    """A service with one boundless engine: a dictionary."""

    key: ProviderKey
    built: dict[UUID, str] = field(default_factory=dict)
    requests: list[ProvisionRequest] = field(default_factory=list)
    full: bool = False
    at_once: int = 0

    async def start(self) -> None:
        self.built.clear()

    async def stop(self) -> None:
        self.built.clear()

    async def healthy(self) -> bool:
        return not self.full

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        self.at_once += 1
        assert self.at_once == 1
        await asyncio.sleep(0)
        self.at_once -= 1
        self.requests.append(request)
        if request.plan == "broken":
            raise ZeroDivisionError("secret-in-a-bug")
        if self.full:
            raise Refused("No room on this shelf.", status=503)
        self.built[request.uuid] = request.plan
        return Provisioned(str(request.uuid), {"SHELF_URL": self.key.derive(request.uuid, "url")}, "Enjoy.")

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        if plan not in manifest.plans:
            raise Refused(f"There is no plan {plan}.")
        self.built[uuid] = plan
        return Provisioned(str(uuid))

    async def deprovision(self, uuid: UUID) -> None:
        self.built.pop(uuid, None)


@dataclass
class Fixture:
    app: FastAPI
    service: Shelf
    store: ResourceStore
    client: httpx.AsyncClient


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Fixture]:
    manifests = (
        load(write_manifest(tmp_path, "shelf", ["SHELF_URL"], "SHELF", ("mini", "maxi"))),
        load(write_manifest(tmp_path, "other", ["OTHER_URL"], "OTHER", password="another-password-0123")),
    )
    key = ProviderKey.load(tmp_path / "key")
    store = ResourceStore(tmp_path / "resources.sqlite3")
    service = Shelf(key)
    app = create_provider_app(service, manifests, store=store, key=key, title="Shelf", body_limits={"/large": 10**6})

    @app.get("/dashboard/{uuid}")
    async def dashboard(session: CurrentSession) -> dict[str, str]:
        return {"email": session.user.email}

    async with running(app, "shelf") as client:
        yield Fixture(app, service, store, client)


async def test_a_resource_is_provisioned_changed_listed_and_removed(shelf: Fixture) -> None:
    body = provision_body()
    made = await shelf.client.post(RESOURCES, json=body)
    assert made.status_code == 201
    assert made.json()["id"] == body["uuid"]
    assert set(made.json()["config"]) == {"SHELF_URL"}
    assert made.json()["message"] == "Enjoy."
    changed = await shelf.client.put(f"{RESOURCES}/{body['uuid']}", json={"plan": "maxi"})
    assert changed.status_code == 200
    listed = (await shelf.client.get(RESOURCES)).json()
    assert [(one["id"], one["plan"], one["state"]) for one in listed] == [(body["uuid"], "maxi", "active")]
    removed = await shelf.client.delete(f"{RESOURCES}/{body['uuid']}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await shelf.client.get(RESOURCES)).json() == []


async def test_a_second_provision_with_the_same_uuid_gives_the_same_resource(shelf: Fixture) -> None:
    body = provision_body()
    answers = await asyncio.gather(
        *(shelf.client.post(RESOURCES, json=body | {"plan": plan}) for plan in ("mini", "mini", "maxi"))
    )
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.text for answer in answers}) == 1
    (plan,) = {request.plan for request in shelf.service.requests}  # whichever came first
    assert shelf.service.built == {UUID(body["uuid"]): plan}


async def test_a_legacy_request_and_one_with_unknown_fields_are_understood(shelf: Fixture) -> None:
    uuid = uuid4()
    body = {"heroku_id": "app1@heroku.com", "uuid": str(uuid), "plan": "mini", "options": {"big": True, "n": "2"}}
    answer = await shelf.client.post(RESOURCES, content=httpx.Request("POST", "http://x", json=body).content)
    assert answer.status_code == 201
    assert shelf.service.requests[-1].options == {"big": "true", "n": "2"}


async def test_a_removed_resource_is_gone_and_a_foreign_one_unknown(shelf: Fixture) -> None:
    body = provision_body()
    await shelf.client.post(RESOURCES, json=body)
    gone, never = f"{RESOURCES}/{body['uuid']}", f"{RESOURCES}/{uuid4()}"
    async with client_of(shelf.app, auth=("other", "another-password-0123")) as other:
        assert (await other.delete(gone)).status_code == 404
        assert (await other.put(gone, json={"plan": "mini"})).status_code == 404
        assert (await other.post(RESOURCES, json=body)).status_code == 422
        assert (await other.get(RESOURCES)).json() == []
    await shelf.client.delete(gone)
    for path, status in ((gone, 410), (never, 404), (f"{RESOURCES}/nonsense", 404)):
        assert (await shelf.client.delete(path)).status_code == status
        assert (await shelf.client.put(path, json={"plan": "mini"})).status_code == status
    assert (await shelf.client.post(RESOURCES, json=body)).status_code == 410


@pytest.mark.parametrize("auth", [None, ("shelf", "wrong"), ("shelf", ""), ("nobody", "\0"), ("other", PASSWORD)])
async def test_wrong_credentials_are_refused(shelf: Fixture, auth: tuple[str, str] | None) -> None:
    async with client_of(shelf.app, auth) as stranger:
        answer = await stranger.post(RESOURCES, json=provision_body())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert "message" in answer.json()
    assert shelf.service.built == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"uuid": 5, "plan": "mini"}',
        b'{"uuid": "01234567-89ab-cdef-0123-456789abcdef"}',
        b'{"uuid": "01234567-89ab-cdef-0123-456789abcdef", "plan": ["mini"]}',
        b'{"uuid": "01234567-89ab-cdef-0123-456789abcdef", "plan": ""}',
        b'{"uuid": "01234567-89ab-cdef-0123-456789abcdef", "plan": "\\ud800"}',
        b'{"uuid": "01234567-89ab-cdef-0123-456789abcdef", "plan": "mini", "options": [1]}',
    ],
)
async def test_a_malformed_body_is_answered_with_a_sentence(shelf: Fixture, content: bytes) -> None:
    answer = await shelf.client.post(RESOURCES, content=content)
    assert answer.status_code == 422
    assert answer.json()["message"].endswith(".")
    assert list(shelf.store.all()) == []


async def test_a_huge_body_is_refused_unread_but_where_a_provider_allows_it(shelf: Fixture) -> None:
    body = b'{"uuid": "' + b"x" * 70_000
    assert (await shelf.client.post(RESOURCES, content=body)).status_code == 413
    assert (await shelf.client.post("/large", content=body)).status_code == 404


async def test_a_refusal_leaves_nothing_behind_and_is_told(shelf: Fixture) -> None:
    shelf.service.full = True
    body = provision_body()
    answer = await shelf.client.post(RESOURCES, json=body)
    assert (answer.status_code, answer.json()) == (503, {"message": "No room on this shelf."})
    assert list(shelf.store.all()) == []
    assert (await shelf.client.delete(f"{RESOURCES}/{body['uuid']}")).status_code == 404
    assert (await shelf.client.get("/health")).status_code == 503
    shelf.service.full = False
    assert (await shelf.client.post(RESOURCES, json=body)).status_code == 201
    assert (await shelf.client.get("/health")).json() == {"status": "ok"}


async def test_a_refused_plan_change_keeps_the_plan(shelf: Fixture) -> None:
    body = provision_body()
    await shelf.client.post(RESOURCES, json=body)
    answer = await shelf.client.put(f"{RESOURCES}/{body['uuid']}", json={"plan": "giant"})
    assert (answer.status_code, answer.json()) == (422, {"message": "There is no plan giant."})
    assert shelf.store.get(UUID(body["uuid"])).plan == "mini"


async def test_a_bug_in_a_provider_shows_no_traceback_and_can_be_deleted(shelf: Fixture) -> None:
    body = provision_body(plan="broken")
    answer = await shelf.client.post(RESOURCES, json=body)
    assert answer.status_code == 503
    assert "ZeroDivision" not in answer.text
    assert "secret" not in answer.text
    assert [one.state for one in shelf.store.all()] == [State.CREATING]
    assert (await shelf.client.delete(f"{RESOURCES}/{body['uuid']}")).status_code == 204


async def test_an_unknown_path_and_method_are_answered_with_a_sentence(shelf: Fixture) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("PATCH", RESOURCES, 405), ("GET", "/sso/login", 405)):
        answer = await shelf.client.request(method, path)
        assert answer.status_code == status
        assert "Traceback" not in answer.text


async def test_what_the_store_knew_is_known_after_a_restart(tmp_path: Path) -> None:
    store = ResourceStore(tmp_path / "resources.sqlite3")
    here, gone = uuid4(), uuid4()
    from_manifest = load(write_manifest(tmp_path, "shelf", ["SHELF_URL"], "SHELF"))
    app = create_provider_app(
        Shelf(ProviderKey(bytes(32))), (from_manifest,), store=store, key=ProviderKey(bytes(32)), title="Shelf"
    )
    async with running(app, "shelf") as client:
        for uuid in (here, gone):
            await client.post(RESOURCES, json=provision_body(uuid))
        await client.delete(f"{RESOURCES}/{gone}")
    again = ResourceStore(tmp_path / "resources.sqlite3")
    again.set_extra(here, {"port": 5})
    assert again.get(here).extra == {"port": 5}
    found = again.find(gone)
    assert found is not None
    assert found.state is State.GONE
    again.close()


def test_the_files_of_a_provider_are_its_own(tmp_path: Path) -> None:
    first = ProviderKey.load(tmp_path / "key")
    ResourceStore(tmp_path / "resources.sqlite3").close()
    for name in ("key", "resources.sqlite3"):
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["key", "resources.sqlite3"]
    uuid = uuid4()
    assert ProviderKey.load(tmp_path / "key").derive(uuid, "a") == first.derive(uuid, "a")
    secrets = {first.derive(uuid, "a"), first.derive(uuid, "b"), first.derive(uuid, "a", 1), first.derive(uuid4(), "a")}
    assert len(secrets) == 4
    assert all(len(secret) == 32 and secret.isalnum() for secret in secrets)


def test_a_broken_manifest_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    for content in ("{", '{"id": "x"}', '{"id": "x", "api": {"password": "hunter2", "config_vars": []}}'):
        path.write_text(content)
        with pytest.raises(ManifestError) as caught:
            load(path)
        assert "broken.json" in str(caught.value)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ManifestError, match="cannot be read"):
        load(tmp_path / "missing.json")
    with pytest.raises(ManifestError, match="No manifest"):
        load_all(())


def test_settings_come_from_the_environment_and_faults_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(ProviderSettings, env_prefix="SHELF_PROVIDER_"):
        pass

    monkeypatch.setenv("SHELF_PROVIDER_HOME", "/tmp/shelf")
    monkeypatch.setenv("SHELF_PROVIDER_MANIFESTS", os.pathsep.join(["/a.json", "/b.json"]))
    monkeypatch.setenv("SHELF_PROVIDER_PORT", "1234")
    settings = from_environment(Settings)
    assert settings.manifests == (Path("/a.json"), Path("/b.json"))
    assert (settings.home, settings.port, settings.host) == (Path("/tmp/shelf"), 1234, "127.0.0.1")
    monkeypatch.setenv("SHELF_PROVIDER_PORT", "many")
    with pytest.raises(SystemExit, match="SHELF_PROVIDER_PORT"):
        from_environment(Settings)
