"""The page of an add-on's credentials: what it tells, what it changes, for whom, and where values stand."""

from datetime import timedelta
from html import unescape

import pytest
from fastapi import FastAPI

from broker.addons.attach import AttachAddon, attach
from broker.addons.credentials import list_credentials
from broker.addons.lend import enqueue_credentials, lend
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.rotations import list_rotations
from broker.apps.collaborators import add_collaborator
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.secret import Secret
from broker.oauth.sessions import begin_session
from tests.addons.conftest import MANIFEST, World
from tests.domain import new_user
from tests.oauth.conftest import Browser, cookie_of, fields_of, over_wire
from tests.web.test_apps import EVIL, SHOP, recorded, send

HERE = f"{SHOP}/addons/mine/credentials"
CAPABLE = MANIFEST | {"capabilities": ["rotate", "attachment_credentials"]}


@pytest.fixture
async def mine(world: World) -> World:
    """With an add-on that can do all of it, on two apps."""
    await publish(world.ctx, parse(CAPABLE), SYSTEM)
    await create_app(world.ctx, world.user, CreateApp(name="reports"))
    addon = await world.provisioned(name="mine", attachment_name="CACHE")
    await attach(world.ctx, world.user, AttachAddon(AddonKey(str(addon.id)), "reports", "DB"))
    return world


async def test_credentials_are_changed_overlap_and_the_old_ones_are_ended(browser: Browser, mine: World) -> None:
    first = await browser.http.get(HERE)
    assert first.headers["cache-control"] == "no-store"
    for told in ("generation 1", "CACHE_URL", "DB_URL", "2 hours at the most"):
        assert told in first.text
    assert "store://" not in first.text
    nothing = await send(browser, HERE, f"{HERE}/rotate", old="for ever")
    assert (nothing.status_code, "Say how long" in nothing.text) == (422, True)
    begun = await send(browser, HERE, f"{HERE}/rotate", old="day")
    assert "Its credentials are being rotated" in begun.text
    assert "New credentials are asked for" in (await browser.http.get(HERE)).text
    mine.provider.will(Reply(Answer.DONE, 200, config={"STORE_URL": Secret("store://new")}))
    await mine.run()
    assert "Old ones work, too" in (await browser.http.get(f"{SHOP}/addons/mine")).text
    both = (await browser.http.get(HERE)).text
    assert "Old and new credentials work" in both
    assert both.count("Not yet") == 2
    (rotation,) = await list_rotations(mine.ctx, mine.user, AddonKey("mine"))
    assert rotation.revoke_at is not None
    assert rotation.revoke_at - mine.ctx.clock.now() > timedelta(hours=23)
    told = await send(browser, HERE, f"{HERE}/taken")
    assert told.text.count("Not yet") == 1
    again = await send(browser, HERE, f"{HERE}/rotate", old="usual")
    assert (again.status_code, "is not over" in unescape(again.text)) == (409, True)
    ended = await send(browser, HERE, f"{HERE}/end")
    assert "cut off" in ended.text
    (rotation,) = await list_rotations(mine.ctx, mine.user, AddonKey("mine"))
    assert rotation.revoke_at == mine.ctx.clock.now()
    shown = await send(browser, HERE, f"{HERE}/default/reveal")
    assert (shown.text.count("store://new"), shown.headers["cache-control"]) == (1, "no-store")
    assert await recorded(mine.ctx, "credential.revealed") == 1
    assert "store://new" not in (await browser.http.get(HERE)).text
    assert (await browser.http.get(f"{HERE}/default/reveal")).status_code == 405, "no link shows values"


async def test_a_login_of_its_own_is_made_used_shown_and_removed(browser: Browser, mine: World) -> None:
    bad = await send(browser, HERE, HERE, name=EVIL, permission="read_only")
    assert (bad.status_code, EVIL in bad.text, 'id="login-fault"' in bad.text) == (422, False, True)
    assert (await send(browser, HERE, HERE, name="stats", permission="all")).status_code == 422
    assert "is being made" in (await send(browser, HERE, HERE, name="stats", permission="read_only")).text
    mine.provider.will(Reply(Answer.DONE, 201, config={"STORE_URL": Secret("store://own")}))
    await enqueue_credentials(mine.ctx)
    (view,) = await list_credentials(mine.ctx, mine.user, AddonKey("mine"))
    await lend(mine.ctx, lambda _: mine.provider, view.id, view.attempts)
    made = await browser.http.get(HERE)
    assert ("only reads" in made.text, "No app uses it" in made.text, "store://own" in made.text) == (True, True, False)
    assert "store://own" in (await send(browser, HERE, f"{HERE}/stats/reveal")).text
    attached = await send(browser, HERE, f"{HERE}/stats/attach", to="reports", **{"as": "STATS"})
    assert "Used by reports" in attached.text
    assert (await get_config_vars(mine.ctx, mine.user, "reports"))["STATS_URL"] == "store://own"
    token = fields_of(attached.text)
    used = await browser.http.post(f"{HERE}/stats/remove", data=token)
    assert (used.status_code, "detach it there first" in used.text) == (409, True)
    assert (await browser.http.post(f"{HERE}/none/reveal", data=token)).status_code == 404


async def test_credentials_are_nobody_else_s_and_take_a_form_of_ours(
    app: FastAPI, browser: Browser, mine: World, mallory: Actor
) -> None:
    bob = await new_user(mine.ctx, "bob@example.com")
    deeds = ("", "/rotate", "/end", "/taken", "/default/reveal", "/default/remove", "/default/attach")
    for deed in deeds:
        assert (await browser.http.post(HERE + deed, data={"old": "none"})).status_code == 403, deed
    theirs = "/dashboard/apps/reports/addons/mine/credentials"
    await add_collaborator(mine.ctx, mine.user, "reports", bob.email)
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(mine.ctx, bob, "test")))
        page = await http.get(theirs)
        assert ("generation 1" in page.text, "Change the credentials" in page.text) == (True, False)
        token = fields_of((await http.get("/logout")).text)
        for deed in deeds[1:]:
            sent = await http.post(theirs + deed, data={**token, "old": "none", "app": "shop", "release": "1"})
            assert sent.status_code in (403, 404), deed
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(mine.ctx, mallory, "test")))
        assert (await http.get(HERE)).text == (await http.get(f"{SHOP}/addons/none/credentials")).text
        token = fields_of((await http.get("/logout")).text)
        for deed in deeds:
            assert (await http.post(HERE + deed, data={**token, "old": "none"})).status_code == 404, deed
