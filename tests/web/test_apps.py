"""The pages of apps: what they tell and change, to whom, and what they never show."""

import re
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from broker.addons.ports import Answer, Reply
from broker.apps.collaborators import add_collaborator
from broker.apps.config_vars import get_config_vars, list_var_names
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.apps.queries import get_app, list_apps
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.addons.conftest import World, done
from tests.domain import new_user
from tests.oauth.conftest import Browser, cookie_of, fields_of, over_wire

SHOP = "/dashboard/apps/shop"
EVIL = '<img src=x onerror="alert(1)">'


async def send(browser: Browser, page: str, action: str, **fields: Any) -> httpx.Response:
    """Open a page, send its form that goes to `action`, and look at what follows."""
    shown = await browser.http.get(page)
    assert f'action="{action}"' in shown.text, (page, shown.status_code, action)
    form = shown.text[shown.text.index(f'action="{action}"') :]
    answer = await browser.http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})
    return await browser.http.get(answer.headers["location"]) if answer.is_redirect else answer


async def recorded(ctx: Context, kind: str) -> int:
    async with ctx.database.transaction() as tx:
        return len((await tx.execute(select(Event.id).where(Event.kind == kind))).all())


async def test_config_vars_are_named_changed_taken_in_and_shown_when_asked_for(browser: Browser, world: World) -> None:
    ctx, page = world.ctx, f"{SHOP}/settings"
    await world.provisioned(attachment_name="CACHE")
    first = {"name": ["GREETING", "KEY", ""], "value": [f"hello\r\n{EVIL}", "hidden-key", ""]}
    changed = await send(browser, page, f"{SHOP}/config-vars", **first)
    assert "changed, in a release" in changed.text
    assert "GREETING" in changed.text
    assert "CACHE_URL" in changed.text
    assert "hidden-key" not in changed.text
    assert await recorded(ctx, "config_vars.read") == 0, "names are no secrets"
    assert [each.name for each in await list_var_names(ctx, world.user, "shop")] == ["CACHE_URL", "GREETING", "KEY"]
    shown = await send(browser, page, f"{SHOP}/config-vars/reveal")
    assert "hidden-key" in shown.text
    assert EVIL not in shown.text
    assert "hello\n&lt;img" in shown.text
    assert shown.headers["cache-control"] == "no-store"
    assert await recorded(ctx, "config_vars.read") == 1
    env = await send(browser, page, f"{SHOP}/config-vars/export")
    assert "KEY=hidden-key\n" in env.text
    assert env.headers["content-disposition"] == 'attachment; filename="shop.env"'
    assert await recorded(ctx, "config_vars.read") == 2
    several = {"set-KEY": "other", "remove-GREETING": "yes", "name": ["NEW", "", ""], "value": ["1", "", ""]}
    await send(browser, page, f"{SHOP}/config-vars", **several)
    assert (
        "nothing was set" in (await send(browser, page, f"{SHOP}/config-vars/import", env="A=1\nsecret")).text.lower()
    )
    refused = await send(browser, page, f"{SHOP}/config-vars/import", env="CACHE_URL=mine")
    assert (refused.status_code, "Cannot overwrite attachment values" in refused.text) == (422, True)
    await send(browser, page, f"{SHOP}/config-vars/import", env="# mine\r\nexport A='b c'\r\nEMPTY=\r\n")
    assert "no new release" in (await send(browser, page, f"{SHOP}/config-vars/import", env="EMPTY=")).text
    variables = await get_config_vars(ctx, world.user, "shop")
    assert {name: value for name, value in variables.items() if name != "CACHE_URL"} == {
        "KEY": "other", "NEW": "1", "A": "b c", "EMPTY": "",
    }  # fmt: skip


async def test_the_plan_is_compared_previewed_changed_and_scheduled_and_it_is_destroyed(
    browser: Browser, world: World
) -> None:
    addon = await world.provisioned(name="mine", attachment_name="CACHE")
    here = f"{SHOP}/addons/mine"
    plans = await browser.http.get(f"{here}/plan")
    assert "$500/month" in plans.text
    preview = await browser.http.get(f"{here}/plan?to=big")
    assert "<strong>50.00 USD</strong> a month" in preview.text
    assert "The provider may give other values" in preview.text
    asked = await send(browser, f"{here}/plan?to=big", f"{here}/plan", when="now")
    assert "The plan is being changed" in asked.text
    world.provider.will(Reply(Answer.REFUSED, 422, message=f"Too big. {EVIL}"))
    await world.run()
    failed = (await browser.http.get(here)).text
    assert "The plan was not changed" in failed
    assert "Too big. &lt;img" in failed
    assert EVIL not in failed
    later = await send(browser, f"{here}/plan?to=huge", f"{here}/plan", when="end")
    assert "From 1 December 2026" in later.text
    assert "From 1 December" not in (await send(browser, here, f"{here}/plan/unschedule")).text
    await make_app(world.ctx, world.user, CreateApp(name="other"))
    assert "other as" in (await send(browser, here, f"{here}/share", to="other", name="DB")).text
    question = await browser.http.get(f"{here}/destroy")
    for told in ("DB_URL", "CACHE_URL", "Other apps use it", "Nobody can bring it back"):
        assert told in question.text
    for fields in ({}, {"confirm": "wrong"}, {"confirm": "mine"}):
        refused = await send(browser, f"{here}/destroy", f"{here}/destroy", **fields)
        assert refused.status_code == 422
    assert (await world.read(addon.id)).state == "provisioned"
    gone = await send(browser, f"{here}/destroy", f"{here}/destroy", confirm="mine", force="yes")
    assert "It is being removed" in gone.text


async def test_add_ons_are_attached_detached_and_renamed(browser: Browser, world: World) -> None:
    await make_app(world.ctx, world.user, CreateApp(name="other"))
    addon = await world.provisioned("store:big", name="mine")
    attached = await send(
        browser, "/dashboard/apps/other", "/dashboard/apps/other/attachments", addon=str(addon.id), name="CACHE"
    )
    assert "billed to shop" in attached.text
    assert "also on other" in (await browser.http.get(SHOP)).text
    link = re.search(r'href="(/dashboard/apps/other/attachments/[^"]+/detach)"', attached.text)
    assert link is not None
    question = await browser.http.get(link[1])
    assert "Loses <code>CACHE_URL</code>" in question.text
    assert "It is detached." in (await send(browser, link[1], link[1])).text
    assert (await browser.http.get(link[1])).status_code == 404
    renamed = await send(browser, f"{SHOP}/addons/mine", f"{SHOP}/addons/mine/rename", name="yours")
    assert "It has its new name." in renamed.text
    overview = (await browser.http.get("/dashboard")).text
    assert "50.00 USD" in overview


async def test_what_happened_is_told_by_names_and_taken_back(browser: Browser, world: World) -> None:
    await send(browser, f"{SHOP}/settings", f"{SHOP}/config-vars", name=["A", "B"], value=["first-value", "2"])
    await send(browser, f"{SHOP}/settings", f"{SHOP}/config-vars", **{"set-A": "second-value", "remove-B": "yes"})
    page = (await browser.http.get(f"{SHOP}/activity")).text
    for told in ("v3", "Set A config vars, remove B config vars", "Config vars changed", "alice@example.com"):
        assert told in page
    assert (
        '<li class="changed"><span aria-hidden="true">~</span><span class="sr-only">changed</span> <code>A</code>'
        in page
    )
    assert '<span class="sr-only">removed</span> <code>B</code>' in page
    assert "first-value" not in page
    assert await recorded(world.ctx, "config_vars.read") == 0
    back = await send(browser, f"{SHOP}/activity", f"{SHOP}/rollback", release="2")
    assert "Rollback to v2" in back.text
    assert (await get_config_vars(world.ctx, world.user, "shop"))["A"] == "first-value"
    assert "Set A" not in (await browser.http.get(f"{SHOP}/activity?before=2")).text


async def test_an_app_is_shared_paid_for_by_somebody_else_given_away_and_destroyed(
    browser: Browser, app: FastAPI, world: World
) -> None:
    bob = await new_user(world.ctx, "bob@example.com")
    page = f"{SHOP}/access"
    assert "Nobody has an account" in (await send(browser, page, f"{page}/collaborators", email="no@example.com")).text
    assert "They may use the app" in (await send(browser, page, f"{page}/collaborators", email=bob.email)).text
    assert "has not answered" in (await send(browser, page, f"{page}/payer", payer=bob.email)).text
    assert "offered to" in (await send(browser, page, f"{page}/transfer", recipient=bob.email)).text
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(world.ctx, bob, "test")))
        bobs = Browser(http)
        waiting = (await http.get("/dashboard")).text
        assert "wants to give you the app shop" in waiting
        for kind in ("payers", "transfers"):
            action = re.search(rf'action="(/dashboard/{kind}/[^"]+)"', waiting)
            assert action is not None
            agreed = await send(bobs, "/dashboard", action[1], decision="accept" if kind == "transfers" else "decline")
            assert agreed.status_code == 200
        assert (await get_app(world.ctx, bob, "shop")).owner_id == bob.id
        assert (await browser.http.get(SHOP)).status_code == 404
        await send(bobs, f"{SHOP}/settings", f"{SHOP}/rename", name="bobs")
        on = await send(bobs, "/dashboard/apps/bobs/settings", "/dashboard/apps/bobs/maintenance", maintenance="on")
        assert "Maintenance mode" in on.text
        wrong = await send(bobs, "/dashboard/apps/bobs/destroy", "/dashboard/apps/bobs/destroy", confirm="shop")
        assert wrong.status_code == 422
        await send(bobs, "/dashboard/apps/bobs/destroy", "/dashboard/apps/bobs/destroy", confirm="bobs")
        assert await list_apps(world.ctx, bob) == []


PAGES = (
    "",
    "/activity",
    "/access",
    "/settings",
    "/destroy",
    "/addons/mine",
    "/addons/mine/plan?to=big",
    "/addons/mine/destroy",
)
FORMS = (
    "/attachments", "/config-vars", "/config-vars/import", "/config-vars/reveal", "/config-vars/export", "/rollback",
    "/rename", "/maintenance", "/destroy", "/access/collaborators", "/access/collaborators/bob@example.com/remove",
    "/access/payer", "/access/transfer", "/addons/mine/rename", "/addons/mine/share", "/addons/mine/trial",
    "/addons/mine/plan", "/addons/mine/plan/unschedule", "/addons/mine/destroy",
)  # fmt: skip


async def test_what_is_somebody_else_s_is_not_there_and_forms_of_other_pages_do_nothing(
    browser: Browser, app: FastAPI, world: World, mallory: Actor
) -> None:
    await world.provisioned(name="mine")
    await send(browser, f"{SHOP}/settings", f"{SHOP}/config-vars", name=["KEY"], value=["hidden-key"])
    everything = {"confirm": "shop", "name": "x", "email": mallory.email, "plan": "big", "release": "1", "env": "A=1"}
    async with over_wire(app) as http:
        nobody = [await http.get(f"{SHOP}{path}") for path in PAGES]
        assert [answer.status_code for answer in nobody] == [200] + [303] * (len(PAGES) - 1)
        assert nobody[0].text == (await http.get("/dashboard/apps/nope")).text.replace("nope", "shop")
        for path in FORMS:
            assert (await http.post(SHOP + path, data=everything)).headers["location"].startswith("/login?next=")
        http.cookies.update(cookie_of(await begin_session(world.ctx, mallory, "test")))
        for path in PAGES:
            theirs, nothing = await http.get(f"{SHOP}{path}"), await http.get(f"/dashboard/apps/nope{path}")
            assert (theirs.status_code, theirs.text) == (404, nothing.text), path
        token = fields_of((await http.get("/dashboard/new")).text)
        for path in FORMS:
            theirs = await http.post(SHOP + path, data={**everything, **token})
            nothing = await http.post(f"/dashboard/apps/nope{path}", data={**everything, **token})
            assert (theirs.status_code, theirs.text) == (404, nothing.text), path
    good = fields_of((await browser.http.get("/dashboard/new")).text)
    for path in (*(SHOP + form for form in FORMS), "/dashboard/apps", "/dashboard/transfers/x", "/dashboard/payers/x"):
        for fields, headers in (({}, {}), (good, {"sec-fetch-site": "cross-site"})):
            assert (await browser.http.post(path, data={**everything, **fields}, headers=headers)).status_code == 403
    for path in FORMS:
        odd = {**everything, **good, "payer": "\0", "recipient": "\0", "to": "\0"}
        assert (await browser.http.post(SHOP + path, data=odd)).status_code == 400, path
    assert (await get_app(world.ctx, world.user, "shop")).version == 3
    assert await recorded(world.ctx, "config_vars.read") == 0


async def test_collaborators_see_what_the_owner_lets_them_and_do_not_what_the_owner_does(
    app: FastAPI, browser: Browser, world: World
) -> None:
    bob = await new_user(world.ctx, "bob@example.com")
    await world.provisioned("store:big", name="mine")
    await add_collaborator(world.ctx, world.user, "shop", bob.email)
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(world.ctx, bob, "test")))
        for path in PAGES[:-1]:
            assert (await http.get(f"{SHOP}{path}")).status_code == 200, path
        assert "only the owner can remove" in (await http.get(f"{SHOP}{PAGES[-1]}")).text
        assert f'href="{SHOP}/addons/mine/destroy"' not in (await http.get(f"{SHOP}/addons/mine")).text
        assert "belongs to alice@example.com" in (await http.get(SHOP)).text
        assert f'action="{SHOP}/rename"' not in (await http.get(f"{SHOP}/settings")).text
        token = fields_of((await http.get("/dashboard/new")).text)
        for path in ("/destroy", "/rename", "/addons/mine/destroy", "/addons/mine/plan", "/access/transfer"):
            fields = {
                "confirm": "mine" if "mine" in path else "shop",
                "name": "theirs",
                "plan": "huge",
                "recipient": bob.email,
            }
            assert (await http.post(SHOP + path, data={**token, **fields})).status_code == 403, path


async def test_progress_is_told_as_events_until_it_is_over(browser: Browser, world: World, mallory: Actor) -> None:
    await world.create(name="mine")
    world.provider.will(done())
    await world.run()
    told = await browser.http.get(f"{SHOP}/addons/mine/progress")
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.text == "event: over\ndata: \n\n"
    assert (await browser.http.get(f"{SHOP}/addons/none/progress")).status_code == 404
