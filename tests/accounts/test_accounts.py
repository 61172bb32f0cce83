"""Signing in, API tokens, and the first account."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.accounts.account import get_account
from broker.accounts.authenticate import authenticate
from broker.accounts.authorizations import (
    AuthorizationView,
    CreateAuthorization,
    create_authorization,
    describe_authorization,
    get_authorization,
    list_authorizations,
    renew_authorization,
    revoke_authorization,
)
from broker.accounts.login import ATTEMPTS, LoginThrottle, log_in
from broker.accounts.models import Authorization, User
from broker.accounts.seed import ensure_account
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Forbidden, InvalidParams, NotFound, RateLimited, Unauthorized
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from tests.domain import StoppedClock, with_scopes

PASSWORD = Secret("correct horse battery staple")
TOKEN = Secret("HRKU-0123456789abcdef")


@pytest.fixture
async def bob(ctx: Context) -> str:
    await ensure_account(ctx, "Bob@Example.com", PASSWORD, TOKEN)
    return "Bob@Example.com"


async def made(
    ctx: Context, actor: Actor, *scopes: Scope, life: timedelta | None = None
) -> tuple[AuthorizationView, Secret]:
    request = CreateAuthorization("test", scopes or None, life)
    view = await create_authorization(ctx, actor, request)
    assert view.token is not None
    return view, view.token


async def test_a_login_gives_the_account_whatever_the_case_of_the_address(ctx: Context, bob: str) -> None:
    actor = await log_in(ctx, LoginThrottle(), "bob@EXAMPLE.com", PASSWORD)
    assert (actor.email, actor.scopes) == (bob, {Scope.GLOBAL})
    account = await get_account(ctx, actor)
    assert (account.email, account.last_login) == (bob, ctx.clock.now())


@pytest.mark.usefixtures("bob")
@pytest.mark.parametrize(
    ("email", "password"),
    [("bob@example.com", "wrong"), ("nobody@example.com", "x"), ("a\0b", "x"), ("\ud800", "\ud800"), ("", "x" * 2000)],
)
async def test_a_wrong_login_is_refused_in_the_same_words(ctx: Context, email: str, password: str) -> None:
    with pytest.raises(Unauthorized, match=r"^Invalid e-mail address or password\.$"):
        await log_in(ctx, LoginThrottle(), email, Secret(password))


async def test_guessing_is_stopped_for_a_minute_for_that_address_only(
    ctx: Context, clock: StoppedClock, bob: str
) -> None:
    throttle = LoginThrottle()
    for _ in range(ATTEMPTS):
        throttle.begin(f"account {bob}", clock.now())
    with pytest.raises(RateLimited):
        await log_in(ctx, throttle, bob.upper(), PASSWORD)
    throttle.begin("account somebody@else.example", clock.now())
    clock.advance(seconds=61)
    assert await log_in(ctx, throttle, bob, PASSWORD)


async def test_a_token_is_stored_as_a_hash_and_shown_once(ctx: Context, alice: Actor) -> None:
    view, token = await made(ctx, alice)
    assert re.fullmatch(r"HRKU-[A-Za-z0-9_-]{43}", token.reveal())
    assert token.reveal() not in repr(view)
    (listed,) = await list_authorizations(ctx, alice)
    assert (listed.token, listed.hint) == (None, token.reveal()[:8] + "*" * 10 + token.reveal()[-4:])
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(Authorization))).one()
    assert token.reveal() not in str(row)


async def test_a_token_stands_for_its_user_with_its_scopes(ctx: Context, alice: Actor) -> None:
    view, token = await made(ctx, alice, Scope.READ, Scope.IDENTITY)
    actor = await authenticate(ctx, token)
    assert actor == Actor(alice.id, alice.email, frozenset({Scope.READ, Scope.IDENTITY}), view.id)


@pytest.mark.parametrize("token", ["", "HRKU-", "HRKU-" + "x" * 43, "\0", "\ud800", "x" * 100_000])
async def test_an_unknown_token_is_refused(ctx: Context, token: str) -> None:
    with pytest.raises(Unauthorized):
        await authenticate(ctx, Secret(token))


async def test_a_token_ends_when_it_expires(ctx: Context, alice: Actor, clock: StoppedClock) -> None:
    _, token = await made(ctx, alice, life=timedelta(hours=1))
    clock.advance(minutes=59)
    assert await authenticate(ctx, token)
    clock.advance(minutes=1)
    with pytest.raises(Unauthorized):
        await authenticate(ctx, token)
    assert await list_authorizations(ctx, alice) == []


async def test_a_revoked_token_is_void_at_once(ctx: Context, alice: Actor) -> None:
    view, token = await made(ctx, alice)
    revoked = await revoke_authorization(ctx, await authenticate(ctx, token), "~")
    assert (revoked.id, revoked.description) == (view.id, "test")
    with pytest.raises(Unauthorized):
        await authenticate(ctx, token)
    with pytest.raises(NotFound):
        await revoke_authorization(ctx, alice, str(view.id))


async def test_a_renewed_token_replaces_the_old_one(ctx: Context, alice: Actor) -> None:
    view, old = await made(ctx, alice, Scope.READ)
    renewed = await renew_authorization(ctx, alice, str(view.id))
    assert renewed.token is not None
    assert renewed.token != old
    assert (await authenticate(ctx, renewed.token)).scopes == {Scope.READ}
    with pytest.raises(Unauthorized):
        await authenticate(ctx, old)


async def test_a_description_can_be_changed(ctx: Context, alice: Actor) -> None:
    view, _ = await made(ctx, alice)
    assert (await describe_authorization(ctx, alice, str(view.id), "laptop")).description == "laptop"
    assert (await get_authorization(ctx, alice, str(view.id))).description == "laptop"
    for description in ("x" * 201, "a\0b"):
        with pytest.raises(InvalidParams, match=r"^description: "):
            await describe_authorization(ctx, alice, str(view.id), description)


async def test_tokens_of_others_are_not_there(ctx: Context, alice: Actor, mallory: Actor) -> None:
    view, _ = await made(ctx, alice)
    assert await list_authorizations(ctx, mallory) == []
    for key in (str(view.id), str(new_id()), "x", "~"):
        with pytest.raises(NotFound, match="authorization"):
            await get_authorization(ctx, mallory, key)


async def test_a_lesser_token_makes_no_token_and_sees_only_itself(ctx: Context, alice: Actor) -> None:
    other, _ = await made(ctx, alice)
    view, token = await made(ctx, alice, Scope.WRITE_PROTECTED)
    lesser = await authenticate(ctx, token)
    with pytest.raises(Forbidden):
        await made(ctx, lesser)
    with pytest.raises(Forbidden):
        await revoke_authorization(ctx, lesser, str(other.id))
    assert (await get_authorization(ctx, lesser, str(view.id))).id == view.id


@pytest.mark.parametrize(
    "request_",
    [
        CreateAuthorization(scopes=["everything"]),
        CreateAuthorization(scopes=[]),
        CreateAuthorization(expires_in=timedelta(seconds=-1)),
        CreateAuthorization(expires_in=timedelta(days=99_999)),
    ],
)
async def test_an_impossible_token_is_refused(ctx: Context, alice: Actor, request_: CreateAuthorization) -> None:
    with pytest.raises(InvalidParams):
        await create_authorization(ctx, alice, request_)


async def test_a_token_without_a_wish_lives_as_long_as_the_broker_allows(ctx: Context, alice: Actor) -> None:
    view = await create_authorization(ctx, alice, CreateAuthorization(), default_life=timedelta(days=1))
    assert view.expires_at == ctx.clock.now() + timedelta(days=1)


async def test_an_account_without_a_password_cannot_log_in(ctx: Context, alice: Actor) -> None:
    with pytest.raises(Unauthorized):
        await log_in(ctx, LoginThrottle(), alice.email, Secret(""))


async def test_a_token_that_may_not_read_the_identity_is_told_so(ctx: Context, alice: Actor) -> None:
    with pytest.raises(Forbidden, match="identity"):
        await get_account(ctx, with_scopes(alice))


async def test_the_first_account_is_made_once_and_follows_its_file(ctx: Context) -> None:
    first = await ensure_account(ctx, "me@example.com", PASSWORD, TOKEN)
    async with ctx.database.transaction() as tx:
        before = (await tx.execute(select(User))).all()
    assert await ensure_account(ctx, "ME@example.com", PASSWORD, TOKEN) == first
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(User))).all() == before
    await revoke_authorization(ctx, await authenticate(ctx, TOKEN), "~")
    assert await ensure_account(ctx, "me@example.com", Secret("another"), TOKEN) == first
    assert (await authenticate(ctx, TOKEN)).id == first
    assert (await log_in(ctx, LoginThrottle(), "me@example.com", Secret("another"))).id == first


async def test_an_operator_stays_one_and_only_a_whole_token_acts_as_one(ctx: Context) -> None:
    await ensure_account(ctx, "me@example.com", PASSWORD, TOKEN, operator=True)
    await ensure_account(ctx, "me@example.com", PASSWORD, TOKEN)
    actor = await authenticate(ctx, TOKEN)
    actor.require_operator()
    (await log_in(ctx, LoginThrottle(), "me@example.com", PASSWORD)).require_operator()
    _, narrow = await made(ctx, actor, Scope.READ)
    with pytest.raises(Forbidden, match="global"):
        (await authenticate(ctx, narrow)).require_operator()


@pytest.mark.usefixtures("bob")
async def test_to_everybody_else_what_operators_do_does_not_exist(ctx: Context) -> None:
    with pytest.raises(NotFound):
        (await authenticate(ctx, TOKEN)).require_operator()
