"""How far a provider's token reaches: its add-on, what that is attached to, and not a step further."""

from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from broker.accounts.seed import ensure_account
from broker.addons.destroy import destroy_app_with_addons
from broker.addons.partner import PREFIX
from broker.addons.ports import Answer, Reply
from broker.app import create_app
from broker.apps.collaborators import add_collaborator
from broker.kernel.secret import Secret
from broker.platform_api.routes import NOUNS
from tests.addons.test_grants import tokens_of
from tests.domain import new_user
from tests.partner_api.conftest import Stall
from tests.platform_api.conftest import client_of, settings, token_of

UNKNOWN = "01234567-89ab-cdef-0123-456789abcdef"


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()]


async def test_lists_hold_what_belongs_to_the_add_on(stall: Stall) -> None:
    assert names(await stall.api.get("/addons")) == ["my-store"]
    assert names(await stall.api.get("/users/~/addons")) == ["my-store"]
    assert names(await stall.api.get("/users/alice@example.com/addons")) == ["my-store"]
    assert names(await stall.api.get("/apps")) == ["shop", "other"]
    assert names(await stall.api.get("/apps/shop/addons")) == ["my-store"]
    assert names(await stall.api.get("/apps/other/addons")) == ["my-store"]
    assert names(await stall.api.get("/apps/shop/addon-attachments")) == ["STORE"]


async def test_apps_can_be_filtered_by_id(stall: Stall) -> None:
    ids = {app["name"]: app["id"] for app in (await stall.api.get("/apps")).json()}
    wanted = {"in": {"id": [ids["shop"], UNKNOWN]}}
    assert names(await stall.api.post("/filters/apps", json=wanted)) == ["shop"]
    assert names(await stall.api.post("/filters/apps", json={"in": {"id": []}})) == []
    assert names(await stall.api.post("/filters/apps")) == ["shop", "other"]


async def test_an_app_tells_its_owner_and_its_people_and_no_domains(stall: Stall) -> None:
    await new_user(stall.ctx, "bob@example.com")
    await add_collaborator(stall.ctx, stall.world.user, "shop", "bob@example.com")
    app = (await stall.api.get("/apps/shop")).json()
    assert (app["id"], app["owner"]["email"]) == (str(stall.addon.app_id), "alice@example.com")
    people = (await stall.api.get(f"/apps/{app['id']}/collaborators")).json()
    assert [(item["user"]["email"], item["role"]) for item in people] == [
        ("alice@example.com", "owner"),
        ("bob@example.com", "collaborator"),
    ]
    assert (await stall.api.get("/apps/shop/domains")).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/config", None),
        ("PATCH", "/config", {"config": [{"name": "STORE_URL", "value": "evil"}]}),
        ("POST", "/actions/provision", None),
        ("POST", "/actions/deprovision", None),
        ("GET", "/addon-attachments", None),
    ],
)
async def test_other_add_ons_answer_as_if_there_were_none(stall: Stall, method: str, path: str, body: Any) -> None:
    unknown = await stall.api.request(method, f"/addons/{UNKNOWN}{path}", json=body)
    assert (unknown.status_code, unknown.json()["id"]) == (404, "not_found")
    for key in ("far-store", "my-queue", "nothing", "x" * 400, "a%00b"):
        answer = await stall.api.request(method, f"/addons/{key}{path}", json=body)
        assert (answer.status_code, answer.json()) == (404, unknown.json()), key


async def test_other_apps_answer_as_if_there_were_none(stall: Stall) -> None:
    for path in ("", "/addons", "/addon-attachments", "/addon-attachments/STORE", "/collaborators", "/domains"):
        unknown = await stall.api.get(f"/apps/{UNKNOWN}{path}")
        assert (unknown.status_code, unknown.json()["id"]) == (404, "not_found")
        for key in ("far", "NO-APP", "a%00b"):
            answer = await stall.api.get(f"/apps/{key}{path}")
            assert (answer.status_code, answer.json()) == (404, unknown.json()), (key, path)


async def test_people_of_other_apps_are_nobody(stall: Stall, mallory: Any) -> None:
    assert (await stall.api.get(f"/users/{mallory.id}/addons")).status_code == 404


async def test_whatever_else_the_platform_api_has_is_forbidden(stall: Stall) -> None:
    """Also what is added to it after this was written: the table is another one."""
    reached = {
        (method, route.path)
        for route in stall.app.state.partners.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    refused = 0
    for route in (route for noun in NOUNS for route in noun.router.routes if isinstance(route, APIRoute)):
        for method in sorted(route.methods - {"HEAD"}):
            shown = route.path.format(**dict.fromkeys(route.param_convertors, "my-store"))
            if not any(matches(method, shown, *entry) for entry in reached):
                answer = await stall.api.request(method, shown)
                assert (answer.status_code, answer.json()["id"]) == (403, "forbidden"), (method, shown)
                refused += 1
    assert refused > 30


def matches(method: str, path: str, known_method: str, template: str) -> bool:
    parts, known = path.split("/"), template.split("/")
    fits = len(parts) == len(known) and all(k.startswith("{") or k == p for p, k in zip(parts, known, strict=True))
    return method == known_method and fits


async def test_pages_and_other_faces_are_forbidden_too(stall: Stall) -> None:
    for path in ("/health", "/docs", "/openapi.json", "/vendor/apps", "/sso/addons/x", "/no/such"):
        answer = await stall.api.get(path)
        assert (answer.status_code, answer.json()["id"]) == (403, "forbidden"), path


async def test_an_invented_token_is_nobody_s(stall: Stall) -> None:
    async with stall.client(None) as anyone:
        for token in (PREFIX, PREFIX + "x" * 43, PREFIX + "ü" * 43, PREFIX + "x" * 5000):
            answer = await anyone.get("/addons", headers=[(b"authorization", b"Bearer " + token.encode())])
            assert (answer.status_code, answer.json()["id"]) == (401, "unauthorized")


async def test_a_user_s_token_that_happens_to_begin_like_a_provider_s_is_the_user_s(stall: Stall) -> None:
    token = Secret("HRKU-" + "P-" + "x" * 41)
    await ensure_account(stall.ctx, "carol@example.com", Secret("a-password-of-carol"), token)
    async with stall.client(token.reveal()) as api:
        assert (await api.get("/account")).json()["email"] == "carol@example.com"


async def test_a_token_ends_after_eight_hours(stall: Stall) -> None:
    assert (await stall.api.get("/addons")).status_code == 200
    stall.world.ctx.clock.advance(hours=8)
    assert (await stall.api.get("/addons")).status_code == 401


async def test_a_refresh_token_and_a_user_s_token_do_not_open_this_door(stall: Stall) -> None:
    async with stall.client(stall.tokens.refresh.reveal()) as api:
        assert (await api.get("/addons")).status_code == 401
    async with stall.client(await token_of(stall.ctx, stall.world.user)) as api:
        refused = await api.post("/addons/my-store/actions/provision")
        assert refused.status_code == 404, "users have no such endpoint"


async def test_the_token_works_as_basic_password_too(stall: Stall) -> None:
    async with stall.client(None) as anyone:
        found = await anyone.get("/addons", auth=("", stall.tokens.access.reveal()))
    assert names(found) == ["my-store"]


async def test_a_provider_of_another_service_sees_its_own(stall: Stall) -> None:
    queue = await stall.world.read("my-queue")
    async with await stall.client_for(queue.id) as api:
        assert names(await api.get("/addons")) == ["my-queue"]
        assert names(await api.get("/apps/shop/addon-attachments")) == ["QUEUE"]
        assert (await api.get("/apps/other")).status_code == 404
        assert (await api.get("/addons/my-store/config")).status_code == 404


async def test_requests_are_counted_and_have_an_id(stall: Stall) -> None:
    answer = await stall.api.get("/account/rate-limits")
    assert answer.json()["remaining"] == int(answer.headers["ratelimit-remaining"])
    assert answer.headers["request-id"]


async def test_lists_go_in_ranges(stall: Stall) -> None:
    await stall.world.provisioned(name="second-store")
    first = await stall.api.get("/addons", headers={"range": "name ..; max=1"})
    assert (first.status_code, [item["name"] for item in first.json()]) == (206, ["my-store"])
    rest = await stall.api.get("/addons", headers={"range": first.headers["next-range"]})
    assert names(rest) == ["second-store"]


async def test_two_tokens_of_one_add_on_reach_the_same(stall: Stall) -> None:
    again = await tokens_of(stall.ctx, stall.addon.id)
    async with stall.client(again.access.reveal()) as api:
        assert names(await api.get("/addons")) == names(await stall.api.get("/addons")) == ["my-store"]


async def test_a_provider_s_requests_are_limited_like_anybody_s(stall: Stall) -> None:
    busy = create_app(stall.ctx, settings(rate_limit_per_hour=2))
    async with client_of(busy, stall.tokens.access.reveal()) as api:
        assert [(await api.get("/addons")).status_code for _ in range(3)] == [200, 200, 429]
        assert (await api.get("/account/rate-limits")).json() == {"remaining": 0}


async def test_an_add_on_whose_app_is_destroyed_is_still_its_provider_s_to_end(stall: Stall) -> None:
    world = stall.world
    await destroy_app_with_addons(stall.ctx, world.user, "shop")
    world.provider.will(*[Reply(Answer.ACCEPTED, 202)] * 2)
    await world.run()
    assert names(await stall.api.get("/addons")) == ["my-store"]
    assert names(await stall.api.get("/apps")) == []
    assert (await stall.api.get("/addons/my-store/config")).status_code == 200
    config = {"config": [{"name": "STORE_URL", "value": "too late"}]}
    assert (await stall.api.patch("/addons/my-store/config", json=config)).status_code == 409
    assert (await stall.api.post("/addons/my-store/actions/deprovision")).json()["state"] == "deprovisioned"
