"""The table of outcomes, row by row, as its reader understands it: what the heart makes of each answer to each call.

Written down here once more, by hand and in the terms of what is seen in the end, so that a slip in the table is noticed.
"""

from dataclasses import dataclass

import pytest
from sqlalchemy import select

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.models import Addon, Operation, OperationKind, Orphan
from broker.addons.outcomes import TABLE
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.catalog.models import Plan
from tests.addons.conftest import World, done

# answer           after one such answer · if it is the only answer ever: operation, add-on, in the orphan ledger?, what is said
PROVISION = """
done               succeeded   succeeded  provisioned    -       -
accepted           waiting     failed     deprovisioned  orphan  did not finish in time
refused            failed      failed     deprovisioned  -       Out of stock.
unauthorized       failed      failed     deprovisioned  -       not set up correctly
missing            failed      failed     deprovisioned  -       not set up correctly
gone               failed      failed     deprovisioned  -       failed to answer properly
timeout_status     pending     failed     deprovisioned  orphan  failed to answer properly
throttled          pending     failed     deprovisioned  -       overloaded
client_error       failed      failed     deprovisioned  -       failed to answer properly
server_error       pending     failed     deprovisioned  orphan  failed to answer properly
redirect           failed      failed     deprovisioned  -       not set up correctly
malformed          pending     failed     deprovisioned  orphan  failed to answer properly
oversized          pending     failed     deprovisioned  orphan  failed to answer properly
not_sent           pending     failed     deprovisioned  -       can't be reached
lost               pending     failed     deprovisioned  orphan  failed to answer properly
"""
PLAN_CHANGE = """
done               succeeded   succeeded  huge           -       -
accepted           succeeded   succeeded  huge           -       -
refused            failed      failed     big            -       Out of stock.
unauthorized       failed      failed     big            -       not set up correctly
missing            failed      failed     big            -       not set up correctly
gone               failed      failed     big            -       failed to answer properly
timeout_status     pending     failed     big            -       failed to answer properly
throttled          pending     failed     big            -       overloaded
client_error       failed      failed     big            -       failed to answer properly
server_error       pending     failed     big            -       failed to answer properly
redirect           failed      failed     big            -       not set up correctly
malformed          pending     failed     big            -       failed to answer properly
oversized          pending     failed     big            -       failed to answer properly
not_sent           pending     failed     big            -       can't be reached
lost               pending     failed     big            -       failed to answer properly
"""
PLAN_RESTORE = """
done               succeeded   succeeded  big            -       -
accepted           succeeded   succeeded  big            -       -
missing            failed      failed     big            -       failed to answer properly
gone               failed      failed     big            -       failed to answer properly
refused            pending     failed     big            -       Out of stock.
unauthorized       pending     failed     big            -       failed to answer properly
timeout_status     pending     failed     big            -       failed to answer properly
throttled          pending     failed     big            -       failed to answer properly
client_error       pending     failed     big            -       failed to answer properly
server_error       pending     failed     big            -       failed to answer properly
redirect           pending     failed     big            -       failed to answer properly
malformed          pending     failed     big            -       failed to answer properly
oversized          pending     failed     big            -       failed to answer properly
not_sent           pending     failed     big            -       failed to answer properly
lost               pending     failed     big            -       failed to answer properly
"""
DEPROVISION = """
done               succeeded   succeeded  deprovisioned  -       -
missing            succeeded   succeeded  deprovisioned  -       -
gone               succeeded   succeeded  deprovisioned  -       -
accepted           waiting     failed     deprovisioned  orphan  did not confirm the removal in time
refused            pending     failed     deprovisioned  orphan  Out of stock.
unauthorized       pending     failed     deprovisioned  orphan  failed to answer properly
timeout_status     pending     failed     deprovisioned  orphan  failed to answer properly
throttled          pending     failed     deprovisioned  orphan  failed to answer properly
client_error       pending     failed     deprovisioned  orphan  failed to answer properly
server_error       pending     failed     deprovisioned  orphan  failed to answer properly
redirect           pending     failed     deprovisioned  orphan  failed to answer properly
malformed          pending     failed     deprovisioned  orphan  failed to answer properly
oversized          pending     failed     deprovisioned  orphan  failed to answer properly
not_sent           pending     failed     deprovisioned  orphan  failed to answer properly
lost               pending     failed     deprovisioned  orphan  failed to answer properly
"""


@dataclass(frozen=True)
class Expected:
    """One row."""

    kind: OperationKind
    answer: Answer
    first: str
    last: str
    addon: str
    orphan: bool
    said: str | None


def rows(kind: OperationKind, text: str) -> list[Expected]:
    found = []
    for line in text.strip().splitlines():
        answer, first, last, addon, orphan, said = line.split(maxsplit=5)
        found.append(
            Expected(kind, Answer(answer), first, last, addon, orphan == "orphan", None if said == "-" else said)
        )
    return found


EXPECTED = [
    *rows(OperationKind.PROVISION, PROVISION),
    *rows(OperationKind.PLAN_CHANGE, PLAN_CHANGE),
    *rows(OperationKind.PLAN_RESTORE, PLAN_RESTORE),
    *rows(OperationKind.DEPROVISION, DEPROVISION),
]


def reply(answer: Answer) -> Reply:
    if answer is Answer.DONE:
        return done()
    return Reply(answer, message="Out of stock." if answer is Answer.REFUSED else None)


async def begin(world: World, kind: OperationKind) -> str:
    """Have an operation of this kind pending; the name of its add-on."""
    if kind is OperationKind.PROVISION:
        return (await world.create("store:big")).name
    addon = await world.provisioned("store:big")
    key = AddonKey(addon.name)
    if kind in (OperationKind.PLAN_CHANGE, OperationKind.PLAN_RESTORE):
        await change_plan(world.ctx, world.user, key, "store:huge")
        if kind is OperationKind.PLAN_RESTORE:
            world.provider.will(Reply(Answer.LOST), Reply(Answer.REFUSED, message="Out of stock."))
            await world.run()
            await world.run(minutes=1)
    else:
        await destroy_addon(world.ctx, world.user, key)
    return addon.name


async def newest(world: World) -> tuple[str, str | None]:
    async with world.ctx.database.transaction() as tx:
        statement = select(Operation.state, Operation.reason).order_by(Operation.created_at.desc(), Operation.id.desc())
        state, reason = (await tx.execute(statement.limit(1))).one()
        return state, reason


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: f"{row.kind}-{row.answer}")
async def test_what_is_made_of_an_answer(world: World, row: Expected) -> None:
    name = await begin(world, row.kind)
    world.ctx.clock.advance(seconds=1)
    world.provider.will(*[reply(row.answer)] * 100)
    await world.run()
    assert (await newest(world))[0] == row.first
    for _ in range(5):
        await world.run(hours=13)
    state, reason = await newest(world)
    assert (state, row.said or "") == (row.last, row.said if row.said and reason and row.said in reason else "")
    async with world.ctx.database.transaction() as tx:
        addon = (
            await tx.execute(
                select(Addon.id, Addon.state, Plan.slug).join(Plan, Plan.id == Addon.plan_id).where(Addon.name == name)
            )
        ).one()
        orphans = len((await tx.execute(select(Orphan.id).where(Orphan.addon_id == addon.id))).all())
    assert row.addon in (addon.state, addon.slug)
    assert orphans == row.orphan


def test_every_row_of_the_table_is_here() -> None:
    ours = {(row.kind, row.answer) for row in EXPECTED}
    table = {(kind, answer) for kind in {row.kind for row in EXPECTED} for answer in TABLE[kind]}
    assert table - ours == {(kind, Answer.DEADLINE) for kind in {row.kind for row in EXPECTED}}, "seen by `accepted`"
