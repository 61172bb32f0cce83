"""Tags on pages: of an app, of the account, and spending sorted by them."""

from broker.apps.tags import account_tags, app_tags
from tests.addons.conftest import World
from tests.oauth.conftest import Browser
from tests.web.test_apps import EVIL, SHOP, send

PAGE, SPENDING = f"{SHOP}/settings", "/account/spending"


async def test_tags_are_set_changed_removed_and_sort_what_is_spent(browser: Browser, world: World) -> None:
    ctx, user = world.ctx, world.user
    await world.provisioned("store:big", name="mine")
    await send(browser, PAGE, f"{SHOP}/tags", newtag="team", newvalue=EVIL)
    await send(browser, PAGE, f"{SHOP}/tags", newtag="cost.center", newvalue="42")
    both = await send(browser, PAGE, f"{SHOP}/tags", **{"tag-team": EVIL, "untag-cost.center": "yes"})
    assert (EVIL in both.text, await app_tags(ctx, user, "shop")) == (False, {"team": EVIL})
    addon = (await browser.http.get(f"{SHOP}/addons/mine")).text
    assert ("team=&lt;img" in addon, EVIL in addon) == (True, False)
    for name, value in (("Team", "x"), ("app", "x"), ("team", ""), ("", "x")):
        bad = await send(browser, PAGE, f"{SHOP}/tags", newtag=name, newvalue=value)
        assert bad.status_code == 422, (name, value)
        assert f'value="{name}"' in bad.text
    assert (await browser.http.post(f"{SHOP}/tags", data={"newtag": "a", "newvalue": "b"})).status_code == 403
    await send(browser, SPENDING, f"{SPENDING}/tags", newtag="country", newvalue="nz")
    assert await account_tags(ctx, user) == {"country": "nz"}
    assert (await browser.http.post(f"{SPENDING}/tags", data={"newtag": "a", "newvalue": "b"})).status_code == 403
    first = (await browser.http.get(f"{SPENDING}?by=tag")).text
    assert '<th scope="row">nz</th>' in first
    second = (await browser.http.get(f"{SPENDING}?by=tag&tag=team")).text
    assert ('<th scope="row">&lt;img' in second, EVIL in second) == (True, False)
    assert "Spent by app" in (await browser.http.get(f"{SPENDING}?by={EVIL}")).text
