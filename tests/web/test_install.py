"""From the wish for an add-on to the add-on, page by page, as a browser without JavaScript goes."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import httpx
from fastapi import FastAPI

from broker.addons.budgets import SetBudget, set_budget
from broker.addons.ports import Answer, Reply
from broker.app import create_app
from broker.apps.queries import list_apps
from broker.billing.budgets import ScopeKind
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context, Rules
from broker.oauth.sessions import begin_session
from broker.payments.ports import MethodFacts, SetupCall, SetupDone
from tests.addons.conftest import MANIFEST, World, done
from tests.oauth.conftest import ISSUER, Browser, cookie_of, fields_of, over_wire
from tests.payments.fake import FakeGateway, work
from tests.platform_api.conftest import settings

EVIL = '<script>alert("x")</script>'
ASKING = MANIFEST | {
    "name": f"Store {EVIL}",
    "plans": [
        {
            "name": "free", "human_name": f"Free {EVIL}", "price_cents": 0, "default": True, "description": EVIL,
            "options_schema": {
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 9, "title": f"Size {EVIL}", "description": EVIL},
                    "mode": {"enum": ["fast", EVIL]},
                    "backups": {"type": "boolean", "default": True},
                    "key": {"type": "string", "writeOnly": True},
                },
                "required": ["size"],
            },
        },
        {"name": "big", "human_name": "Big", "price_cents": 5000},
    ],
}  # fmt: skip


async def follow(browser: Browser, answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 303, (answer.status_code, re.findall(r'role="alert">(.*?)<', answer.text))
    return await browser.http.get(answer.headers["location"])


async def post(browser: Browser, page: httpx.Response, action: str, **fields: Any) -> httpx.Response:
    """Send the form of a page that goes to `action`."""
    assert f'action="{action}"' in page.text, (page.status_code, action)
    form = page.text[page.text.index(f'action="{action}"') :]
    return await browser.http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})


async def test_an_add_on_is_chosen_previewed_made_and_watched(browser: Browser, world: World) -> None:
    first = await browser.http.get("/install/store")
    assert first.headers["cache-control"] == "no-store"
    second = await follow(browser, await post(browser, first, "/install/store/app", plan="big", app="shop"))
    for told in ("$50/month", "STORE_URL", "50.00 USD", "release v2", "STORE_TOKEN"):
        assert told in second.text
    wanted: dict[str, Any] = {"attachment": "CACHE", "name": "my-cache"}
    again = await post(browser, second, "/install/store", do="preview", **wanted)
    assert "CACHE_URL" in again.text
    assert 'value="my-cache"' in again.text
    made = await post(browser, again, "/install/store", do="install", **wanted)
    assert made.headers["location"] == "/dashboard/apps/shop/addons/my-cache"
    twice = await post(browser, again, "/install/store", do="install", **wanted | {"name": "other"})
    assert twice.headers["location"] == made.headers["location"], "sent twice, it makes one"
    page = await follow(browser, made)
    assert "It is being made" in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    world.provider.will(done(STORE_TOKEN="secret-value"))
    await world.run()
    ready = await follow(browser, made)
    assert "It is ready." in ready.text
    assert "CACHE_TOKEN" in ready.text
    assert "secret-value" not in ready.text
    assert "refresh" not in ready.text
    listed = await browser.http.get("/dashboard/apps/shop")
    assert "50.00 USD" in listed.text
    assert "my-cache" in listed.text


async def test_what_the_provider_wants_to_know_is_asked_for_and_nothing_of_it_runs(
    browser: Browser, world: World
) -> None:
    await publish(world.ctx, parse(ASKING), SYSTEM)
    first = await browser.http.get("/install/store?plan=free")
    page = await follow(browser, await post(browser, first, "/install/store/app", plan="free", app="shop"))
    for shown in (first, page):
        assert EVIL not in shown.text
        assert "alert(&#34;x&#34;)" in shown.text
    refused = await post(
        browser, page, "/install/store", do="install", **{"option-size": "12", "option-key": "so-secret"}
    )
    assert (refused.status_code, "so-secret" in refused.text, 'value="12"' in refused.text) == (422, False, True)
    given = {"option-size": "3", "option-mode": "fast", "option-key": "so-secret", "name": "mine"}
    made = await post(browser, refused, "/install/store", do="install", **given)
    world.provider.will(Reply(Answer.REFUSED, 422, message=f"We are full. {EVIL}"))
    await world.run()
    options = world.provider.calls[0].options
    assert options == {"size": "3", "mode": "fast", "key": "so-secret", "backups": "false"}
    failed = await follow(browser, made)
    assert "It could not be made" in failed.text
    assert "We are full. &lt;script&gt;" in failed.text
    assert "/install/store?plan=free&amp;app=shop" in failed.text


async def test_an_app_is_made_on_the_way_and_what_is_wrong_is_said(browser: Browser, world: World) -> None:
    first = await browser.http.get("/install/store")
    taken = await post(browser, first, "/install/store/app", plan="big", app="", name="shop")
    assert (taken.status_code, "Name is already taken" in taken.text) == (422, True)
    assert (await post(browser, taken, "/install/store/app", plan="none", app="shop")).status_code == 422
    made = await post(browser, taken, "/install/store/app", plan="big", app="", name="second", region="eu")
    assert made.headers["location"] == "/install/store?plan=big&app=second"
    assert [(view.name, view.region) for view in await list_apps(world.ctx, world.user)][1:] == [("second", "eu")]
    await world.provisioned(attachment_name="CACHE")
    page = await browser.http.get("/install/store?plan=free&app=shop")
    clash = await post(browser, page, "/install/store", do="install", attachment="CACHE")
    assert (clash.status_code, "take the place of what is there" in clash.text) == (423, True)
    assert (await post(browser, clash, "/install/store", do="install", attachment="CACHE", confirm="yes")).is_redirect


async def test_nobody_installs_for_somebody_else_or_from_another_page(
    app: FastAPI, browser: Browser, ctx: Context, mallory: Actor
) -> None:
    assert (await browser.http.get("/install/nothing")).status_code == 404
    for path in ("/install/store", "/install/store/app"):
        assert (await browser.http.post(path, data={"plan": "big", "app": "shop"})).status_code == 403
    async with over_wire(app) as http:
        assert (await http.get("/install/store")).headers["location"] == "/login?next=%2Finstall%2Fstore"
        http.cookies.update(cookie_of(await begin_session(ctx, mallory, "test")))
        theirs = await http.get("/install/store?plan=big&app=shop")
        nothing = await http.get("/install/store?plan=big&app=no-such-app")
        assert (theirs.status_code, theirs.text) == (404, nothing.text)
        form = fields_of((await http.get("/install/store")).text)
        sent = await http.post("/install/store", data={**form, "plan": "big", "app": "shop", "do": "install"})
        assert sent.status_code == 404


async def test_whoever_has_to_pay_first_or_has_spent_enough_is_shown_the_way_on(
    app: FastAPI, browser: Browser, world: World
) -> None:
    page = "/install/store?plan=big&app=shop"
    await set_budget(world.ctx, world.user, SetBudget(ScopeKind.ACCOUNT, None, 100))
    over = await browser.http.get(page)
    assert "Ask whoever set the budget" in over.text
    asked = await post(browser, over, "/install/store", do="install", ask="yes")
    assert (asked.status_code, "approve" in asked.text) == (402, True)


async def test_whoever_lacks_a_payment_method_adds_one_and_is_back_with_what_was_chosen(
    browser: Browser, world: World
) -> None:
    await publish(world.ctx, parse(ASKING | {"plans": [ASKING["plans"][0] | {"price_cents": 5000}]}), SYSTEM)
    ctx = replace(world.ctx, rules=Rules(paid_plans_need_verification=True, public_url=ISSUER))
    gateway = FakeGateway()
    async with over_wire(create_app(ctx, settings(public_url=ISSUER))) as http:
        http.cookies.update(browser.http.cookies)
        form = await http.get("/install/store?plan=free&app=shop")
        given = {
            "option-size": "3",
            "option-mode": "fast",
            "option-key": "so-secret",
            "name": "mine",
            "attachment": "DB",
        }
        unverified = await post(Browser(http), form, "/install/store", do="install", **given)
        (way,) = re.findall(r'href="(/account/payment\?[^"]+)"', unverified.text)
        assert (unverified.status_code, "so-secret" in way) == (402, False)
        page = await http.get(unescape(way))
        (action,) = re.findall(r'action="(/account/payment/methods[^"]*)"', page.text)
        sent = await http.post(unescape(action), data=fields_of(page.text))
        waiting = sent.headers["location"]
        setup = waiting.partition("/setups/")[2].partition("?")[0]
        await work(ctx, gateway)
        call = next(each for each in gateway.asked if isinstance(each, SetupCall))
        assert (await http.get(call.return_url)).status_code == 200, "the gateway has told nothing yet"
        gateway.setups[f"cs_{setup}"] = SetupDone(MethodFacts("pm_1", "visa", "4242", 12, 2040))
        await work(ctx, gateway)
        back = (await http.get(call.return_url)).headers["location"]
        shown = await http.get(back)
        for kept in ('value="mine"', 'value="DB"', 'value="3"', "<option selected>fast", "method is added"):
            assert kept in shown.text
        assert 'checked> <span dir="auto">backups' not in shown.text
        assert "so-secret" not in shown.text
        sent_again = {"option-size": "3", "name": "mine"}
        assert (await post(Browser(http), shown, "/install/store", do="install", **sent_again)).is_redirect
        again = (await http.get(waiting)).headers["location"]
        assert (await http.get(again)).headers["location"] == back
        for evil in ("https://evil.example/", "//evil.example", "/\\evil.example", "/" + "a" * 2000):
            page = await http.get("/account/payment", params={"setup": setup, "next": evil})
            assert (page.status_code, "evil" in page.text) == (200, False)


async def test_the_addresses_of_apps_lead_browsers_to_their_pages(browser: Browser, world: World) -> None:
    wants = {"accept": "text/html,application/xhtml+xml"}
    assert (await browser.http.get("/apps", headers=wants)).headers["location"] == "/dashboard"
    assert (await browser.http.get("/apps/shop", headers=wants)).headers["location"] == "/dashboard/apps/shop"
    assert (await browser.http.get("/apps")).status_code == 401
