"""The kit's stand-in for the broker, called as providers of all kinds call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from broker.catalog.manifest import parse
from broker.testkit.callbacks import Callbacks, refusals
from broker.testkit.expectations import Expectations, Expected
from broker.testkit.redact import Redactor
from tests.testkit.shelf import PASSWORD, manifest

SECRET = "a-client-secret"
BASIC = ("shelf", PASSWORD)


@dataclass
class Kit:
    known: Expectations
    redactor: Redactor
    client: httpx.AsyncClient

    def expect(self) -> Expected:
        return self.known.expect(uuid4(), "test-kit-1", "mini")

    async def exchange(self, **given: str) -> httpx.Response:
        wanted = {"grant_type": "authorization_code", "client_secret": SECRET, **given}
        return await self.client.post("/oauth/token", data=wanted)

    async def bearer(self, expected: Expected) -> dict[str, str]:
        answer = await self.exchange(code=expected.new_code())
        return {"authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def kit() -> AsyncIterator[Kit]:
    known, redactor = Expectations(), Redactor()
    app = Callbacks(parse(manifest("http://127.0.0.1:1"), allow_insecure=True), known, redactor).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kit.test") as client:
        yield Kit(known, redactor, client)


async def test_a_grant_is_exchanged_once_by_form_or_by_query(kit: Kit) -> None:
    expected = kit.expect()
    first, second = expected.new_code(), expected.new_code()
    by_form = await kit.exchange(code=first)
    assert (by_form.status_code, by_form.json()["token_type"], by_form.json()["expires_in"]) == (200, "Bearer", 28799)
    query = {"grant_type": "authorization_code", "code": second, "client_secret": SECRET}
    assert (await kit.client.post("/oauth/token", params=query)).status_code == 200
    assert (await kit.exchange(code=first)).json()["id"] == "invalid_grant"
    assert len(refusals(kit.known.callbacks)) == 1


async def test_the_refresh_token_stays_good(kit: Kit) -> None:
    expected = kit.expect()
    kept = (await kit.exchange(code=expected.new_code())).json()["refresh_token"]
    for _ in range(2):
        answer = await kit.exchange(grant_type="refresh_token", refresh_token=kept)
        assert (answer.status_code, answer.json()["refresh_token"]) == (200, kept)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"code": "another"}, 400),
        ({"grant_type": "password"}, 400),
        ({"grant_type": "refresh_token", "refresh_token": "another"}, 400),
        ({"client_secret": ""}, 401),
    ],
)
async def test_what_is_no_exchange_is_refused_and_noted(kit: Kit, given: dict[str, str], status: int) -> None:
    assert (await kit.exchange(**given)).status_code == status
    assert [callback.status for callback in kit.known.callbacks] == [status]


async def test_config_is_set_read_and_taken_away(kit: Kit) -> None:
    expected = kit.expect()
    headers = await kit.bearer(expected)
    path = f"/addons/{expected.uuid}/config"
    for value in ("redis://:secret-in-a-url@host:1", None):
        body = {"config": [{"name": "SHELF_URL", "value": value}]}
        assert (await kit.client.patch(path, json=body, headers=headers)).status_code == 200
        shown = (await kit.client.get(path, headers=headers)).json()
        assert shown == ([{"name": "SHELF_URL", "value": value}] if value else [])
    assert "secret-in-a-url" not in "".join(callback.sent for callback in kit.known.callbacks)
    assert kit.redactor.clean("it was secret-in-a-url") == "it was ***"


@pytest.mark.parametrize(
    "body",
    [
        {"config": [{"name": "OTHER_URL", "value": "x"}]},
        {"config": [{"name": "SHELF_URL", "value": 1}]},
        {"config": {"SHELF_URL": "x"}},
        [],
    ],
)
async def test_config_that_the_broker_would_not_take_is_refused(kit: Kit, body: Any) -> None:
    expected = kit.expect()
    headers = await kit.bearer(expected)
    answer = await kit.client.patch(f"/addons/{expected.uuid}/config", json=body, headers=headers)
    assert answer.status_code == 422
    assert expected.config == {}


async def test_actions_change_the_state(kit: Kit) -> None:
    expected = kit.expect()
    headers = await kit.bearer(expected)
    for verb, state in (("provision", "provisioned"), ("deprovision", "deprovisioned")):
        answer = await kit.client.post(f"/addons/{expected.uuid}/actions/{verb}", headers=headers)
        assert answer.json()["state"] == state
    assert expected.provisioned.is_set()
    assert expected.deprovisioned.is_set()


async def test_a_token_is_for_its_own_resource(kit: Kit) -> None:
    mine, theirs = kit.expect(), kit.expect()
    headers = await kit.bearer(mine)
    assert (await kit.client.get(f"/addons/{theirs.uuid}", headers=headers)).status_code == 404
    assert (await kit.client.get(f"/addons/{mine.uuid}")).status_code == 401
    shown = (await kit.client.get("/addons", headers=headers)).json()
    assert [UUID(addon["id"]) for addon in shown] == [mine.uuid]
    assert shown[0]["plan"]["name"] == "shelf:mini"
    assert shown[0]["app"]["name"] == "test-kit-1-app"


async def test_the_oldest_app_info_is_by_id_and_by_heroku_id(kit: Kit) -> None:
    expected = kit.expect()
    installs = (await kit.client.get("/vendor/apps", auth=BASIC)).json()
    assert installs[0]["callback_url"] == f"http://kit.test/vendor/apps/{expected.uuid}"
    for key in (str(expected.uuid), installs[0]["heroku_id"]):
        body = {"config": {"SHELF_URL": f"redis://{key}"}}
        assert (await kit.client.put(f"/vendor/apps/{key}", json=body, auth=BASIC)).status_code == 200
        shown = (await kit.client.get(f"/vendor/apps/{key}", auth=BASIC)).json()
        assert (shown["config"], shown["owner_email"]) == (body["config"], "owner@example.com")
    assert (await kit.client.get("/vendor/apps", auth=("shelf", "wrong"))).status_code == 401
    assert (await kit.client.get(f"/vendor/apps/{uuid4()}", auth=BASIC)).status_code == 404


async def test_a_lost_grant_is_given_anew(kit: Kit) -> None:
    expected = kit.expect()
    given = (await kit.client.get(f"/vendor/resources/{expected.uuid}/oauth-grant", auth=BASIC)).json()
    assert (await kit.exchange(code=given["code"])).status_code == 200


async def test_a_call_that_there_is_not_is_noted(kit: Kit) -> None:
    assert (await kit.client.post("/addons/x/actions/dance")).status_code == 404
    assert refusals(kit.known.callbacks) == [
        "POST /addons/x/actions/dance → 404 (The test kit has no POST /addons/x/actions/dance.)"
    ]
