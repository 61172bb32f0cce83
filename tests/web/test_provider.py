"""The provider portal: what its pages tell and change, to whom, and what they never show."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from broker.addons.destroy import destroy_addon
from broker.addons.gate import Circuit
from broker.addons.models import Operation, ProviderHealth
from broker.addons.ports import Answer, Reply
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey
from broker.app import create_app
from broker.catalog.client_secrets import is_client_secret
from broker.catalog.listing import get_listing
from broker.catalog.members import Role, list_members, member_service, set_member
from broker.catalog.models import AddonService
from broker.catalog.push import push_manifest
from broker.catalog.versions import get_version
from broker.events.attempts import Receipt
from broker.kernel.context import Actor, Context
from broker.kernel.secret import Secret
from broker.oauth.sessions import begin_session
from tests.addons.conftest import MANIFEST, World, make_world
from tests.domain import StoppedClock, new_user
from tests.events.conftest import MINE, Watching
from tests.events.receivers import OK
from tests.oauth.conftest import ISSUER, Browser, cookie_of, fields_of, over_wire
from tests.platform_api.conftest import settings

STORE = "/provider/store"
EVIL = '<img src=x onerror="alert(1)">'
PARTS = ("", "/manifest", "/operations", "/deliveries", "/money", "/access")
NOTHING = "01a1ffa9-0000-7000-8000-0000000000ff"
AGAIN = (f"operations/{NOTHING}/replay", f"deliveries/{NOTHING}/retry")
FORMS = ("review", "canary", "sunset", "manifest", "members", "members/remove", "client-secret", "password", *AGAIN)


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
def app(world: World) -> FastAPI:
    return create_app(world.ctx, settings(public_url=ISSUER))


@pytest.fixture
async def paula(world: World) -> Actor:
    """The owner of the service."""
    paula = await new_user(world.ctx, "paula@example.com")
    operator = replace(paula, is_operator=True)
    await set_member(world.ctx, operator, "store", paula.email, Role.OWNER)
    return paula


@pytest.fixture
async def browser(app: FastAPI, world: World, paula: Actor) -> AsyncIterator[Browser]:
    """Hers, signed in."""
    async with over_wire(app) as http:
        yield await signed_in(http, world.ctx, paula)


async def signed_in(http: httpx.AsyncClient, ctx: Context, who: Actor) -> Browser:
    http.cookies.update(cookie_of(await begin_session(ctx, who, "test")))
    return Browser(http)


async def send(browser: Browser, shown: str, action: str, **fields: Any) -> httpx.Response:
    """Open a page, send its form that goes to `action`, and look at what follows."""
    page = (await browser.http.get(shown)).text
    assert f'action="{action}"' in page, (shown, action)
    form = page[page.index(f'action="{action}"') :]
    answer = await browser.http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})
    return await browser.http.get(answer.headers["location"]) if answer.is_redirect else answer


def changed(**members: Any) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(MANIFEST))
    return copied | members


async def test_a_service_is_registered_from_the_page_and_its_secret_is_shown_once(
    browser: Browser, world: World, paula: Actor
) -> None:
    listed = (await browser.http.get("/provider")).text
    assert "Store" in listed
    broken = await send(browser, "/provider", "/provider", contents='{"id": "new-one",}')
    assert (broken.status_code, "is no JSON (line 1" in broken.text) == (422, True)
    several = await send(
        browser, "/provider", "/provider", contents=json.dumps({"id": "new-one", "plans": [{"name": EVIL}]})
    )
    assert several.status_code == 422
    assert several.text.count("<li><code>/") > 1, "all faults at once"
    assert EVIL not in several.text
    taken = await send(browser, "/provider", "/provider", contents=json.dumps(changed(id="mailer", api={})))
    assert "nothing was pushed" in taken.text
    api = MANIFEST["api"] | {"config_vars": [], "config_vars_prefix": "NEW"}  # type: ignore[operator]  # a dict
    made = await send(
        browser, "/provider", "/provider", contents=json.dumps(changed(id="new-one", name="New", api=api))
    )
    found = re.search(r"HRKU-S-[\w-]{43}", made.text)
    assert found is not None
    assert made.headers["cache-control"] == "no-store"
    async with world.ctx.database.transaction() as tx:
        service = await member_service(tx, paula, "new-one", Role.OWNER)
        assert await is_client_secret(tx, service.id, Secret(found[0]), world.ctx.clock.now())
    for part in PARTS:
        page = await browser.http.get(f"/provider/new-one{part}")
        assert (page.status_code, found[0] in page.text) == (200, False), part


async def test_a_manifest_is_tried_pushed_and_compared_without_showing_a_secret(
    browser: Browser, world: World, paula: Actor
) -> None:
    ctx = world.ctx
    await push_manifest(ctx, paula, "store", changed(name="Shop"))
    page, action = f"{STORE}/manifest", f"{STORE}/manifest"
    shown = (await browser.http.get(page)).text
    assert "manifest-password-of-the-store" not in shown
    assert "salt-of-the-store" not in shown
    assert '<ins dir="auto">Shop</ins>' in shown
    base = (await get_version(ctx, paula, "store")).contents["$base"]
    masked = changed(name=EVIL, listing={"tagline": "T " + EVIL, "description": f"**Bold** {EVIL}"}) | {"$base": base}
    masked["api"] = masked["api"] | {"password": "***", "sso_salt": "***"}
    masked["plans"] = [*masked["plans"], {"name": "vast", "price_cents": 90000, "features": {EVIL: EVIL}}]
    tried = await send(browser, page, action, contents=json.dumps(masked), decision="check")
    assert "It can be pushed" in tried.text
    assert "<strong>Bold</strong>" in tried.text
    assert "900.00 USD" in tried.text
    assert "/plans/vast" in tried.text
    assert "/plans/free" not in tried.text, "only what differs"
    assert EVIL not in tried.text
    assert (await get_version(ctx, paula, "store")).contents["$base"] == base, "nothing was pushed"
    bad = masked | {"plans": [], "regions": 1, "name": ""}
    refused = await send(browser, page, action, contents=json.dumps(bad), decision="push")
    assert (refused.status_code, refused.text.count("<li><code>/") > 1) == (422, True)
    pushed = await send(browser, page, action, contents=json.dumps(masked), decision="push")
    assert "It is pushed, and published." in pushed.text
    assert EVIL not in pushed.text
    version = await get_version(ctx, paula, "store")
    assert version.contents["api"]["password"] == "manifest-password-of-the-store", "masks stand for what is there"
    outdated = await send(browser, page, action, contents=json.dumps(masked | {"name": "Other"}), decision="push")
    assert (outdated.status_code, "pull that" in outdated.text) == (409, True)
    fresh = masked | {"$base": None, "api": masked["api"] | {"password": "another-password-of-the-store"}}
    secret = await send(browser, page, action, contents=json.dumps(fresh), decision="push")
    assert "*** (another)" in secret.text
    assert "another-password" not in secret.text
    older = await browser.http.get(f"{page}?version={version.revision}&against={base}")
    assert "/plans/vast" in older.text
    assert (await browser.http.get(f"{page}?version=9999")).status_code == 404


async def test_operations_are_told_to_the_provider_without_what_belongs_to_the_app(
    browser: Browser, world: World, clock: StoppedClock
) -> None:
    addon = await world.provisioned(name="kept", options={"color": "very-private"})
    world.provider.will(Reply(Answer.REFUSED, 422, message="No."))
    await world.create(name="lost")
    await world.run()
    clock.advance(days=3)
    gone = await world.provisioned(name="gone")
    clock.advance(days=2)
    await destroy_addon(world.ctx, world.user, AddonKey(str(gone.id)))
    waiting = (await browser.http.get(f"{STORE}/operations?open=1")).text
    assert ("<code>gone<" in waiting, "<code>kept<" in waiting) == (True, False)
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run()
    page = (await browser.http.get(f"{STORE}/operations")).text
    assert "POST https://store.example.com/heroku/resources<" in page
    assert f"DELETE https://store.example.com/heroku/resources/{gone.id}<" in page
    assert "&#34;options&#34;: &#34;***&#34;" in page
    assert str(addon.id) in page
    assert "refused" in page
    for private in ("very-private", "store://", "alice@example.com", "manifest-password"):
        assert private not in page
    home = (await browser.http.get(STORE)).text
    assert re.search(r"<dt>Now</dt><dd>1</dd>", home)
    assert "2 at the most" in home


async def test_what_may_be_sent_again_is_offered_and_whatever_may_not_says_why(browser: Browser, world: World) -> None:
    page = f"{STORE}/operations"
    hurried = await world.create()
    world.provider.will(Reply(Answer.NOT_SENT, retry_after_s=600))
    await world.run()
    async with world.ctx.database.transaction() as tx:
        operation = (await tx.execute(select(Operation.id).where(Operation.addon_id == hurried.id))).scalar_one()
    action = f"{page}/{operation}/replay"
    assert "It is sent at once." in (await send(browser, page, action)).text
    token = fields_of((await browser.http.get("/provider")).text)
    twice = await browser.http.post(action, data=token)
    assert (twice.status_code, "It is due: a worker sends it" in twice.text) == (409, True)
    async with world.ctx.database.transaction() as tx:
        later = world.ctx.clock.now() + timedelta(minutes=5)
        await tx.execute(update(Operation).where(Operation.id == operation).values(next_at=later))
        await tx.execute(update(ProviderHealth).values(circuit=Circuit.OPEN))
    assert "It is sent as soon as calls are tried again" in (await send(browser, page, action)).text
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(ProviderHealth).values(circuit=Circuit.CLOSED))
    world.provider.will(Reply(Answer.REFUSED, 422, message=f"No {EVIL}."))
    await world.run()
    over = (await browser.http.get(page)).text
    assert ("could make a second resource" in over, action in over, EVIL in over) == (True, False, False)
    for nothing in (NOTHING, "x", "%00", "-1"):
        assert (await browser.http.post(f"{page}/{nothing}/replay", data=token)).status_code == 404, nothing


async def test_deliveries_of_the_service_are_told_without_secrets_and_told_again(
    browser: Browser, world: World, paula: Actor
) -> None:
    page, addon = f"{STORE}/deliveries", await world.provisioned(name="kept")
    watch = await Watching(world).addon(
        addon.id, "api:addon", url="https://hooks.example.com/in/path-secret?key=query-secret"
    )
    theirs = await Watching(world).app("api:addon")
    await rename_addon(world.ctx, world.user, AddonKey(str(addon.id)), "renamed")
    watch.receiver.answers = [Receipt(500), OK]
    await watch.run()
    await theirs.run()
    told, (mine,) = (await browser.http.get(page)).text, await watch.deliveries()
    for said in ("hooks.example.com", "api:addon", "retrying", "<code>renamed<", "500"):
        assert said in told, said
    for hidden in ("path-secret", "query-secret", MINE.reveal(), str((await theirs.deliveries())[0].id)):
        assert hidden not in told, hidden
    assert "None is succeeded" in (await browser.http.get(f"{page}?status=succeeded")).text
    assert "hooks.example.com" in (await browser.http.get(f"{page}?status=retrying")).text
    assert "There is nothing older" in (await browser.http.get(f"{page}?after={mine.id}")).text
    wrong = await browser.http.get(f"{page}?status={EVIL}&after=x")
    assert (wrong.status_code, "must be one of pending" in wrong.text, EVIL in wrong.text) == (422, True, False)
    assert "It is told once more." in (await send(browser, page, f"{page}/{mine.id}/retry")).text
    await watch.run()
    assert await watch.statuses() == ["succeeded"]
    assert "succeeded" in (await browser.http.get(page)).text
    others = f"{page}/{(await theirs.deliveries())[0].id}/retry"
    token = fields_of((await browser.http.get("/provider")).text)
    assert (await browser.http.post(others, data=token)).status_code == 404, "it is the app's, not the provider's"


async def test_the_overview_asks_for_reviews_sets_a_canary_and_announces_an_end(
    browser: Browser, world: World, paula: Actor
) -> None:
    ctx = world.ctx
    await push_manifest(ctx, paula, "store", changed(name=EVIL))
    assert EVIL not in (await browser.http.get(STORE)).text
    shown = {
        "at": "2026-11-21T09:00:00Z",
        "kit": EVIL,
        "strict": True,
        "reported_by": "paula@example.com",
        "revision": 2,
    }
    async with ctx.database.transaction() as tx:
        result = shown | {"summary": {"passed": 40, "failed": 0}}
        await tx.execute(update(AddonService).values(conformance=result))
    home = (await browser.http.get(STORE)).text
    assert ("Strict run of 2026-11-21" in home, "40 passed, 0 failed" in home, EVIL in home) == (True, True, False)
    assert "The canary is set." in (await send(browser, STORE, f"{STORE}/canary", every="3600", plan="free")).text
    wrong = await send(browser, STORE, f"{STORE}/canary", every="3600", plan="nothing")
    assert (wrong.status_code, "has no plan" in wrong.text) == (422, True)
    at = f"{ctx.clock.now() + timedelta(days=60):%Y-%m-%d}"
    unsure = await send(browser, STORE, f"{STORE}/sunset", at=at, confirm="stor")
    assert (unsure.status_code, f'value="{at}"' in unsure.text) == (422, True)
    assert "Its end is announced" in (await send(browser, STORE, f"{STORE}/sunset", at=at, confirm="store")).text
    asked = await send(browser, STORE, f"{STORE}/review")
    assert "The operators are asked." in asked.text
    assert (await get_listing(ctx, paula, "store")).review_pending


async def test_members_and_secrets_are_for_owners_who_have_just_proved_who_they_are(
    browser: Browser, app: FastAPI, world: World, paula: Actor, clock: StoppedClock
) -> None:
    ctx, page = world.ctx, f"{STORE}/access"
    await push_manifest(ctx, paula, "store", changed(name="Shop"))
    dora = await new_user(ctx, "dora@example.com")
    added = await send(browser, page, f"{STORE}/members", email=dora.email, role="developer")
    assert "They are a member in that role" in added.text
    nobody = await send(browser, page, f"{STORE}/members", email="nobody@example.com", role="owner")
    assert (nobody.status_code, 'value="nobody@example.com"' in nobody.text) == (404, True)
    last = await send(browser, page, f"{STORE}/members/remove", email=paula.email)
    assert (last.status_code, "A service needs an owner" in last.text) == (409, True)
    async with over_wire(app) as http:
        hers = await signed_in(http, ctx, dora)
        assert [(await http.get(STORE + part)).status_code for part in PARTS] == [200, 200, 200, 200, 403, 200]
        assert f'method="post" action="{STORE}/' not in "".join([(await http.get(STORE + part)).text for part in PARTS])
        token = fields_of((await http.get("/provider")).text)
        for form in FORMS:
            fields = {"contents": "{}", "confirm": "store", "at": "2028-01-01", "email": dora.email, "role": "owner"}
            assert (await hers.http.post(f"{STORE}/{form}", data=token | fields)).status_code == 403, form
    secret = await send(browser, page, f"{STORE}/client-secret", immediate="yes")
    found = re.search(r"HRKU-S-[\w-]{43}", secret.text)
    assert found is not None
    renewed = await send(browser, page, f"{STORE}/password")
    password = (await get_version(ctx, paula, "store")).contents["api"]["password"]
    assert password != "manifest-password-of-the-store"
    assert password in renewed.text
    assert found[0] not in (await browser.http.get(page)).text
    clock.advance(minutes=20)
    late = await send(browser, page, f"{STORE}/client-secret")
    assert "Password" in late.text
    assert "HRKU-S-" not in late.text
    await send(browser, page, f"{STORE}/members/remove", email=dora.email)
    assert [each.email for each in await list_members(ctx, paula, "store")] == [paula.email]


async def test_strangers_find_nothing_and_forms_of_others_do_nothing(
    browser: Browser, app: FastAPI, world: World
) -> None:
    async with over_wire(app) as http:
        theirs = await signed_in(http, world.ctx, world.user)
        token = fields_of((await http.get("/provider")).text)
        unknown = (await http.get("/provider/no-such-thing")).text
        for part in PARTS:
            page = await http.get(STORE + part)
            assert (page.status_code, page.text) == (404, unknown), part
        for form in FORMS:
            sent = await theirs.http.post(f"{STORE}/{form}", data=token | {"contents": "{}", "role": "owner"})
            assert (sent.status_code, sent.text) == (404, unknown), form
    for path in ("/provider", *(f"{STORE}/{form}" for form in FORMS)):
        for fields, headers in _forged(fields_of((await browser.http.get("/provider")).text)):
            assert (await browser.http.post(path, data=fields, headers=headers)).status_code == 403, path


def _forged(good: dict[str, str]) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    yield {}, {}
    yield {"form_token": "00"}, {}
    yield good, {"sec-fetch-site": "cross-site"}
