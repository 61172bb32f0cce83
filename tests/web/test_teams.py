"""The pages of teams: making one, bringing people in, what each role is shown, and the end."""

import re
from collections.abc import AsyncIterator, Mapping

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from broker.accounts.models import User
from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team, get_team, list_teams
from broker.app import create_app
from broker.apps.config_vars import set_config_vars
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.apps.payers import ask_payer
from broker.apps.team_apps import list_team_apps
from broker.apps.team_members import list_team_members, put_team_member
from broker.apps.transfers import offer_app
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.notices.models import Notice
from broker.notices.outbox import notify
from broker.oauth.sessions import begin_session
from tests.apps.conftest import nothing_reserved
from tests.domain import new_user
from tests.oauth.conftest import ISSUER, Browser, cookie_of, fields_of, over_wire
from tests.platform_api.conftest import settings
from tests.web.test_accounts import GOOD, link_in_mail, send

HTML = {"accept": "text/html,application/xhtml+xml"}
EVIL = '<script>alert("x")</script>'
NEW = "new@example.com"


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER, sign_up="open"))


@pytest.fixture
async def people(ctx: Context, alice: Actor) -> Mapping[str, Actor]:
    """Everybody in the team `acme`, by role; its app `shop`."""
    await create_team(ctx, alice, "acme")
    others = {role: await new_user(ctx, f"{role}@example.com") for role in TeamRole if role is not TeamRole.OWNER}
    for role, person in others.items():
        await put_team_member(ctx, alice, "acme", person.email, role)
    await make_app(ctx, alice, CreateApp("shop", team="acme"))
    return {TeamRole.OWNER: alice, **others}


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    async with over_wire(app) as http:
        http.headers.update(HTML)
        yield Browser(http)


async def become(browser: Browser, ctx: Context, actor: Actor) -> None:
    """Have somebody else sit before the browser."""
    browser.http.cookies.clear()
    browser.http.cookies.update(cookie_of(await begin_session(ctx, actor, "test")))


async def text_of(browser: Browser, path: str, status: int = 200) -> str:
    answer = await browser.http.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store"), path
    return answer.text


async def test_a_team_is_made_and_whoever_is_invited_signs_up_and_comes_back_to_join(
    browser: Browser, ctx: Context, alice: Actor
) -> None:
    assert (await browser.http.get("/teams")).headers["location"] == "/login?next=%2Fteams"
    await become(browser, ctx, alice)
    bad = await send(browser, "/teams", "/teams/new", name=EVIL)
    assert (bad.status_code, bad.text.count("must begin with a lower-case letter"), EVIL in bad.text) == (422, 2, False)
    assert (await send(browser, "/teams", "/teams/new", name="join")).status_code == 422
    made = await send(browser, "/teams", "/teams/new", name=" acme ")
    assert made.headers["location"] == "/teams/acme?done=team"
    assert "you own it" in await text_of(browser, "/teams/acme?done=team")
    nobody = await send(browser, "/teams/acme", "/teams/acme/people", email=NEW, role="viewer", how="add")
    assert (nobody.status_code, f'value="{NEW}"' in nobody.text) == (404, True)
    assert (await send(browser, "/teams/acme", "/teams/acme/people", email=NEW, role="viewer")).status_code == 303
    link = await link_in_mail(ctx)
    assert "asked by alice@example.com" in await text_of(browser, "/teams/acme")
    browser.http.cookies.clear()
    assert (await browser.http.get("/teams/join")).status_code == 422
    shown = await browser.http.get(link)
    assert (shown.status_code, shown.headers["location"]) == (303, "/teams/join"), "the token leaves the address"
    page = await text_of(browser, "/teams/join")
    for told in ("alice@example.com", "acme", "viewer", 'href="/login?next=/teams/join"', f"A mail to {NEW} leads on"):
        assert told in page
    assert (await browser.http.post("/teams/join")).headers["location"] == "/login?next=%2Fteams%2Fjoin"
    sent = await send(browser, "/teams/join", "/teams/join/account", email="somebody.else@example.com")
    assert (sent.status_code, NEW in sent.text) == (200, True)
    signed_up = await send(browser, await link_in_mail(ctx), "/confirm", password=GOOD, name=EVIL)
    assert signed_up.headers["location"] == "/teams/join"
    refused = await browser.http.post("/teams/join", data={"decision": "accept"})
    assert (refused.status_code, "not sent from this page" in refused.text) == (403, True)
    joined = await send(browser, "/teams/join", "/teams/join", decision="accept")
    assert joined.headers["location"] == "/teams/acme?done=joined"
    page = await text_of(browser, "/teams/acme?done=joined")
    assert "Your role is viewer" in page
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert (await browser.http.get("/teams/join")).status_code == 422, "nothing is kept"
    assert (await browser.http.get(link.split("?")[0] + "?token=%C3%A9%0d%0aset-cookie:x")).status_code == 303
    assert (await browser.http.get("/teams/join")).status_code == 422


async def test_where_teams_may_not_bring_in_accounts_the_page_says_whom_to_ask(
    browser: Browser, ctx: Context, app: FastAPI, people: Mapping[str, Actor]
) -> None:
    await become(browser, ctx, people["owner"])
    app.state.sign_up = "teams"
    assert "is led to make one" in await text_of(browser, "/teams/acme")
    await send(browser, "/teams/acme", "/teams/acme/people", email=NEW, role="viewer")
    link = await link_in_mail(ctx)
    browser.http.cookies.clear()
    assert "/signup" not in (await browser.http.get("/login")).text, "nobody makes one uninvited"
    await browser.http.get(link)
    page = await text_of(browser, "/teams/join")
    assert "<button class" in page
    app.state.sign_up = "invite"
    refused = await browser.http.post("/teams/join/account", data=fields_of(page))
    assert (refused.status_code, "Accounts are made by invitation" in refused.text) == (404, True)
    page = await text_of(browser, "/teams/join")
    assert (f"ask them for an invitation of {NEW}" in page, "<button" in page) == (True, False)
    await become(browser, ctx, people["owner"])
    assert "Accounts are made by invitation of the operators here" in await text_of(browser, "/teams/acme")


async def test_roles_are_given_and_shown_what_they_may_do(
    browser: Browser, ctx: Context, people: Mapping[str, Actor]
) -> None:
    member, viewer = people["member"], people["viewer"]
    for role, told, kept in (
        ("owner", ("End acme", "Bring somebody in", "/teams/acme/billing"), ()),
        ("admin", ("Bring somebody in", "/teams/acme/billing", "New app"), ("End acme", 'value="owner"')),
        ("member", ("New app", "Owners and admins bring people in"), ("Bring somebody in", "/teams/acme/billing")),
        ("billing", ("/teams/acme/billing",), ("New app", "Bring somebody in")),
        ("viewer", ("Leave</a>",), ("New app", "Bring somebody in", "/teams/acme/billing", "/role")),
    ):
        await become(browser, ctx, people[role])
        page = await text_of(browser, "/teams/acme")
        assert f"Your role is {role}" in page
        assert ([each for each in told if each not in page], [each for each in kept if each in page]) == ([], []), role
        assert "viewer@example.com" in page
        assert 'href="/dashboard/apps/shop"' in page
    await become(browser, ctx, people["admin"])
    changed = await send(browser, "/teams/acme", f"/teams/acme/people/{viewer.id}/role", role="member")
    assert changed.headers["location"] == "/teams/acme?done=role"
    boss = await send(browser, "/teams/acme", f"/teams/acme/people/{viewer.id}/role", role="owner")
    assert (boss.status_code, "only owners make owners" in boss.text) == (403, True)
    asked = f"/teams/acme/people/{member.id}/remove"
    assert "Remove member@example.com?" in await text_of(browser, asked)
    assert (await send(browser, asked, asked)).headers["location"] == "/teams/acme?done=gone"
    await become(browser, ctx, viewer)
    leaving = f"/teams/acme/people/{viewer.id}/remove"
    assert (await send(browser, leaving, leaving)).headers["location"] == "/teams?done=left"
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == people["admin"].id).values(name=EVIL))
    await become(browser, ctx, people["owner"])
    assert EVIL not in await text_of(browser, "/teams/acme")
    last = f"/teams/acme/people/{people['owner'].id}/remove"
    refused = await send(browser, last, last)
    assert (refused.status_code, "is the last owner" in refused.text) == (409, True)
    invited = await send(browser, "/teams/acme", "/teams/acme/people", email=viewer.email, role="billing", how="invite")
    assert invited.headers["location"] == "/teams/acme?done=invited"
    await become(browser, ctx, viewer)
    page = await text_of(browser, "/teams")
    action = page.partition('action="/teams/invitations/')[2].partition('"')[0]
    declined = await send(browser, "/teams", f"/teams/invitations/{action}", decision="decline")
    assert declined.headers["location"] == "/teams?done=declined"
    assert [each.email for each in await list_team_members(ctx, people["owner"], "acme")] == [
        "alice@example.com",
        "admin@example.com",
        "billing@example.com",
    ]


async def test_to_others_a_team_looks_like_none_and_it_ends_when_it_owns_nothing(
    browser: Browser, ctx: Context, people: Mapping[str, Actor], mallory: Actor
) -> None:
    owner = people["owner"]
    await become(browser, ctx, owner)
    assert "owns apps" in await text_of(browser, "/teams/acme/end")
    await create_team(ctx, owner, "empty")
    wrong = await send(browser, "/teams/empty/end", "/teams/empty/end", confirm="acme")
    assert (wrong.status_code, "Type empty to confirm" in wrong.text) == (422, True)
    renamed = await send(browser, "/teams/empty", "/teams/empty/rename", name="void")
    assert renamed.headers["location"] == "/teams/void?done=renamed"
    assert (await send(browser, "/teams/void/end", "/teams/void/end", confirm="void")).status_code == 303
    assert [each.name for each in await list_teams(ctx, owner)] == ["acme"]
    await become(browser, ctx, mallory)
    shown = (await browser.http.get("/teams")).text
    token = {"form_token": shown.partition('name="form_token" value="')[2].partition('"')[0], "role": "owner"}
    invited = "00000000-0000-7000-8000-000000000000"
    gets = ("", "/end", f"/people/{owner.id}/remove", "/billing", "/invoices", "/payment", "/spending", "/budgets")
    posts = ("/rename", "/end", "/people", f"/people/{owner.id}/role", f"/people/{owner.id}/remove",
             f"/invited/{invited}/revoke", "/budgets/set", "/spending/tags", "/payment/methods")  # fmt: skip
    for rest in gets:
        theirs, none = [await browser.http.get(f"/teams/{team}{rest}") for team in ("acme", "nothing")]
        assert (theirs.status_code, theirs.text) == (404, none.text), rest
    for rest in posts:
        theirs, none = [await browser.http.post(f"/teams/{team}{rest}", data=token) for team in ("acme", "nothing")]
        assert (theirs.status_code, theirs.text) == (404, none.text), rest
        await become(browser, ctx, mallory)
        assert (await browser.http.post(f"/teams/acme{rest}")).status_code in (403, 404), rest
        token["form_token"] = (await browser.http.get("/teams")).text.partition('name="form_token" value="')[2][:64]


async def test_a_teams_app_is_shown_by_role_and_given_back(
    browser: Browser, ctx: Context, people: Mapping[str, Actor]
) -> None:
    owner, member, viewer = people["owner"], people["member"], people["viewer"]
    await set_config_vars(ctx, owner, "shop", {"KEY": "hidden-value"}, nothing_reserved)
    await make_app(ctx, member, CreateApp("own"))
    await become(browser, ctx, viewer)
    shop = "/dashboard/apps/shop"
    for page in ("", "/activity", "/access", "/settings"):
        text = await text_of(browser, shop + page)
        assert "lets you look at this app" in text, page
        assert re.findall(r'<form method="post"[^>]*>', text) == [], page
        assert "hidden-value" not in text
    assert "KEY" in text
    assert "Member, in the team" in await text_of(browser, f"{shop}/access")
    assert 'name="team"' not in await text_of(browser, "/dashboard/new")
    token = (await text_of(browser, "/teams")).partition('name="form_token" value="')[2].partition('"')[0]
    for rest in ("/config-vars/reveal", "/config-vars/export", "/config-vars", "/rename", "/maintenance", "/tags"):
        sent = {"form_token": token, "name": "A", "value": "b", "maintenance": "on"}
        refused = await browser.http.post(shop + rest, data=sent)
        assert (refused.status_code, "hidden-value" in refused.text) == (403, False), rest
    await become(browser, ctx, member)
    dashboard = await text_of(browser, "/dashboard")
    assert re.findall(r"<h2>(.*?)</h2>", dashboard) == ["Your own", 'Team <a href="/teams/acme">acme</a>']
    made = await send(browser, "/dashboard/new?team=acme", "/dashboard/apps", name="second", team="acme")
    assert made.status_code == 303
    chosen = await text_of(browser, "/dashboard/new?team=acme")
    assert '<option value="acme" selected>' in chosen
    given = await send(browser, "/dashboard/apps/own/access", "/dashboard/apps/own/access/give", to="acme")
    assert given.headers["location"] == "/dashboard/apps/own/access?done=given"
    assert "of the team acme" in await text_of(browser, "/dashboard/apps/own")
    assert "Give the app away" not in await text_of(browser, "/dashboard/apps/own/access"), "for owners and admins"
    await become(browser, ctx, owner)
    back = await send(browser, "/dashboard/apps/own/access", "/dashboard/apps/own/access/give", to=str(owner.id))
    assert back.status_code == 303
    assert [each.name for each in await list_team_apps(ctx, owner, "acme")] == ["shop", "second"]


async def test_what_is_offered_to_a_team_is_answered_by_who_runs_it(
    browser: Browser, ctx: Context, people: Mapping[str, Actor], mallory: Actor
) -> None:
    await make_app(ctx, mallory, CreateApp("gift"))
    team = await get_team(ctx, people["owner"], "acme")
    offered = await offer_app(ctx, mallory, "gift", team.email)
    await become(browser, ctx, people["member"])
    assert "gift" not in await text_of(browser, "/dashboard")
    await become(browser, ctx, mallory)
    assert "is offered to <bdi>the team acme</bdi>" in await text_of(browser, "/dashboard")
    await become(browser, ctx, people["admin"])
    assert "wants to give the team acme the app gift" in await text_of(browser, "/dashboard")
    taken = await send(browser, "/dashboard", f"/dashboard/transfers/{offered.id}", decision="accept")
    assert taken.headers["location"] == "/dashboard?done=agreed"
    assert [each.name for each in await list_team_apps(ctx, people["viewer"], "acme")] == ["shop", "gift"]
    await ask_payer(ctx, people["owner"], "shop", mallory.email)
    await make_app(ctx, mallory, CreateApp("bill"))
    asked = await ask_payer(ctx, mallory, "bill", team.email)
    assert "asks the team acme to pay for the app bill" in await text_of(browser, "/dashboard")
    agreed = await send(browser, "/dashboard", f"/dashboard/payers/{asked.id}", decision="accept")
    assert agreed.headers["location"] == "/dashboard?done=agreed"
    assert "The team acme pays for the app <strong>bill</strong>" in await text_of(browser, "/dashboard")


async def test_a_teams_money_is_looked_after_by_those_who_may(
    browser: Browser, ctx: Context, people: Mapping[str, Actor]
) -> None:
    await become(browser, ctx, people["billing"])
    for page in ("billing", "payment", "invoices", "spending", "budgets"):
        text = await text_of(browser, f"/teams/acme/{page}")
        assert 'Team <a href="/teams/acme">acme</a>' in text
        assert f'<a href="/teams/acme/{page}" aria-current="page">' in text
        assert re.findall(r'(?:href|action)="/account/(?!auth)\w+', text) == [], page
    to = "/teams/acme/budgets/set"
    done = await send(browser, "/teams/acme/budgets", to, limit="20", scope="account:", policy="block_new")
    assert done.headers["location"] == "/teams/acme/budgets?done=budget"
    assert "20.00 USD" in await text_of(browser, "/teams/acme/budgets?done=budget")
    assert "20.00 USD" not in await text_of(browser, "/account/budgets"), "not one's own"
    tagged = await send(browser, "/teams/acme/spending", "/teams/acme/spending/tags", name="unit", value="shop")
    assert tagged.headers["location"] == "/teams/acme/spending?done=tags"
    assert (await browser.http.get("/teams/acme/invoices/INV-1")).status_code == 404
    async with ctx.database.transaction() as tx:
        (by,) = (await tx.execute(select(Event.actor_email).where(Event.kind == "budget.set"))).scalars()
    assert by == "billing@example.com"
    team = await get_team(ctx, people["owner"], "acme")
    async with ctx.database.transaction() as tx:
        await notify(tx, team.id, "payment.failed", {"amount": "1", "number": "2", "reason": "3"}, ctx.clock.now())
        told = await tx.execute(select(Notice.address, Notice.facts).where(Notice.kind == "payment.failed"))
        found = {address: (facts["for_team"], facts["for_team_id"]) for address, facts in told}
    assert found == dict.fromkeys(
        ("alice@example.com", "admin@example.com", "billing@example.com"), ("acme", str(team.id))
    )
    assert (await browser.http.get(f"/teams/{team.id}/payment")).status_code == 200, "where mails lead"
    await become(browser, ctx, people["member"])
    refused = await browser.http.get("/teams/acme/billing")
    assert (refused.status_code, "it takes owner or admin or billing" in refused.text) == (403, True)
