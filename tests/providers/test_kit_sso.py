"""Single sign-on as a browser meets it: the signed form, the cookie, and everything that must not open the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from providers.kit import sso
from providers.kit.app import CurrentSession, create_provider_app
from providers.kit.manifest import load
from providers.kit.secrets import ProviderKey
from providers.kit.store import ResourceStore
from tests.providers.partner import USER, client_of, provision_body, running, sso_form, write_manifest
from tests.providers.test_kit import Shelf

RESOURCES = "/heroku/resources"


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Door:
    browser: httpx.AsyncClient
    broker: httpx.AsyncClient
    uuid: UUID
    clock: Clock

    def form(self, late: timedelta = timedelta(0), **changes: str | None) -> dict[str, str]:
        return sso_form(self.uuid, self.clock.now - late, **changes)

    async def knock(self, form: dict[str, str]) -> int:
        return (await self.browser.post("/sso/login", data=form)).status_code


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    key, clock = ProviderKey.load(tmp_path / "key"), Clock(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
    manifest = load(write_manifest(tmp_path, "shelf", ["SHELF_URL"], "SHELF"))
    store = ResourceStore(tmp_path / "resources.sqlite3")
    app = create_provider_app(Shelf(key), (manifest,), store=store, key=key, title="Shelf", clock=clock)

    @app.get("/dashboard/{uuid}")
    async def dashboard(session: CurrentSession) -> dict[str, str]:
        return {"email": session.user.email, "form_token": session.form_token}

    @app.get("/dashboard/{uuid}/check/{token}")
    async def check(session: CurrentSession, token: str) -> str:
        sso.check_form(session, token)
        return "ours"

    async with running(app, "shelf") as broker, client_of(app) as browser:
        body = provision_body()
        await broker.post(RESOURCES, json=body)
        yield Door(browser, broker, UUID(body["uuid"]), clock)


async def test_a_signed_form_opens_the_dashboard(door: Door) -> None:
    answer = await door.browser.post("/sso/login", data=door.form())
    assert (answer.status_code, answer.headers["location"]) == (303, f"/dashboard/{door.uuid}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert f"path=/dashboard/{door.uuid}" in cookie
    page = await door.browser.get(f"/dashboard/{door.uuid}")
    assert page.json()["email"] == USER["email"]
    token = page.json()["form_token"]
    assert (await door.browser.get(f"/dashboard/{door.uuid}/check/{token}")).json() == "ours"
    assert (await door.browser.get(f"/dashboard/{door.uuid}/check/x{token}")).status_code == 403


async def test_the_published_test_vector_is_accepted(tmp_path: Path) -> None:
    store = ResourceStore(tmp_path / "resources.sqlite3")
    uuid = UUID("01234567-89ab-cdef-0123-456789abcdef")
    form = {
        "timestamp": "1700000000",
        "resource_token": "b862e42fc7484e0a990e774b70d2c980bab9cbe2",
        "user_scoped_resource_token": "31a1d7906e4c87a820cf951964ba4bcef5d86fa1500c66002cf4a7f2b7faf563",
        **USER,
    }
    user = sso.verify(form, uuid, "saltsalt", datetime.fromtimestamp(1700000010, UTC), store)
    assert (user.id, user.email) == (USER["user_id"], USER["email"])
    store.close()


async def test_a_form_without_the_users_token_lets_in_but_vouches_for_nobody(door: Door) -> None:
    assert await door.knock(door.form(user_scoped_resource_token=None)) == 303
    assert (await door.browser.get(f"/dashboard/{door.uuid}")).json()["email"] == ""


async def test_a_replay_is_refused_also_when_the_users_token_was_cut_out(door: Door) -> None:
    form = door.form()
    assert await door.knock(form) == 303
    assert await door.knock(form) == 403
    form.pop("user_scoped_resource_token")
    assert await door.knock(form) == 403
    assert await door.knock(door.form(late=timedelta(seconds=1))) == 303


@pytest.mark.parametrize(
    "changes",
    [
        {"resource_token": "0" * 40},
        {"resource_token": "ü"},
        {"user_scoped_resource_token": "0" * 64},
        {"resource_token": None, "user_scoped_resource_token": None},
        {"email": "mallory@example.com"},
        {"user_id": "00000000-0000-0000-0000-000000000000"},
        {"timestamp": "1"},
        {"timestamp": None},
        {"timestamp": "soon"},
        {"timestamp": "-1"},
        {"timestamp": "9" * 400},
    ],
)
async def test_a_tampered_form_is_refused(door: Door, changes: dict[str, str | None]) -> None:
    answer = await door.browser.post("/sso/login", data=door.form(**changes))
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "set-cookie" not in answer.headers


async def test_an_old_form_is_refused_and_one_slightly_ahead_is_not(door: Door) -> None:
    assert await door.knock(door.form(late=timedelta(minutes=5, seconds=1))) == 403
    assert await door.knock(door.form(late=timedelta(minutes=-5))) == 403
    assert await door.knock(door.form(late=timedelta(minutes=4))) == 303
    assert await door.knock(door.form(late=timedelta(seconds=-3))) == 303


async def test_a_form_signed_with_another_salt_is_refused(door: Door) -> None:
    assert await door.knock(sso_form(door.uuid, door.clock.now, salt="not the salt")) == 403


async def test_a_form_for_no_resource_or_a_removed_one_says_so(door: Door) -> None:
    assert await door.knock(sso_form(uuid4(), door.clock.now)) == 404
    assert await door.knock({}) == 404
    await door.broker.delete(f"{RESOURCES}/{door.uuid}")
    assert await door.knock(door.form()) == 410


async def test_a_session_ends_with_its_time_and_with_its_resource(door: Door) -> None:
    dashboard = f"/dashboard/{door.uuid}"
    assert (await door.browser.get(dashboard)).status_code == 403
    await door.knock(door.form())
    assert (await door.browser.get(dashboard)).status_code == 200
    door.clock.now += timedelta(minutes=91)
    assert (await door.browser.get(dashboard)).status_code == 403
    await door.knock(door.form())
    await door.broker.delete(f"{RESOURCES}/{door.uuid}")
    assert (await door.browser.get(dashboard)).status_code == 410


async def test_a_cookie_is_worth_nothing_elsewhere_or_changed(door: Door) -> None:
    answer = await door.browser.post("/sso/login", data=door.form())
    cookie = answer.cookies[sso.COOKIE]
    other = (await door.broker.post(RESOURCES, json=provision_body())).json()["id"]
    for where, value in ((other, cookie), (door.uuid, cookie + "x"), (door.uuid, "x" + cookie), (door.uuid, ".")):
        answer = await door.broker.get(f"/dashboard/{where}", headers={"Cookie": f"{sso.COOKIE}={value}"})
        assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/invoices", "/invoices/2026-11/?print=yes&from=/a", "/.well-known-not/x", "/~me"])
async def test_a_link_ends_below_the_dashboard_of_the_resource(door: Door, path: str) -> None:
    answer = await door.browser.post("/sso/login", data=door.form(path=path))
    expected = path if path[1] != "." else ""
    assert answer.headers["location"] == f"/dashboard/{door.uuid}{expected}"
    assert f"Path=/dashboard/{door.uuid};" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["//evil.example", "/../x", "/a/../../x", "https://evil.example", "/\\evil", "/a\r\nX: y", "/%2e%2e/x"]
)
async def test_a_link_that_leads_elsewhere_ends_where_the_dashboard_begins(door: Door, path: str) -> None:
    answer = await door.browser.post("/sso/login", data=door.form(path=path))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/dashboard/{door.uuid}")
