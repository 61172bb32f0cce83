"""Moving an add-on: to another app, to somebody else; what is told before, and what becomes of offers."""

from fastapi import FastAPI

from broker.addons.handover import agree_to_pay
from broker.addons.resolve import AddonKey, read_addon
from broker.apps.create import CreateApp, create_app
from broker.apps.payers import ask_payer
from broker.apps.transfers import offer_app
from broker.kernel.context import Actor
from broker.oauth.sessions import begin_session
from tests.addons.conftest import World
from tests.domain import new_user
from tests.oauth.conftest import Browser, cookie_of, fields_of, over_wire
from tests.web.test_apps import SHOP, send

HERE = f"{SHOP}/addons/mine/move"


async def test_an_add_on_is_moved_after_it_was_told_what_that_does(
    app: FastAPI, browser: Browser, world: World, mallory: Actor
) -> None:
    await create_app(world.ctx, world.user, CreateApp(name="reports"))
    addon = await world.provisioned("store:big", name="mine", attachment_name="CACHE")
    preview = await browser.http.get(f"{HERE}?to=reports")
    for told in ("$50/month", "goes on paying", "STORE_URL", "shop keeps", "CACHE_URL", "release v2"):
        assert told in preview.text
    assert (await world.read(addon.id)).app_name == "shop", "nothing is done yet"
    moved = await send(browser, f"{HERE}?to=reports", HERE)
    assert "billed to this app from now on" in moved.text
    assert "Billed to</dt><dd>reports" in moved.text
    assert "can be moved from there" in (await browser.http.get(HERE)).text
    await browser.http.post(f"{HERE}", data={"to": "shop"})
    assert (await world.read(addon.id)).app_name == "reports", "not without a form of ours"
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(world.ctx, mallory, "test")))
        token = fields_of((await http.get("/logout")).text)
        there = "/dashboard/apps/reports/addons/mine/move"
        assert (await http.get(there)).status_code == 404
        for deed in ("", "/offer"):
            data = {**token, "to": "shop", "recipient": mallory.email}
            assert (await http.post(there + deed, data=data)).status_code == 404


async def test_what_is_offered_is_taken_declined_and_taken_back(app: FastAPI, browser: Browser, world: World) -> None:
    ctx, bob = world.ctx, await new_user(world.ctx, "bob@example.com")
    await world.provisioned("store:big", name="mine", attachment_name="CACHE")
    nobody = await send(browser, HERE, f"{HERE}/offer", recipient="<b>@nobody.example")
    assert (nobody.is_client_error, "<b>" in nobody.text) == (True, False)
    assert "asked" in (await send(browser, HERE, f"{HERE}/offer", recipient=bob.email)).text
    assert "has not answered yet" in (await browser.http.get(HERE)).text
    mine = await browser.http.get("/dashboard")
    assert f"is offered to <bdi>{bob.email}" in mine.text
    await send(browser, HERE, f"{HERE}/offer", decision="withdraw")
    await send(browser, HERE, f"{HERE}/offer", recipient=bob.email)
    await create_app(ctx, bob, CreateApp(name="bobs"))
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(ctx, bob, "test")))
        theirs = Browser(http)
        page = (await http.get("/dashboard")).text
        assert "store:big, $50/month" in page
        action = page[page.index("/dashboard/addon-transfers/") :].partition('"')[0]
        assert (await browser.http.post(action, data={"decision": "accept", "to": "shop"})).status_code == 403
        wrong = await send(theirs, "/dashboard", action, decision="accept", to="shop")
        assert wrong.status_code == 404, "not to an app of somebody else's"
        taken = await send(theirs, "/dashboard", action, decision="accept", to="bobs")
        assert "Billed to</dt><dd>bobs" in taken.text
        await agree_to_pay(ctx, bob, str((await ask_payer(ctx, world.user, "shop", bob.email)).id))
        paid = (await http.get("/dashboard")).text
        action = paid[paid.index("/dashboard/payers/") :].partition('"')[0]
        assert "You pay for it no longer" in (await send(theirs, "/dashboard", action, decision="end")).text
    assert (await read_addon(ctx, bob, AddonKey("mine", "bobs"))).app_name == "bobs"
    offer = await offer_app(ctx, world.user, "shop", bob.email)
    action = f"/dashboard/transfers/{offer.id}"
    assert "taken back" in (await send(browser, "/dashboard", action, decision="withdraw")).text
