"""Making an account: an address asks for it or is invited, a link in a mail proves it, and then a password is chosen.

The account comes to be with the link and not before: nobody prepares an account, or a password, for somebody else's address.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.brakes import Allowance, count
from broker.accounts.emails import checked_email, user_with
from broker.accounts.mail_tokens import Link, Purpose, look_at, new_link, use_up
from broker.accounts.models import User
from broker.accounts.passwords import checked_password, hash_password
from broker.events.emit import emit
from broker.flags.models import Flag
from broker.flags.switch import check_on
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, RateLimited
from broker.kernel.ids import new_id
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret
from broker.notices.outbox import send_secrets

LONGEST_NAME: Final = 100
MAILS_TO_ONE: Final = Allowance("mails to one address", 3, timedelta(hours=1), "")
MAILS_FROM_ONE: Final = Allowance(
    "mails from one address",
    20,
    timedelta(hours=1),
    "Too many mails were asked for from your network address; try again in an hour.",
)


async def ask_to_sign_up(ctx: Context, email: str) -> None:
    """Send a link to whoever reads the mail of this address. Whether there is an account already, only that reader is told: the
    same is done in both cases, but that a mail about an account there is does not hold the link.

    Raises: InvalidParams for what is no address; RateLimited for who asks too often, from wherever to whomever; Paused.
    """
    address = checked_email(email)
    await check_open(ctx)
    if not await may_mail(ctx, Purpose.SIGN_UP, address):
        return
    async with ctx.database.transaction() as tx:
        known = await user_with(tx, address)
        kind = "sign_up.confirm" if known is None else "sign_up.known"
        await _send_link(ctx, tx, Purpose.SIGN_UP, kind, address, {"email": address})


async def check_open(ctx: Context) -> None:
    """Go on unless the operators let nobody make an account by themselves for the time being.

    Raises: Paused.
    """
    async with ctx.database.transaction() as tx:
        await check_on(tx, Flag.SIGN_UP)


async def invite(ctx: Context, actor: Actor, email: str) -> str:
    """Invite an address to make an account; the address. For operators.

    Raises: NotFound for everybody else, InvalidParams, Conflict if there is an account.
    """
    actor.require_operator()
    address = checked_email(email)
    async with ctx.database.transaction() as tx:
        if await user_with(tx, address) is not None:
            raise Conflict(f"There is an account for {address} already.")
        facts = {"email": address, "inviter": actor.email}
        await _send_link(ctx, tx, Purpose.INVITATION, "sign_up.invited", address, facts)
        await emit(tx, "account.invited", actor, ctx.clock.now(), email=address)
    return address


async def confirmed_address(ctx: Context, token: Secret) -> str:
    """Which address a link is about. Does not use it up.

    Raises: InvalidParams.
    """
    async with ctx.database.transaction() as tx:
        return (await look_at(tx, token, ctx.clock.now(), Purpose.SIGN_UP, Purpose.INVITATION)).email


async def make_account(ctx: Context, token: Secret, password: Secret, name: str) -> Actor:
    """Make the account of the address that the link was sent to, and use the link up.

    Transactions: one, after the slow hashing.
    Raises: InvalidParams for the link, the password or the name; Conflict if there is an account by now; Paused for those who
    were not invited, whose link stays good.
    """
    address = await confirmed_address(ctx, token)
    called = checked_name(name)
    hashed = await hash_password(checked_password(password, address))
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        link = await use_up(tx, token, now, Purpose.SIGN_UP, Purpose.INVITATION)
        if link.purpose is Purpose.SIGN_UP:
            await check_on(tx, Flag.SIGN_UP)
        made = await _insert(ctx, tx, link, hashed, called)
        await emit(tx, "account.created", made, now, invited=link.purpose is Purpose.INVITATION)
    return made


async def _insert(ctx: Context, tx: Tx, link: Link, hashed: str, name: str | None) -> Actor:
    now, user_id = ctx.clock.now(), new_id()
    row = {"id": user_id, "email": link.email, "name": name, "password_hash": hashed, "last_login": now}
    statement = insert(User).values(**row, created_at=now, updated_at=now)
    statement = statement.on_conflict_do_nothing(index_elements=[text("lower(email)")])
    if (await tx.execute(statement)).rowcount != 1:
        raise Conflict("There is an account for this address already. Sign in, or choose a new password.")
    return Actor(user_id, link.email, frozenset({Scope.GLOBAL}))


async def may_mail(ctx: Context, purpose: Purpose, address: str) -> bool:
    """Whether another mail may be asked for. Nobody's mailbox is filled by others, who are not told either.

    Counted for each purpose: whoever asks for others in somebody's name does not keep the owner from a new password.
    Raises: RateLimited when it is the one who asks that asks too often.
    """
    await count(ctx, MAILS_FROM_ONE, current_origin().place or "")
    try:
        await count(ctx, MAILS_TO_ONE, purpose, address)
    except RateLimited:
        return False
    return True


async def _send_link(ctx: Context, tx: Tx, purpose: Purpose, kind: str, address: str, facts: dict[str, str]) -> None:
    now = ctx.clock.now()
    token, until = await new_link(tx, purpose, address, now)
    await send_secrets(tx, ctx.vault, address, kind, facts, {"token": token}, now, until)


def checked_name(text: str) -> str | None:
    """What somebody wants to be called, if it fits; nothing is nothing.

    Raises: InvalidParams.
    """
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidParams(f"name: must have at most {LONGEST_NAME} characters, all of them visible.")
    return name or None
