"""Sign-up, reset and change of address on a real database: links once, for their purpose, and nobody learns who has an account."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from broker.accounts.change import (
    ask_for_reset,
    ask_to_change_email,
    change_email,
    change_password,
    reset_address,
    reset_password,
)
from broker.accounts.cli_logins import TOKEN_LIFE, LoginState, begin_cli_login, decide_cli_login, fetch_cli_login
from broker.accounts.emails import checked_email
from broker.accounts.login import LoginThrottle, log_in
from broker.accounts.mail_tokens import forget_links
from broker.accounts.models import Authorization, User
from broker.accounts.passwords import checked_password
from broker.accounts.proof_models import MailToken
from broker.accounts.sign_up import (
    MAILS_FROM_ONE,
    MAILS_TO_ONE,
    ask_to_sign_up,
    confirmed_address,
    invite,
    make_account,
)
from broker.accounts.two_factor import begin_app
from broker.flags.switch import set_flag
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound, Paused, RateLimited, Unauthorized
from broker.kernel.origin import Origin, bound_origin
from broker.kernel.secret import Secret
from broker.notices.models import Notice
from broker.notices.outbox import opened
from broker.oauth.sessions import begin_session, find_session
from tests.domain import new_user
from tests.platform_api.conftest import token_of

PASSWORD, OTHER = Secret("several words make a good one"), Secret("and these are several others")
NEW = "new@example.com"


async def mails(ctx: Context) -> list[Any]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Notice.__table__).order_by(Notice.created_at, Notice.id))).all())


async def link_of(ctx: Context, kind: str) -> Secret:
    """The token in the newest mail of this kind, as its reader has it."""
    row = [row for row in await mails(ctx) if row.kind == kind][-1]
    return Secret(opened(ctx.vault, row)["token"])


async def test_an_account_comes_to_be_with_the_link_and_not_before(ctx: Context) -> None:
    await ask_to_sign_up(ctx, f" {NEW} ")
    link = await link_of(ctx, "sign_up.confirm")
    with pytest.raises(Unauthorized):
        await log_in(ctx, LoginThrottle(), NEW, PASSWORD)
    assert await confirmed_address(ctx, link) == NEW, "looking does not use it up"
    made = await make_account(ctx, link, PASSWORD, "  New   Person ")
    assert (await log_in(ctx, LoginThrottle(), NEW.upper(), PASSWORD)).id == made.id
    with pytest.raises(InvalidParams, match="used already"):
        await make_account(ctx, link, OTHER, "")
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(User.name).where(User.id == made.id))).scalar() == "New Person"
        stored = repr((await tx.execute(select(MailToken.__table__))).all())
    assert link.reveal() not in stored + repr(await mails(ctx))


async def test_whether_there_is_an_account_only_the_reader_of_its_mail_is_told(ctx: Context, alice: Actor) -> None:
    assert await ask_to_sign_up(ctx, NEW) is await ask_to_sign_up(ctx, alice.email) is None  # type: ignore[func-returns-value]  # that is the point
    assert await ask_for_reset(ctx, "nobody@example.com") is await ask_for_reset(ctx, alice.email) is None  # type: ignore[func-returns-value]  # as above
    assert [(row.kind, row.address) for row in await mails(ctx)] == [
        ("sign_up.confirm", NEW),
        ("sign_up.known", alice.email),
        ("password.reset", alice.email),
    ]


async def test_links_are_for_one_purpose_and_a_short_time_and_the_newest_alone(ctx: Context, clock: Any) -> None:
    user = await new_user(ctx, "reset@example.com")
    await ask_for_reset(ctx, user.email)
    first = await link_of(ctx, "password.reset")
    with pytest.raises(InvalidParams):
        await make_account(ctx, first, PASSWORD, "")
    clock.advance(minutes=1)
    await ask_for_reset(ctx, user.email)
    second = await link_of(ctx, "password.reset")
    with pytest.raises(InvalidParams):
        await reset_password(ctx, first, PASSWORD, revoke_tokens=False)
    clock.advance(hours=1)
    with pytest.raises(InvalidParams):
        await reset_password(ctx, second, PASSWORD, revoke_tokens=False)
    clock.advance(days=40)
    await forget_links(ctx)
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(MailToken.id))).all() == []


@pytest.mark.parametrize("revoke", [True, False])
async def test_a_new_password_ends_all_sessions_voids_open_links_and_is_told(
    ctx: Context, alice: Actor, mallory: Actor, revoke: bool
) -> None:
    cookie, theirs = await begin_session(ctx, alice, "Old"), await begin_session(ctx, mallory, "Theirs")
    await token_of(ctx, alice)
    await ask_for_reset(ctx, alice.email)
    link = await link_of(ctx, "password.reset")
    await ask_to_change_email(ctx, alice, NEW)
    change = await link_of(ctx, "email.confirm")
    await reset_password(ctx, link, PASSWORD, revoke_tokens=revoke)
    assert await find_session(ctx, cookie) is None
    assert await find_session(ctx, theirs) is not None
    async with ctx.database.transaction() as tx:
        statement = select(Authorization.id).where(
            Authorization.user_id == alice.id, Authorization.revoked_at.is_(None)
        )
        assert ((await tx.execute(statement)).first() is None) is revoke
    with pytest.raises(InvalidParams):
        await change_email(ctx, alice, change)
    assert (await mails(ctx))[-1].kind == "password.changed"
    await change_password(ctx, alice, OTHER, revoke_tokens=False)
    assert (await log_in(ctx, LoginThrottle(), alice.email, OTHER)).id == alice.id


async def test_a_new_address_is_proved_before_it_counts_and_the_old_one_is_told(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await ask_to_change_email(ctx, alice, NEW)
    link = await link_of(ctx, "email.confirm")
    with pytest.raises(InvalidParams, match="another account"):
        await change_email(ctx, mallory, link)
    assert await change_email(ctx, alice, link) == NEW
    told = (await mails(ctx))[-1]
    assert (told.kind, told.address) == ("email.changed", alice.email)
    before = len(await mails(ctx))
    await ask_to_change_email(ctx, alice, mallory.email)
    assert len(await mails(ctx)) == before, "nobody is asked whether their address may be taken"


async def test_an_address_that_was_taken_meanwhile_is_a_conflict(ctx: Context, alice: Actor) -> None:
    await ask_to_change_email(ctx, alice, NEW)
    change = await link_of(ctx, "email.confirm")
    await ask_to_sign_up(ctx, NEW)
    made = await link_of(ctx, "sign_up.confirm")
    await make_account(ctx, made, PASSWORD, "")
    with pytest.raises(Conflict):
        await change_email(ctx, alice, change)


async def test_nobodys_mailbox_is_filled_and_nobody_asks_for_mails_without_end(ctx: Context) -> None:
    for _ in range(MAILS_TO_ONE.most + 2):
        await ask_to_sign_up(ctx, NEW)
    assert len(await mails(ctx)) == MAILS_TO_ONE.most
    for number in range(MAILS_FROM_ONE.most):  # of all the addresses that one subscriber has
        with bound_origin(Origin(f"2001:db8:0:1::{number:x}")):
            await ask_for_reset(ctx, f"somebody{number}@example.com")
    with bound_origin(Origin("2001:db8:0:1:ffff::1")), pytest.raises(RateLimited):
        await ask_for_reset(ctx, "another@example.com")
    with bound_origin(Origin("2001:db8:0:2::1")):
        await ask_for_reset(ctx, "another@example.com")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8:0:1::9", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, None),
    ],
)
def test_attempts_are_counted_by_what_one_subscriber_has(address: str | None, place: str | None) -> None:
    assert Origin(address).place == place


async def test_mails_that_others_ask_for_do_not_keep_the_owner_from_a_new_password(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    for _ in range(MAILS_TO_ONE.most + 1):
        await ask_to_sign_up(ctx, alice.email)
        await ask_to_change_email(ctx, mallory, alice.email)
    await ask_for_reset(ctx, alice.email)
    assert await reset_address(ctx, await link_of(ctx, "password.reset")) == alice.email


async def test_a_new_password_takes_back_what_was_begun_with_the_old_one(ctx: Context, alice: Actor) -> None:
    secret = await begin_app(ctx, alice)
    begun = await begin_cli_login(ctx, "Somebody's")
    page = begun.page.reveal()
    await decide_cli_login(ctx, alice, page, allowed=True, session_id=None)
    await change_password(ctx, alice, PASSWORD, revoke_tokens=True)
    assert await fetch_cli_login(ctx, page, begun.token, TOKEN_LIFE) is LoginState.REFUSED
    assert (await begin_app(ctx, alice)).reveal() != secret.reveal()


async def test_operators_invite_and_others_do_not_know_that_they_can(ctx: Context, alice: Actor) -> None:
    with pytest.raises(NotFound):
        await invite(ctx, alice, NEW)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == alice.id).values(is_operator=True))
    operator = Actor(alice.id, alice.email, alice.scopes, is_operator=True)
    assert await invite(ctx, operator, NEW) == NEW
    made = await make_account(ctx, await link_of(ctx, "sign_up.invited"), PASSWORD, "")
    assert not made.is_operator
    with pytest.raises(Conflict):
        await invite(ctx, operator, NEW)


@pytest.mark.parametrize(
    "text", ["", "no", "a@b@c", "a b@c.de", "a@b\r\nBcc: c@d", "x" * 65 + "@b.de", "é@b.de", ".a@b", "a@b,c@d"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams):
        checked_email(text)


@pytest.mark.parametrize(
    "text", ["short", "aaaaaaaaaaaa", "alice@example.com", "Password123!", "1234567890", "x" * 1025]
)
def test_what_is_guessed_first_is_no_password(text: str) -> None:
    with pytest.raises(InvalidParams):
        checked_password(Secret(text), "alice@example.com")


async def test_of_two_that_follow_a_link_at_the_same_moment_one_makes_the_account(live_ctx: Context) -> None:
    await ask_to_sign_up(live_ctx, NEW)
    link = await link_of(live_ctx, "sign_up.confirm")
    tries: list[Callable[[], Awaitable[Actor]]] = [lambda: make_account(live_ctx, link, PASSWORD, "")] * 2
    came = await asyncio.gather(*(one() for one in tries), return_exceptions=True)
    assert sorted(type(one).__name__ for one in came) == ["Actor", "InvalidParams"]


async def test_while_sign_up_is_off_links_of_before_make_no_account_and_invitations_do(
    ctx: Context, alice: Actor
) -> None:
    operator = replace(alice, is_operator=True)
    await ask_to_sign_up(ctx, NEW)
    await invite(ctx, operator, "guest@example.com")
    link, invitation = await link_of(ctx, "sign_up.confirm"), await link_of(ctx, "sign_up.invited")
    await set_flag(ctx, operator, "sign-up", False, "too many robots")
    with pytest.raises(Paused, match="too many robots"):
        await make_account(ctx, link, PASSWORD, "")
    assert (await make_account(ctx, invitation, PASSWORD, "")).email == "guest@example.com"
    await set_flag(ctx, operator, "sign-up", True, "they are gone")
    assert (await make_account(ctx, link, PASSWORD, "")).email == NEW
