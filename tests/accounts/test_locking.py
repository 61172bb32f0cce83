"""Locking accounts: who may, what goes on, what comes back, and that a lock wins against whatever is made at the same moment."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from broker.accounts.authenticate import authenticate
from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.locking import get_lock, list_locked, lock_account, unlock_account
from broker.accounts.models import Authorization, User
from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team, get_team
from broker.apps.team_invitations import accept_invitation, invite_to_team
from broker.apps.team_members import put_team_member, remove_team_member
from broker.apps.team_rescue import appoint_owner
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import AccountLocked, Conflict, InvalidParams, NotFound, Unauthorized
from broker.kernel.secret import Secret
from broker.notices.models import Notice
from broker.oauth.models import BrowserSession
from broker.oauth.sessions import begin_session, find_session
from tests.domain import new_user


async def new_operator(ctx: Context, email: str) -> Actor:
    operator = replace(await new_user(ctx, email), is_operator=True)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == operator.id).values(is_operator=True))
    return operator


async def new_token(ctx: Context, actor: Actor) -> Secret:
    made = await create_authorization(ctx, actor, CreateAuthorization("test"))
    assert made.token is not None
    return made.token


async def facts(ctx: Context, kind: str) -> list[dict[str, object]]:
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(Event.kind, Event.data).where(Event.kind.startswith(kind)).order_by(Event.id))
        return [{"kind": row.kind, **row.data} for row in rows]


async def test_a_lock_is_made_once_is_told_and_comes_off_with_everything_but_sessions(
    ctx: Context, alice: Actor
) -> None:
    olga = await new_operator(ctx, "olga@example.com")
    token, cookie = await new_token(ctx, alice), await begin_session(ctx, alice, "Firefox")
    first = await lock_account(ctx, olga, "ALICE@example.com", "  a  chargeback ")
    assert (first.locked_at, first.locked_by) == (ctx.wall.now(), "olga@example.com")
    ctx.clock.advance(minutes=1)  # type: ignore[attr-defined]  # it stands still in tests
    assert await lock_account(ctx, olga, str(alice.id), "a chargeback") == first
    assert await list_locked(ctx, olga) == [first]
    other = await lock_account(ctx, olga, alice.email, "and fraud")
    assert (other.locked_at, other.locked_reason) == (first.locked_at, "and fraud")
    with pytest.raises(AccountLocked):
        await authenticate(ctx, token)
    for _ in range(2):
        after = await unlock_account(ctx, olga, alice.email, "it was a mistake")
        assert (after.locked_at, after.locked_reason, after.locked_by) == (None, None, None)
    assert (await authenticate(ctx, token)).id == alice.id
    assert await find_session(ctx, cookie) is None
    assert [(fact["kind"], fact["reason"]) for fact in await facts(ctx, "account.")] == [
        ("account.locked", "a chargeback"),
        ("account.locked", "and fraud"),
        ("account.unlocked", "it was a mistake"),
    ]
    async with ctx.database.transaction() as tx:
        told = (await tx.execute(select(Notice.kind).where(Notice.kind.startswith("account.")))).scalars()
        assert sorted(told) == ["account.locked", "account.unlocked"]


async def test_with_a_lock_tokens_can_be_revoked_for_ever(ctx: Context, alice: Actor) -> None:
    olga, token = await new_operator(ctx, "olga@example.com"), await new_token(ctx, alice)
    await lock_account(ctx, olga, alice.email, "taken over")
    await lock_account(ctx, olga, alice.email, "taken over", revoke_tokens=True)
    with pytest.raises(Unauthorized):
        await authenticate(ctx, token)
    await unlock_account(ctx, olga, alice.email)
    with pytest.raises(Unauthorized):
        await authenticate(ctx, token)


async def test_operators_alone_lock_and_never_themselves(ctx: Context, alice: Actor, mallory: Actor) -> None:
    olga = await new_operator(ctx, "olga@example.com")
    for deed in (lock_account(ctx, alice, mallory.email, "why"), get_lock(ctx, alice, mallory.email)):
        with pytest.raises(NotFound):
            await deed
    with pytest.raises(Conflict, match="another operator"):
        await lock_account(ctx, olga, olga.email, "holidays")
    for reason in ("", " \n ", "x" * 501, "a\x00b"):
        with pytest.raises(InvalidParams, match="reason"):
            await lock_account(ctx, olga, alice.email, reason)
    await create_team(ctx, alice, "acme")
    for key in ("nobody@example.com", "acme@herokumanager.com", "\0", str((await get_team(ctx, alice, "acme")).id)):
        with pytest.raises(NotFound):
            await lock_account(ctx, olga, key, "why")


async def test_a_team_whose_owners_are_all_locked_out_gets_one_from_an_operator(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    olga, bob = await new_operator(ctx, "olga@example.com"), await new_user(ctx, "bob@example.com")
    await create_team(ctx, alice, "acme")
    await put_team_member(ctx, alice, "acme", bob.email, TeamRole.MEMBER)
    await invite_to_team(ctx, alice, "acme", mallory.email, TeamRole.ADMIN)
    with pytest.raises(NotFound):
        await appoint_owner(ctx, bob, "acme", bob.email)
    with pytest.raises(Conflict, match="alice@example"):
        await appoint_owner(ctx, olga, "acme", bob.email)
    await lock_account(ctx, olga, alice.email, "gone with the keys")
    await lock_account(ctx, olga, mallory.email, "a friend of hers")
    with pytest.raises(AccountLocked):
        await appoint_owner(ctx, olga, "acme", mallory.email)
    with pytest.raises(AccountLocked):
        await accept_invitation(ctx, mallory, key="acme")
    assert (await appoint_owner(ctx, olga, "acme", bob.email)).role is TeamRole.OWNER
    with pytest.raises(Conflict, match="last owner"):
        await remove_team_member(ctx, bob, "acme", bob.email)
    assert (await get_team(ctx, bob, "acme")).role is TeamRole.OWNER


async def test_what_is_made_while_an_account_is_being_locked_is_not_made_or_not_good(live_ctx: Context) -> None:
    olga, alice = await new_operator(live_ctx, "olga@example.com"), await new_user(live_ctx, "alice@example.com")
    making = [create_authorization(live_ctx, alice, CreateAuthorization(f"token {n}")) for n in range(3)]
    opening = [begin_session(live_ctx, alice, f"browser {n}") for n in range(3)]
    locking = [lock_account(live_ctx, olga, alice.email, "taken over", revoke_tokens=True) for _ in range(2)]
    done = await asyncio.gather(making[0], opening[0], *locking, *making[1:], *opening[1:], return_exceptions=True)
    assert all(isinstance(each, AccountLocked) or not isinstance(each, BaseException) for each in done), done
    await unlock_account(live_ctx, olga, alice.email)
    async with live_ctx.database.transaction() as tx:
        live = select(Authorization.id).where(Authorization.user_id == alice.id, Authorization.revoked_at.is_(None))
        assert (await tx.execute(live)).all() == []
        open_ = select(BrowserSession.id).where(BrowserSession.user_id == alice.id, BrowserSession.ended_at.is_(None))
        assert (await tx.execute(open_)).all() == []


async def test_of_two_operators_who_lock_each_other_one_stays(live_ctx: Context) -> None:
    olga, oscar = [await new_operator(live_ctx, f"{name}@example.com") for name in ("olga", "oscar")]
    done = await asyncio.gather(
        lock_account(live_ctx, olga, oscar.email, "rogue"),
        lock_account(live_ctx, oscar, olga.email, "rogue"),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in done) == ["AccountLocked", "LockView"]
