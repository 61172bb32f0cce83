"""Whether an address has an account is not told by what is done about it either: statement for statement it is the same."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from broker.accounts.change import ask_for_reset, ask_to_change_email
from broker.accounts.proof_models import MailToken
from broker.accounts.sign_up import ask_to_sign_up
from broker.kernel.context import Actor, Context
from broker.notices.models import Notice


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """What is asked of the database meanwhile, without what only frames it."""
    asked: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.lower().startswith(("savepoint", "release", "rollback")):
            asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", heard)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", heard)


async def kept(ctx: Context, address: str) -> tuple[list[str], list[str]]:
    """Links and mails for an address."""
    async with ctx.database.transaction() as tx:
        links = await tx.execute(select(MailToken.purpose).where(MailToken.email == address))
        mails = await tx.execute(select(Notice.kind).where(Notice.address == address))
        return list(links.scalars()), list(mails.scalars())


@pytest.fixture
def deeds(ctx: Context, alice: Actor) -> dict[str, Callable[[str], Awaitable[object]]]:
    return {
        "reset": lambda address: ask_for_reset(ctx, address),
        "sign up": lambda address: ask_to_sign_up(ctx, address),
        "change": lambda address: ask_to_change_email(ctx, alice, address),
    }


@pytest.mark.parametrize("what", ["reset", "sign up", "change"])
async def test_the_same_is_done_whoever_is_there(
    ctx: Context, mallory: Actor, deeds: dict[str, Callable[[str], Awaitable[object]]], what: str
) -> None:
    nobody = "nobody@example.com"
    with statements(ctx.database.engine) as of_mallory:
        await deeds[what](mallory.email)
    with statements(ctx.database.engine) as of_nobody:
        await deeds[what](nobody)
    assert of_mallory == of_nobody
    assert len([each for each in of_nobody if each.lower().startswith("insert")]) > 2
    told = {"reset": (["reset"], []), "sign up": (["sign_up"], ["sign_up"]), "change": ([], ["change_email"])}
    assert ((await kept(ctx, mallory.email))[0], (await kept(ctx, nobody))[0]) == told[what]
    mails = {"reset": 1, "sign up": 2, "change": 1}
    assert len((await kept(ctx, mallory.email))[1] + (await kept(ctx, nobody))[1]) == mails[what]
