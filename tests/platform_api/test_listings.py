"""The life of a listing over the API: alpha, reviews, beta, general availability, its announced end, and the shutdown."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from broker.accounts.models import User
from broker.catalog.canary_runs import Outcome, claim_due, end
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.notices.models import Notice
from tests.catalog.samples import cache_manifest, plans
from tests.domain import StoppedClock, new_user
from tests.platform_api.conftest import client_of, token_of

SERVICE = "/provider-services/acme-cache"
LISTING = {
    "tagline": "Keys and values", "description": "A cache.", "docs": "Read it.", "logo_url": "https://acme.example/l.png",
    "support_email": "help@acme.example",
}  # fmt: skip
KIT = {"summary": {"passed": 40, "failed": 0, "warned": 2, "skipped": 1}, "checks": []}
BY_HAND = ["tried", "support", "terms"]


@pytest.fixture
async def operator(ctx: Context, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    actor = await new_user(ctx, "operator@example.com")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == actor.id).values(is_operator=True))
    async with client_of(app, await token_of(ctx, actor)) as client:
        yield client


@pytest.fixture
async def registered(api: httpx.AsyncClient) -> None:
    """Alice's service, which is alpha."""
    paid = {"name": "large", "price_cents": 900}
    await pushed(api, plans=[*plans("test"), paid])


async def pushed(client: httpx.AsyncClient, **changes: Any) -> None:
    contents = cache_manifest(**{"listing": LISTING, **changes})
    answer = await client.post("/api/v3/addons/acme-cache/manifests", json={"contents": contents})
    assert answer.is_success, answer.text


async def brought_to_ga(api: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
    for more in ([], ["prices"]):
        assert (await api.post(f"{SERVICE}/reviews", json={"kit": KIT})).status_code == 201
        answer = await operator.post(f"{SERVICE}/actions/approve", json={"checked": [*BY_HAND, *more]})
        assert answer.status_code == 200, answer.text


async def listed(client: httpx.AsyncClient) -> list[str]:
    return [service["name"] for service in (await client.get("/addon-services")).json()]


@pytest.mark.usefixtures("registered")
async def test_a_listing_tells_its_partner_what_is_needed_next(api: httpx.AsyncClient) -> None:
    (own,) = (await api.get("/provider-services")).json()
    assert (own["name"], own["state"], own["role"], own["revision"]) == ("acme-cache", "alpha", "owner", 1)
    listing = (await api.get(SERVICE)).json()
    assert (listing["next_state"], listing["review_pending"]) == ("beta", False)
    met = {point["name"]: point["met"] for point in listing["checklist"]}
    assert met == {
        "description": True, "docs": True, "support_email": True, "logo": True, "default_plan": True, "kit": False,
        "tried": None, "support": None, "terms": None,
    }  # fmt: skip


@pytest.mark.usefixtures("registered")
async def test_an_operator_brings_it_to_beta_and_to_general_availability(
    api: httpx.AsyncClient, operator: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    assert await listed(intruder) == []
    await brought_to_ga(api, operator)
    assert await listed(intruder) == ["acme-cache"]
    assert (await api.get(SERVICE)).json()["next_state"] is None
    reviews = (await api.get(f"{SERVICE}/reviews")).json()
    assert [(review["wanted"], review["state"], review["decided_by"]) for review in reviews] == [
        ("ga", "approved", "operator@example.com"),
        ("beta", "approved", "operator@example.com"),
    ]
    assert all(point["met"] for review in reviews for point in review["checklist"])


@pytest.mark.usefixtures("registered")
async def test_open_points_hold_an_approval_up_unless_the_operator_says_why_not(
    api: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    none = await operator.post(f"{SERVICE}/actions/approve", json={})
    assert (none.status_code, none.json()["id"]) == (409, "conflict")
    await api.post(f"{SERVICE}/reviews")
    assert [review["service"] for review in (await operator.get("/service-reviews")).json()] == ["acme-cache"]
    held = await operator.post(f"{SERVICE}/actions/approve", json={"checked": ["tried", "terms"], "override": True})
    assert held.status_code == 422
    assert "as it should be yet: kit, support." in held.json()["message"]
    unknown = await operator.post(f"{SERVICE}/actions/approve", json={"checked": ["kit"]})
    assert "no points to check by hand: kit" in unknown.json()["message"]
    said = {"override": True, "note": "Known to us."}
    done = await operator.post(f"{SERVICE}/actions/approve", json=said)
    assert (done.json()["state"], done.json()["note"]) == ("approved", "Known to us.")
    assert (await api.get(SERVICE)).json()["state"] == "beta"


@pytest.mark.usefixtures("registered")
async def test_a_refusal_tells_why_and_another_review_can_be_asked_for(
    api: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    await api.post(f"{SERVICE}/reviews")
    assert (await api.post(f"{SERVICE}/reviews")).status_code == 409
    await operator.post(f"{SERVICE}/actions/refuse", json={"note": "The logo is another company's."})
    (refused,) = (await api.get(f"{SERVICE}/reviews")).json()
    assert (refused["state"], refused["note"]) == ("refused", "The logo is another company's.")
    assert (await api.get(SERVICE)).json()["state"] == "alpha"
    assert (await api.post(f"{SERVICE}/reviews")).status_code == 201


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "kit", [{}, {"summary": "fine"}, {"summary": {"passed": -1}}, {"summary": {"failed": True, "passed": "x"}}]
)
async def test_what_is_no_report_of_the_kit_is_refused(api: httpx.AsyncClient, kit: dict[str, Any]) -> None:
    assert (await api.post(f"{SERVICE}/reviews", json={"kit": kit})).status_code == 422


@pytest.mark.usefixtures("registered")
async def test_partners_do_not_decide_and_strangers_find_nothing(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    await api.post(f"{SERVICE}/reviews")
    decisions: list[tuple[str, str, Any]] = [
        ("POST", f"{SERVICE}/actions/approve", {"checked": BY_HAND}),
        ("POST", f"{SERVICE}/actions/refuse", {"note": "No."}),
        ("POST", f"{SERVICE}/actions/shutdown", {}),
        ("GET", "/service-reviews", None),
    ]
    of_partner: list[tuple[str, str, Any]] = [
        ("GET", SERVICE, None),
        ("GET", f"{SERVICE}/reviews", None),
        ("POST", f"{SERVICE}/reviews", {}),
        ("POST", f"{SERVICE}/actions/sunset", {"at": "2027-06-01T00:00:00Z"}),
        ("GET", f"{SERVICE}/members", None),
        ("POST", f"{SERVICE}/members", {"email": "mallory@example.com", "role": "owner"}),
        ("DELETE", f"{SERVICE}/members/alice@example.com", None),
        ("GET", f"{SERVICE}/entitlements", None),
        ("POST", f"{SERVICE}/entitlements", {"email": "mallory@example.com"}),
        ("DELETE", f"{SERVICE}/entitlements/alice@example.com", None),
    ]
    for client, requests in ((api, decisions), (intruder, [*decisions, *of_partner])):
        for method, path, body in requests:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 404, (method, path, answer.text)
    assert (await intruder.get("/provider-services")).json() == []


@pytest.mark.usefixtures("registered")
async def test_the_end_is_announced_and_comes_on_the_day_and_not_before(
    ctx: Context, api: httpx.AsyncClient, operator: httpx.AsyncClient, intruder: httpx.AsyncClient, clock: StoppedClock
) -> None:
    await brought_to_ga(api, operator)
    await intruder.post("/apps", json={"name": "shop"})
    addon = (await intruder.post("/apps/shop/addons", json={"plan": "acme-cache:test"})).json()
    soon = await api.post(f"{SERVICE}/actions/sunset", json={"at": "2026-12-01T00:00:00Z"})
    assert (soon.status_code, "so that users have time to move" in soon.json()["message"]) == (422, True)
    itself = await api.post(f"{SERVICE}/actions/sunset", json={"at": "2027-03-01T00:00:00Z", "successor": "acme-cache"})
    assert itself.status_code == 422
    ended = await api.post(f"{SERVICE}/actions/sunset", json={"at": "2027-03-01T00:00:00Z"})
    assert (ended.json()["state"], ended.json()["sunset"]["at"]) == ("sunset", "2027-03-01T00:00:00Z")
    answer = await intruder.get(f"/addons/{addon['id']}")
    assert "ends on 2027-03-01, in 99 days" in answer.headers["x-heroku-warning"]
    shown = answer.json()
    assert shown["addon_service"]["sunset"]["message"] == "Acme Cache takes no new add-ons and ends on 2027-03-01."
    again = await intruder.post("/apps/shop/addons", json={"plan": "acme-cache:test"})
    assert (again.status_code, "takes no new add-ons" in again.json()["message"]) == (422, True)
    async with ctx.database.transaction() as tx:
        told = (await tx.execute(select(Event.data).where(Event.kind == "addon.sunset_announced"))).scalars().all()
    assert [event["sunset_at"] for event in told] == ["2027-03-01T00:00:00Z"]
    assert (await operator.post(f"{SERVICE}/actions/shutdown")).status_code == 409
    clock.advance(days=120)
    assert (await operator.post(f"{SERVICE}/actions/shutdown")).json()["state"] == "shutdown"
    assert (await intruder.get(f"/addons/{addon['id']}")).json()["addon_service"]["state"] == "shutdown"
    assert await mails(ctx) == ["service.sunset", "service.ended"]


@pytest.mark.usefixtures("registered")
async def test_whatever_changes_about_an_end_is_told_once(
    ctx: Context, api: httpx.AsyncClient, operator: httpx.AsyncClient, intruder: httpx.AsyncClient
) -> None:
    await brought_to_ga(api, operator)
    await intruder.post("/apps", json={"name": "shop"})
    await intruder.post("/apps/shop/addons", json={"plan": "acme-cache:test"})
    for day in ("2027-03-01", "2027-03-01", "2027-06-01", "2027-03-01"):
        assert (await api.post(f"{SERVICE}/actions/sunset", json={"at": f"{day}T00:00:00Z"})).status_code == 200
    assert await mails(ctx) == ["service.sunset"] * 3, "back to the first day is news, the same day again is none"
    await api.post(f"{SERVICE}/reviews", json={})
    decided = {"checked": [], "override": True, "note": "sold to somebody else"}
    assert (await operator.post(f"{SERVICE}/actions/approve", json=decided)).status_code == 200
    assert (await mails(ctx))[3:] == ["service.continues"]
    assert (await intruder.get("/apps/shop/addons")).json()[0]["addon_service"]["sunset"] is None


async def mails(ctx: Context) -> list[str]:
    """What was told about services, in order."""
    told = select(Notice.kind).where(Notice.kind.like("service.%")).order_by(Notice.created_at, Notice.id)
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(told)).scalars())


@pytest.mark.usefixtures("registered")
async def test_a_new_price_is_for_new_add_ons(
    api: httpx.AsyncClient, operator: httpx.AsyncClient, intruder: httpx.AsyncClient, clock: StoppedClock
) -> None:
    await brought_to_ga(api, operator)
    await intruder.post("/apps", json={"name": "shop"})
    before = (await intruder.post("/apps/shop/addons", json={"plan": "acme-cache:large"})).json()
    clock.advance(days=1)
    await pushed(api, plans=[*plans("test"), {"name": "large", "price_cents": 1900}])
    after = (await intruder.post("/apps/shop/addons", json={"plan": "acme-cache:large"})).json()
    kept = (await intruder.get(f"/addons/{before['id']}")).json()
    assert (kept["billed_price"]["cents"], after["billed_price"]["cents"]) == (900, 1900)
    assert kept["plan"]["price"]["cents"] == 1900
    plan = (await api.get(SERVICE)).json()["plans"][1]
    assert [(price["price_cents"], price["valid_from"]) for price in plan["prices"]] == [
        (900, "2026-11-21T09:54:07Z"),
        (1900, "2026-11-22T09:54:07Z"),
    ]


async def test_people_are_named_by_their_address(api: httpx.AsyncClient, registered: None, mallory: Actor) -> None:
    assert (
        await api.post(f"{SERVICE}/members", json={"email": "nobody@example.com", "role": "admin"})
    ).status_code == 404
    assert (await api.post(f"{SERVICE}/members", json={"email": mallory.email, "role": "king"})).status_code == 422
    made = await api.post(f"{SERVICE}/members", json={"email": mallory.email, "role": "developer"})
    assert (made.json()["email"], made.json()["role"]) == (mallory.email, "developer")
    assert [one["email"] for one in (await api.delete(f"{SERVICE}/members/{mallory.email}")).json()] == [
        "alice@example.com"
    ]
    await api.post(f"{SERVICE}/entitlements", json={"email": mallory.email, "plan": "test"})
    assert [one["plan"] for one in (await api.get(f"{SERVICE}/entitlements")).json()] == ["test"]
    assert (await api.delete(f"{SERVICE}/entitlements/{mallory.email}")).status_code == 404
    assert (await api.delete(f"{SERVICE}/entitlements/{mallory.email}?plan=test")).json() == []


async def test_options_are_held_to_the_schema_of_the_plan(api: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 8}}}
    await pushed(api, plans=[*plans("test", options_schema=schema)])
    await api.post("/apps", json={"name": "shop"})
    wrong = await api.post("/apps/shop/addons", json={"plan": "acme-cache", "config": {"size": "9", "colour": "red"}})
    assert (wrong.status_code, wrong.json()["id"]) == (422, "invalid_params")
    assert "size: the value is greater than the maximum of 8" in wrong.json()["message"]
    assert "'colour' was unexpected" in wrong.json()["message"]
    right = await api.post("/apps/shop/addons", json={"plan": "acme-cache", "config": {"size": 8}})
    assert right.status_code == 201, right.text


async def test_a_schema_that_is_none_is_a_fault_of_the_manifest(api: httpx.AsyncClient) -> None:
    contents = cache_manifest(
        plans=plans("test", options_schema={"type": "object", "properties": {"a": {"type": "x"}}})
    )
    answer = await api.post("/api/v3/addons/acme-cache/manifests", json={"contents": contents})
    assert answer.json()["error"]["base"][0].startswith("/plans/0/options_schema: is not a JSON Schema")


@pytest.mark.usefixtures("registered")
async def test_a_canary_is_ordered_by_its_partner_and_its_figure_is_everybody_s(
    ctx: Context, api: httpx.AsyncClient, operator: httpx.AsyncClient, intruder: httpx.AsyncClient, clock: StoppedClock
) -> None:
    assert (await api.get(f"{SERVICE}/canary")).json()["every_s"] is None
    ordered = await api.patch(f"{SERVICE}/canary", json={"every_s": 3600, "plan": "large"})
    assert (ordered.json()["every_s"], ordered.json()["plan"]) == (3600, "large")
    assert (await api.patch(f"{SERVICE}/canary", json={"every_s": 60})).status_code == 422
    assert (await api.patch(f"{SERVICE}/canary", json={})).status_code == 422
    for place in range(25):
        claim = await claim_due(ctx)
        assert claim is not None
        fault = "A sentence." if place == 3 else None
        await end(ctx, claim, Outcome("large", [("Works.", "pass")], 100 + place, fault), is_removed=True)
        clock.advance(hours=1)

    await brought_to_ga(api, operator)
    found = (await intruder.get("/addon-services/acme-cache")).json()["reliability"]
    assert found.pop("summary").startswith("96.00 % of 25 runs since 2026-11-21 passed; ready after 0.1 s")
    assert found == {
        "measured": True, "runs": 25, "passed": 24, "passed_percent": 96.0, "available_percent": 95.83,
        "provision_median_ms": 112, "provision_p95_ms": 123,
        "since": "2026-11-21T09:54:07Z", "until": "2026-11-22T09:54:07Z",
    }  # fmt: skip
    record = (await intruder.get("/addon-services/acme-cache/reliability")).json()
    assert record["canary"]["passed_percent"] == 96.0
    assert record["provisions"] == {"measured": False, "succeeded_percent": None, "median_ms": None, "p95_ms": None}
    runs = (await api.get(f"{SERVICE}/canary-runs")).json()
    assert [run["passed"] for run in runs].index(False) == 21, "newest first"
    assert runs[21] | {"id": "", "at": ""} == {
        "id": "", "at": "", "revision": 1, "plan": "large", "passed": False, "fault": "A sentence.",
        "provision_ms": 103, "checks": [{"name": "Works.", "status": "pass"}],
    }  # fmt: skip
    assert (await intruder.get(f"{SERVICE}/canary-runs")).status_code == 404
    assert (await api.patch(f"{SERVICE}/canary", json={"every_s": None})).json()["every_s"] is None
    assert (await intruder.get("/addon-services/acme-cache")).json()["reliability"] is None
