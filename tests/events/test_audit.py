"""The chain of facts: sealing it, finding out who changed it, and who may read what is in it."""

from uuid import UUID

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from broker.apps.audit_trail import Wanted, get_link, read_trail
from broker.apps.config_vars import get_config_vars
from broker.events.audit import OVERDUE, START, Verdict, Verified, seal, verify_some
from broker.events.emit import emit
from broker.events.models import AuditLink, Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Forbidden, NotFound
from broker.kernel.ids import new_id
from broker.kernel.origin import Origin, bound_origin
from tests.addons.conftest import World

SOMEBODY = Actor(new_id(), "somebody@example.com", frozenset({Scope.GLOBAL}), authorization_id=new_id())
OPERATOR = Actor(new_id(), "operator@example.com", frozenset({Scope.GLOBAL}), is_operator=True)


async def record(ctx: Context, *kinds: str) -> None:
    async with ctx.database.transaction() as tx:
        for kind in kinds:
            await emit(tx, kind, SOMEBODY, ctx.clock.now(), name="demo", count=3, names=["a", "b"])


async def verified(ctx: Context) -> Verified:
    return await verify_some(ctx, OPERATOR)


async def forge(ctx: Context, statement: str) -> None:
    """As whoever owns the database could: without the triggers."""
    async with ctx.database.transaction() as tx:
        await tx.execute(text("set local session_replication_role = replica"))
        await tx.execute(text(statement))


async def test_every_fact_gets_its_place_in_the_order_in_which_it_was_recorded(ctx: Context) -> None:
    await record(ctx, "a.one", "a.two")
    assert await seal(ctx, most=1) == 1
    await record(ctx, "a.three")
    assert await seal(ctx) == 2
    assert await seal(ctx) == 0
    trail = await read_trail(ctx, OPERATOR, Wanted())
    assert [(entry.position, entry.kind) for entry in trail] == [(1, "a.one"), (2, "a.two"), (3, "a.three")]
    found = await verified(ctx)
    assert (found.links, found.head, found.differences, found.after, found.unsealed) == (3, 3, [], None, 0)
    assert found.digest == trail[-1].digest != START
    assert (await get_link(ctx, OPERATOR, 2)).kind == "a.two"


async def test_what_was_sealed_is_verified_in_parts(ctx: Context) -> None:
    await record(ctx, *(f"a.fact{n}" for n in range(5)))
    await seal(ctx)
    first = await verify_some(ctx, OPERATOR, 0, most=3)
    assert (first.links, first.after, first.differences) == (3, 3, [])
    rest = await verify_some(ctx, OPERATOR, 3, most=3)
    assert (rest.links, rest.after, rest.head, rest.differences) == (2, None, 5, [])


@pytest.mark.parametrize(
    ("forgery", "told"),
    [
        ("update events set actor_email = 'else@example.com' where kind = 'a.two'", "Link 2, or the fact"),
        ("update events set data = data || '{\"count\": 4}' where kind = 'a.two'", "Link 2, or the fact"),
        ("update events set at = at + interval '1 second' where kind = 'a.two'", "Link 2, or the fact"),
        ("delete from events where kind = 'a.two'", "The fact of link 2 is missing"),
        ("delete from audit_links where position = 2", "Links 2 to 2 are missing"),
        ("update audit_links set digest = sha256('x') where position = 3", "Link 3, or the fact"),
        (
            "insert into events select gen_random_uuid(), at, 'a.new', actor_id, actor_email, app_id, addon_id, data,"
            " authorization_id, client_id, address, request_id from events limit 1",
            "1 facts are in no link",
        ),
    ],
)
async def test_whoever_changes_what_was_recorded_is_found_out(ctx: Context, forgery: str, told: str) -> None:
    await record(ctx, "a.one", "a.two", "a.three")
    await seal(ctx)
    await forge(ctx, forgery)
    assert told in " ".join((await verified(ctx)).differences)


async def test_the_database_itself_refuses_to_change_facts_and_links(ctx: Context) -> None:
    await record(ctx, "a.one")
    await seal(ctx)
    for statement in (update(Event).values(kind="b.one"), delete(Event), delete(AuditLink)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with ctx.database.transaction() as tx:
                await tx.execute(statement)


async def test_facts_that_nobody_seals_are_told_and_are_no_difference(ctx: Context) -> None:
    recorded_at = ctx.clock.now()
    await record(ctx, "a.one")
    fresh = await verified(ctx)
    assert (fresh.verdict, fresh.differences, fresh.unsealed, fresh.waiting_since) == (Verdict.AGREES, [], 1, None)
    ctx.clock.advance(seconds=OVERDUE.total_seconds() + 1)  # type: ignore[attr-defined]  # the clock of the tests
    late = await verified(ctx)
    assert (late.verdict, late.differences, late.waiting_since) == (Verdict.WAITS, [], recorded_at)
    await forge(ctx, "delete from audit_unsealed")
    assert (await verified(ctx)).verdict is Verdict.DIFFERS


async def test_a_fact_says_from_where_and_with_which_token(ctx: Context) -> None:
    request_id = UUID("01234567-89ab-7def-8123-456789abcdef")
    with bound_origin(Origin("192.0.2.7", request_id)):
        await record(ctx, "a.one")
    await record(ctx, "a.two")
    async with ctx.database.transaction() as tx:
        rows = (
            await tx.execute(select(Event.address, Event.request_id, Event.authorization_id).order_by(Event.id))
        ).all()
    assert [tuple(row) for row in rows] == [
        ("192.0.2.7", request_id, SOMEBODY.authorization_id),
        (None, None, SOMEBODY.authorization_id),
    ]


async def test_users_read_what_they_did_and_what_happened_to_their_apps(world: World) -> None:
    await get_config_vars(world.ctx, world.user, world.app)
    await record(world.ctx, "a.one")
    mine = await read_trail(world.ctx, world.user, Wanted(), newest_first=True)
    assert mine[0].kind == "config_vars.read"
    assert {entry.actor_email for entry in mine} == {world.user.email}
    assert [e.kind for e in await read_trail(world.ctx, SOMEBODY, Wanted())] == ["a.one"]
    every = await read_trail(world.ctx, OPERATOR, Wanted(app=world.app, kind="config_vars"))
    assert [entry.kind for entry in every] == ["config_vars.read"]
    with pytest.raises(NotFound):
        await read_trail(world.ctx, SOMEBODY, Wanted(app=world.app))
    with pytest.raises(NotFound):
        await verify_some(world.ctx, world.user)
    with pytest.raises(Forbidden):
        await read_trail(world.ctx, Actor(world.user.id, world.user.email, frozenset({Scope.READ})), Wanted())
