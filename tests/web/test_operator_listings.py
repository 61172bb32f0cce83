"""Operators' pages of listings: who sees them, and what their forms do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from broker.accounts.models import User
from broker.catalog.models import AddonService
from broker.catalog.review import request_review
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.catalog.shelf import manifest, stock
from tests.oauth.conftest import Browser, ann, cookie_of, fields_of, over_wire

__all__ = ["ann"]


@pytest.fixture
async def operator(app: FastAPI, ctx: Context, ann: Actor) -> AsyncIterator[Browser]:
    """Ann's browser; she operates."""
    await stock(ctx, manifest("open-db", "Open <b>", "For all"))
    await stock(ctx, manifest("new-db", "New", "In the making"), state="beta")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == ann.id).values(is_operator=True))
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(ctx, ann, "test")))
        yield Browser(http)


async def row(ctx: Context, slug: str) -> Any:
    columns = (AddonService.state, AddonService.featured_at, AddonService.sunset_at, AddonService.successor)
    async with ctx.database.transaction() as tx:
        return (await tx.execute(select(*columns).where(AddonService.slug == slug))).one()


async def send(browser: Browser, path: str, **fields: str) -> str:
    page = await browser.http.get(path.rpartition("/")[0])
    answer = await browser.http.post(path, data={**fields_of(page.text), **fields})
    if answer.status_code == 303:
        return (await browser.http.get(answer.headers["location"])).text
    return answer.text


async def test_an_operator_features_a_service_and_no_longer(operator: Browser, ctx: Context) -> None:
    listed = (await operator.http.get("/operator/listings")).text
    assert "Open &lt;b&gt;" in listed
    assert "new-db" in listed
    assert "new-db" not in (await operator.http.get("/operator/listings?q=open")).text
    assert "featured on the first page now" in await send(operator, "/operator/listings/open-db/feature", featured="1")
    assert (await row(ctx, "open-db")).featured_at is not None
    assert "<h2>Featured</h2>" in (await operator.http.get("/")).text
    assert "no longer featured" in await send(operator, "/operator/listings/open-db/feature", featured="0")
    assert (await row(ctx, "open-db")).featured_at is None


async def test_an_operator_decides_about_a_review(operator: Browser, ctx: Context, ann: Actor) -> None:
    path = "/operator/listings/new-db/review"
    await request_review(ctx, Actor(ann.id, ann.email, ann.scopes, is_operator=True), "new-db")
    assert "Your decision" in (await operator.http.get("/operator/listings")).text
    assert "Not everything is as it should be yet" in await send(operator, path, decision="approve")
    assert "Say in the note" in await send(operator, path, decision="refuse")
    assert (await row(ctx, "new-db")).state == "beta"
    assert "It is approved." in await send(operator, path, decision="approve", override="1", note="known to us")
    assert (await row(ctx, "new-db")).state == "ga"


async def test_an_operator_announces_an_end_when_the_name_is_typed(operator: Browser, ctx: Context) -> None:
    path = "/operator/listings/new-db/sunset"
    typed = {"decision": "announce", "at": "2027-03-31", "successor": "open-db"}
    assert "Type new-db to confirm" in await send(operator, path, **typed)
    assert "Give the day" in await send(operator, path, **{**typed, "at": "soon", "confirm": "new-db"})
    assert (await row(ctx, "new-db")).state == "beta"
    assert "announced to everybody" in await send(operator, path, **typed, confirm="new-db")
    ends = await row(ctx, "new-db")
    assert (ends.state, ends.successor) == ("sunset", "open-db")
    page = await operator.http.get("/marketplace/new-db")
    assert "move to open-db before that day" in page.text
    assert "/install/new-db" not in page.text


async def test_nobody_else_is_told_that_there_are_such_pages(app: FastAPI, ctx: Context, ann: Actor) -> None:
    await stock(ctx, manifest("open-db", "Open", "For all"))
    async with over_wire(app) as http:
        http.headers["accept"] = "text/html"
        assert (await http.get("/operator/listings")).headers["location"].startswith("/login?next=")
        http.cookies.update(cookie_of(await begin_session(ctx, ann, "test")))
        for path in ("/operator/listings", "/operator/listings/open-db"):
            answer = await http.get(path)
            assert (answer.status_code, "There is no such page" in answer.text) == (404, True)
        fields = fields_of((await http.get("/logout")).text)
        answer = await http.post("/operator/listings/open-db/feature", data={**fields, "featured": "1"})
        assert answer.status_code == 404
        assert (await http.post("/operator/listings/open-db/feature", data={"featured": "1"})).status_code == 403
    assert (await row(ctx, "open-db")).featured_at is None
