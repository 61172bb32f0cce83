"""The console's page on which an account is locked and unlocked."""

from collections.abc import AsyncIterator

import httpx
import pytest

from broker.accounts.locking import get_lock, lock_account
from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session, find_session
from tests.accounts.test_locking import new_operator
from tests.domain import StoppedClock
from tests.platform_api.conftest import client_of, settings
from tests.web.test_operating import read, send, sign_in, told


@pytest.fixture
async def olga(ctx: Context) -> Actor:
    return await new_operator(ctx, "olga@example.com")


@pytest.fixture
async def browser(ctx: Context, olga: Actor) -> AsyncIterator[httpx.AsyncClient]:
    """Olga's."""
    async with client_of(create_app(ctx, settings())) as client:
        client.headers["accept"] = "text/html"
        await sign_in(client, ctx, olga)
        yield client


async def test_an_account_is_locked_with_a_reason_and_its_address_typed_and_unlocked(
    ctx: Context, browser: httpx.AsyncClient, olga: Actor, alice: Actor, clock: StoppedClock
) -> None:
    page, deed = f"/operator/accounts/{alice.id}/lock", f"accounts/{alice.id}/lock"
    theirs = await begin_session(ctx, alice, "Firefox")
    assert (
        f'href="{page}" aria-label="Lock the account of alice@example.com"'
        in (await browser.get("/operator/accounts")).text
    )
    assert "Type alice@example.com to confirm" in await read(browser, page)
    wrong = await send(browser, page, deed, reason="fraud", confirm="alice")
    assert (wrong.status_code, "Type alice@example.com to confirm that" in wrong.text) == (422, True)
    assert (await send(browser, page, deed, reason=" ", confirm=alice.email)).status_code == 422
    assert (await get_lock(ctx, olga, alice.email)).locked_at is None
    answer = await send(browser, page, deed, reason="<i>fraud</i>", confirm="Alice@example.com", revoke_tokens="yes")
    said = await told(browser, answer)
    assert "Nobody gets in until an operator unlocks it." in said
    assert "by olga@example.com : <i>fraud</i>" in said
    assert "<i>fraud</i>" not in (await browser.get(page)).text
    assert await find_session(ctx, theirs) is None
    assert "alice@example.com locked" in await read(browser, "/operator/accounts")
    assert "Its person may sign in." in await told(browser, await send(browser, page, f"accounts/{alice.id}/unlock"))
    clock.advance(minutes=20)
    late = await send(browser, page, deed, reason="fraud", confirm=alice.email)
    assert late.headers["location"].startswith("/account/prove?next=")


async def test_nobody_locks_the_own_account_nor_one_that_there_is_not(
    ctx: Context, browser: httpx.AsyncClient, olga: Actor, alice: Actor
) -> None:
    own = f"/operator/accounts/{olga.id}/lock"
    assert "Another operator has to lock it." in await read(browser, own)
    for nobody in ("x", "01a1ffa9-0000-7000-8000-0000000000ff", "nobody@example.com"):
        assert (await browser.get(f"/operator/accounts/{nobody}/lock")).status_code == 404
        sent = await send(browser, "/operator/accounts", f"accounts/{nobody}/lock", reason="x", confirm="x")
        assert sent.status_code == 404
    refused = await send(browser, "/operator/accounts", f"accounts/{olga.id}/lock", reason="x", confirm=olga.email)
    assert refused.status_code == 409
    await lock_account(ctx, olga, alice.email, "fraud")
    await sign_in(browser, ctx, await new_operator(ctx, "oscar@example.com"))
    assert "Locked since" in await read(browser, f"/operator/accounts/{alice.id}/lock")
