"""The operators' console: what it says needs somebody, what its forms do, and that nobody else is told of it."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html import unescape

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text, update

from broker.accounts.change import rename_person
from broker.accounts.models import User
from broker.addons.orphans import list_orphans
from broker.app import create_app
from broker.catalog.members import Role, set_member
from broker.events.audit import seal
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Paused
from broker.oauth.models import BrowserSession
from broker.oauth.sessions import begin_session, find_session
from broker.payments.news import take_news
from broker.payments.ports import Aftermath, Chargeback, Verdict
from broker.payments.start import collect_issued
from broker.payouts.payouts import every_payout
from tests.addons.conftest import World, make_world
from tests.addons.test_orphans import lost_provision
from tests.billing.test_books import billed
from tests.domain import StoppedClock, new_user
from tests.payments.fake import FakeGateway, news, only, with_card, work
from tests.payouts.test_payouts import seasoned
from tests.platform_api.conftest import settings

EVIL = "<script>alert(1)</script>"
PAGES = (
    "", "/operations", "/orphans", "/services", "/listings", "/reconcile", "/accounts", "/payments", "/payouts", "/audit",
    "/audit/chain", "/queues", "/flags", "/settings",
)  # fmt: skip


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    """Payouts wait for ten days here, and the least is 5.00."""
    rules = replace(ctx.rules, payout_hold=timedelta(days=10), payout_minimum_minor=500)
    return await make_world(replace(ctx, rules=rules), alice)


@pytest.fixture
def app(world: World) -> FastAPI:
    return create_app(world.ctx, settings())


@pytest.fixture
async def operator(world: World) -> Actor:
    operator = replace(await new_user(world.ctx, "olga@example.com"), is_operator=True)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == operator.id).values(is_operator=True))
    return operator


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    asks = {"accept": "text/html"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test", headers=asks) as client:
        yield client


async def sign_in(browser: httpx.AsyncClient, ctx: Context, actor: Actor) -> None:
    browser.cookies.set("broker-session", (await begin_session(ctx, actor, "a browser")).reveal())


async def read(browser: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """What a page says, in one line."""
    answer = await browser.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert EVIL not in answer.text
    return plain(answer)


def plain(answer: httpx.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text.partition("<main")[2])).split())


async def send(browser: httpx.AsyncClient, page: str, path: str, **fields: str | list[str]) -> httpx.Response:
    """Send a form of a page, with its token."""
    found = re.search(r'name="form_token" value="(\w+)"', (await browser.get(page)).text)
    assert found is not None
    return await browser.post(f"/operator/{path}", data={"form_token": found[1], **fields})


async def told(browser: httpx.AsyncClient, answer: httpx.Response) -> str:
    """What the page says that a form leads to."""
    assert answer.status_code == 303, plain(answer)
    return await read(browser, answer.headers["location"])


async def test_nobody_else_is_told_that_there_is_a_console(
    browser: httpx.AsyncClient, world: World, alice: Actor, operator: Actor
) -> None:
    missing = "/operator/nothing-of-the-kind"
    for path in PAGES:
        assert (await browser.get(f"/operator{path}")).headers["location"].startswith("/login?next="), path
    await sign_in(browser, world.ctx, alice)
    expected = (await browser.get(missing)).text
    for path in (*PAGES, "/orphans/1", "/reconcile/1", "/listings/store"):
        answer = await browser.get(f"/operator{path}")
        assert (answer.status_code, answer.text) == (404, expected), path
    token = re.search(r'name="form_token" value="(\w+)"', (await browser.get("/logout")).text)
    assert token is not None
    forms = (
        "reconcile",
        "accounts/invite",
        "payments/settle",
        "payouts/run",
        "payouts/approve",
        "orphans/1/retry",
        "payouts/1/paid",
    )
    for path in (*forms, "flags", "queues/1/retry", f"accounts/{alice.id}/sign-out"):
        assert (await browser.post(f"/operator/{path}", data={"form_token": token[1]})).status_code == 404, path
    await sign_in(browser, world.ctx, operator)
    for path in PAGES:
        assert 'aria-current="page"' in (await browser.get(f"/operator{path}")).text, path
        assert (await browser.post("/operator/payouts/run", data={"form_token": "guessed"})).status_code == 403
    for path in ("/orphans/1", "/reconcile/1", "/listings/nothing"):
        await read(browser, f"/operator{path}", 404)


async def test_what_does_not_get_on_is_told_and_dealt_with(
    browser: httpx.AsyncClient, world: World, operator: Actor, clock: StoppedClock
) -> None:
    await lost_provision(world)
    addon = await world.create("store:free")
    await sign_in(browser, world.ctx, operator)
    clock.advance(minutes=6)  # nobody works here
    overview = await read(browser, "/operator")
    assert "Operations that are stuck 1 Of 1 under way." in overview
    assert "Open orphans 1 50.00 USD a month" in overview
    assert "Waits" in overview
    assert addon.name in await read(browser, "/operator/operations?state=stuck&service=store")
    assert addon.name not in await read(browser, "/operator/operations?state=stuck&service=other")
    assert addon.name not in await read(browser, "/operator/operations?state=failed")
    assert "must be one of" in await read(browser, "/operator/operations?state=odd", 422)
    assert "go on" in await read(browser, "/operator/services")
    assert "There are no more" in await read(browser, "/operator/services?page=2")
    (orphan,) = await list_orphans(world.ctx, operator)
    here = f"/operator/orphans/{orphan.id}"
    assert orphan.addon_name in await read(browser, "/operator/orphans")
    assert "It is tried at once" in await told(browser, await send(browser, here, f"orphans/{orphan.id}/retry"))
    refused = await send(browser, here, f"orphans/{orphan.id}/resolve", reason=" ")
    assert (refused.status_code, "say why" in plain(refused)) == (422, True)
    assert "It is resolved" in await told(
        browser, await send(browser, here, f"orphans/{orphan.id}/resolve", reason=EVIL)
    )
    assert EVIL in await read(browser, here), "as text"
    assert "None is open" in await read(browser, "/operator/orphans")
    assert "Open orphans 0" in await read(browser, "/operator")


async def test_what_is_dangerous_asks_for_the_password_again(
    browser: httpx.AsyncClient, world: World, operator: Actor
) -> None:
    await sign_in(browser, world.ctx, operator)
    started = await send(browser, "/operator/reconcile", "reconcile", fix="1")
    assert "mends" in await told(browser, started)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(BrowserSession).values(proved_at=None))
    refused = await send(browser, "/operator/reconcile", "reconcile", fix="1")
    assert refused.headers["location"] == "/account/prove?next=%2Foperator%2Freconcile"
    runs = (await browser.get("/operator/reconcile")).text
    (run,) = set(re.findall(r"/operator/reconcile/[\w-]+", runs))
    assert "A worker is at it" in await read(browser, run)


async def test_accounts_are_found_and_people_invited(browser: httpx.AsyncClient, world: World, operator: Actor) -> None:
    await rename_person(world.ctx, world.user, f"Alice {EVIL}")
    await sign_in(browser, world.ctx, operator)
    assert f"alice@example.com Alice {EVIL}" in await read(browser, "/operator/accounts?q=ALICE")
    assert "alice" not in await read(browser, "/operator/accounts?q=olga")
    assert "No address" in await read(browser, "/operator/accounts?q=%25")
    invited = await send(browser, "/operator/accounts", "accounts/invite", email="new@example.com")
    assert "The invitation is on its way." in await told(browser, invited)
    again = await send(browser, "/operator/accounts", "accounts/invite", email="alice@example.com")
    assert (again.status_code, "already" in plain(again)) == (409, True)


async def test_a_payout_goes_its_way(browser: httpx.AsyncClient, world: World, operator: Actor) -> None:
    here = "/operator/payouts"
    partner = await new_user(world.ctx, "paula@example.com")
    await set_member(world.ctx, operator, "store", partner.email, Role.OWNER)
    await seasoned(world, 1000)
    await sign_in(browser, world.ctx, operator)
    assert "is drafted" in await told(browser, await send(browser, here, "payouts/run"))
    assert "nothing to pay out" in await told(browser, await send(browser, here, "payouts/run"))
    assert "Payouts to approve 1 7.00 USD in all." in await read(browser, "/operator")
    (payout,) = await every_payout(world.ctx, operator)
    assert "Tick the payouts" in plain(await send(browser, here, "payouts/approve"))
    approved = await send(browser, here, "payouts/approve", payout=[str(payout.id)])
    assert "in the export" in await told(browser, approved)
    assert "reference: give one" in plain(await send(browser, here, f"payouts/{payout.id}/paid", reference=""))
    paid = await send(browser, here, f"payouts/{payout.id}/paid", reference=EVIL)
    assert "marked as paid" in await told(browser, paid)
    back = await send(browser, here, f"payouts/{payout.id}/fail", reason="came back")
    assert "in the balance again" in await told(browser, back)
    assert (await send(browser, here, f"payouts/{payout.id}/fail", reason="again")).status_code == 409


async def test_what_no_gateway_tells_is_settled(
    browser: httpx.AsyncClient, world: World, operator: Actor, clock: StoppedClock
) -> None:
    ctx, gateway, here = world.ctx, FakeGateway(), "/operator/payments"
    await with_card(ctx, gateway, world.user)
    await billed(world, 1000)
    await collect_issued(ctx)
    await work(ctx, gateway)
    reference = f"pi_{(await only(ctx, world.user)).id}"
    gateway.aftermaths[reference] = Aftermath(0, chargebacks=[Chargeback("dp_1", 600, Verdict.OPEN, "general")])
    await take_news(ctx, "fake", news("dp_1", taken_from=reference))
    await work(ctx, gateway)
    await sign_in(browser, ctx, operator)
    page = await read(browser, here)
    assert "Nothing waits for anybody." in page
    assert "alice@example.com 6.00 USD open The gateway is gone" in page
    clock.advance(days=121)
    await sign_in(browser, ctx, operator)
    assert "Payments to settle 1 No gateway tells" in await read(browser, "/operator")
    assert "6.00 USD chargeback for INV-2026-000001 Nobody has told for 120 days" in await read(browser, here)
    said = {"kind": "chargeback", "key": "dp_1", "outcome": "lost", "evidence": EVIL}
    for wrong, status in (
        ({"outcome": "failed"}, 422),
        ({"kind": "moon"}, 422),
        ({"evidence": " "}, 422),
        ({"key": "dp_2"}, 404),
    ):
        assert (await send(browser, here, "payments/settle", **(said | wrong))).status_code == status, wrong
    assert "It is settled" in await told(browser, await send(browser, here, "payments/settle", **said))
    assert "6.00 USD lost" in await read(browser, here)


async def test_the_audit_is_searched_and_its_chain_computed_again(
    browser: httpx.AsyncClient, world: World, operator: Actor
) -> None:
    for _ in range(51):
        await rename_person(world.ctx, world.user, EVIL)
    await world.provisioned()
    await sign_in(browser, world.ctx, operator)
    here = "/operator/audit"
    assert "addon.provisioned" in await read(browser, f"{here}?kind=addon&app=shop")
    assert "alice@example.com" not in await read(browser, f"{here}?by=olga@example.com")
    assert "No such fact" in await read(browser, f"{here}?since=2099-01-01")
    assert "There is and was no such app" in await read(browser, f"{here}?app=nowhere", 422)
    assert "give a day" in await read(browser, f"{here}?until=soon", 422)
    first = await browser.get(f"{here}?by=alice@example.com")
    older = re.search(r'href="(/operator/audit\?[^"]+after=[^"]+)"', first.text)
    assert older is not None
    second = await read(browser, unescape(older[1]))
    assert "Newest" in second
    assert "app.created" in second
    while await seal(world.ctx):
        pass
    assert "Sealed" in await read(browser, "/operator")
    assert "Agrees Links 1 to" in await read(browser, f"{here}/chain")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("alter table events disable trigger user"))
        await tx.execute(text("update events set actor_email = 'eve@example.com' where kind = 'app.created'"))
    assert "Differs" in await read(browser, f"{here}/chain")


async def test_flags_are_switched_with_a_reason_and_say_who_did_it(
    browser: httpx.AsyncClient, world: World, operator: Actor
) -> None:
    await sign_in(browser, world.ctx, operator)
    page = "/operator/flags"
    assert "Nobody has ever switched it." in await read(browser, page)
    off = {"flag": "installs", "to": "off"}
    for wrong in ({"reason": " "}, {"reason": "why", "flag": EVIL}, {"reason": EVIL, "service": "nothing"}):
        answer = await send(browser, page, "flags", **off | wrong)
        assert (answer.status_code, EVIL in answer.text) == (422, False), wrong
    assert 'aria-describedby="service-wrong"' in answer.text
    assert "no service nothing" in plain(answer)
    said = await told(browser, await send(browser, page, "flags", **off, reason=f"moving {EVIL}"))
    assert "It is off, from this moment on" in said
    assert f"by {operator.email} : moving" in said
    with pytest.raises(Paused):
        await world.create()
    await told(browser, await send(browser, page, "flags", **off, reason="it fails", service="store"))
    on = await told(browser, await send(browser, page, "flags", flag="installs", to="on", reason="moved"))
    assert "It is on" in on
    with pytest.raises(Paused, match="it fails"):
        await world.create()
    assert "flag.switched" in await read(browser, "/operator/audit?kind=flag")


async def test_settings_are_told_with_their_source_and_without_secrets(
    browser: httpx.AsyncClient, world: World, operator: Actor
) -> None:
    given = settings(stripe_key="sk_live_very_secret", pool_timeout_s=7, mail_from=f"{'x'} <a@b.example>")
    transport = httpx.ASGITransport(create_app(world.ctx, given))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
        await sign_in(client, world.ctx, operator)
        answer = await client.get("/operator/settings")
    said = plain(answer)
    assert re.search(r"BROKER_STRIPE_KEY \*\*\* secret environment Secret key of the gateway", said)
    assert re.search(r"BROKER_POOL_TIMEOUT_S 7\.0 seconds environment otherwise 5\.0", said)
    assert re.search(r"BROKER_SMTP_URL none secret Where mail", said)
    assert "BROKER_LOG_LEVEL" in said
    secrets = [value.get_secret_value() for _, value in given if isinstance(value, SecretStr)]
    assert len(secrets) == 3
    assert [secret for secret in secrets if secret in answer.text] == []


async def test_queues_tell_what_waits_and_a_failed_job_is_made_again(
    browser: httpx.AsyncClient, world: World, operator: Actor
) -> None:
    addon = await world.create()
    await sign_in(browser, world.ctx, operator)
    said = await read(browser, "/operator/queues")
    assert re.search(r"broker\.advance broker 1 [-\d]+ [:\d]+ 0 0 0", said)
    assert "No worker runs" in said
    async with world.ctx.database.transaction() as tx:
        fail = "update procrastinate_jobs set status = 'failed' where task_name = 'broker.advance' returning id"
        job = (await tx.execute(text(fail))).scalar_one()
    assert f"broker.advance {job}" in await read(browser, "/operator/queues")
    again = await told(browser, await send(browser, "/operator/queues", f"queues/{job}/retry"))
    assert "The job is made again." in again
    token = re.search(r'name="form_token" value="(\w+)"', (await browser.get("/operator/flags")).text)
    assert token is not None
    for gone in (str(job), "x", "9" * 30, "-1"):
        answer = await browser.post(f"/operator/queues/{gone}/retry", data={"form_token": token[1]})
        assert (answer.status_code, "no such job that failed" in plain(answer)) == (404, True), gone
    async with world.ctx.database.transaction() as tx:
        left = (await tx.execute(text("select status::text, args->>'operation_id' from procrastinate_jobs"))).all()
    assert [status for status, operation in left if operation] == ["todo"]
    assert str(addon.id) not in again, "arguments are shown of failed jobs alone"


async def test_an_operator_sees_second_factors_and_signs_somebody_out(
    browser: httpx.AsyncClient, world: World, operator: Actor, alice: Actor
) -> None:
    theirs = await begin_session(world.ctx, alice, "stolen")
    await sign_in(browser, world.ctx, operator)
    page = "/operator/accounts"
    assert "Second factor" in await read(browser, page)
    said = await told(browser, await send(browser, page, f"accounts/{alice.id}/sign-out"))
    assert "Every browser of theirs is signed out." in said
    assert await find_session(world.ctx, theirs) is None
    for nobody in ("x", "01a1ffa9-0000-7000-8000-0000000000ff"):
        assert (await send(browser, page, f"accounts/{nobody}/sign-out")).status_code == 404
    assert "account.signed_out" in await read(browser, "/operator/audit?kind=account.signed_out")
    world.ctx.clock.advance(minutes=20)  # type: ignore[attr-defined]  # the clock of the tests
    late = await send(browser, page, f"accounts/{alice.id}/sign-out")
    assert late.headers["location"].startswith("/account/prove?next=")
