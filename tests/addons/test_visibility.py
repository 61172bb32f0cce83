"""What is looked up for somebody is found by indexes: nobody reads everybody's rows to show a few."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from broker.addons import queries, resolve
from broker.addons.models import Addon, AddonState
from broker.addons.visibility import may_open, visible_addon, visible_attachment
from broker.apps import resolve as apps
from broker.apps.models import App
from broker.apps.visibility import viewer, viewing
from broker.kernel.context import Actor, Context
from broker.kernel.direct import Direct
from tests.domain import START

CROWD = """
    set local session_replication_role = replica;
    create function pg_temp.id(n bigint) returns uuid language sql as $$ select lpad(to_hex(n), 32, '0')::uuid $$;
    insert into users (id, email, created_at, updated_at)
        select pg_temp.id(g), 'user-' || g, now(), now() from generate_series(1, 500) g;
    insert into apps (id, name, owner_id, region, stack, maintenance, version, created_at, updated_at)
        select pg_temp.id(g), 'app-' || g, pg_temp.id(1 + g % 500), 'us', 's', false, 1, now(), now()
        from generate_series(1, 3000) g;
    insert into addons (id, name, app_id, service_id, plan_id, price_cents, currency, state, region, created_at, updated_at)
        select pg_temp.id(g), 'addon-' || g, pg_temp.id(1 + g % 3000), pg_temp.id(1), pg_temp.id(1), 0, 'usd', 'provisioned',
               'us', now(), now() from generate_series(1, 6000) g;
    insert into attachments (id, app_id, addon_id, name, created_at, updated_at)
        select pg_temp.id(g), pg_temp.id(1 + g % 3000), pg_temp.id(g), 'A' || g, now(), now() from generate_series(1, 6000) g;
    insert into collaborators (app_id, user_id, role, created_by, created_at)
        select pg_temp.id(g), pg_temp.id(1 + (g + 7) % 500), 'collaborator', pg_temp.id(1), now()
        from generate_series(1, 3000) g;
    analyze users, apps, addons, attachments, collaborators
"""


@pytest.fixture
async def crowd(live_ctx: Context) -> Context:
    """Enough people and apps that going through all of them would cost something. In a database of its own: what other
    tests leave in the pages of a shared one would count for the planner."""
    async with live_ctx.database.transaction() as tx:
        for statement in CROWD.split(";\n"):
            await tx.exec_driver_sql(statement)
    return live_ctx


async def read_whole(ctx: Context, statement: Direct, **values: Any) -> set[str]:
    """The tables of people that PostgreSQL would go through from end to end, although that is made dear."""
    sql, *arguments = statement.call(values)
    async with ctx.database.transaction() as tx:
        await tx.execute(text("set local enable_seqscan = off"))
        # Each row that is looked at is made dear as well: else the two ways may cost the same, and chance decides.
        await tx.execute(text("set local cpu_tuple_cost = 1"))
        await tx.execute(text("set local cpu_index_tuple_cost = 1"))
        await tx.execute(text("set local plan_cache_mode = force_generic_plan"))
        assert tx.sync_connection is not None
        driver: Any = tx.sync_connection.connection.driver_connection
        (plan,) = await driver.fetchval(f"explain (format json) {sql}", *arguments)
    whole = {node["Relation Name"] for node in nodes(plan["Plan"]) if "Relation Name" in node and is_whole(node)}
    return whole & {"apps", "addons", "attachments", "collaborators"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def is_whole(node: dict[str, Any]) -> bool:
    """By its pages, or by an index without looking anything up in it."""
    kind = node["Node Type"]
    return kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node)


async def test_lists_and_what_is_named_go_by_indexes(crowd: Context, alice: Actor) -> None:
    lists, named = {}, {}
    for actor in (alice, replace(alice, only_apps=frozenset({alice.id}))):
        live = Addon.state != AddonState.DEPROVISIONED
        for name, statement in {
            "apps": apps.visible_apps(actor),
            "add-ons": queries.addons().where(visible_addon(actor), live),
            "attachments": queries._attachments().where(visible_attachment(actor)),
        }.items():
            lists[name, actor.only_apps] = await read_whole(crowd, Direct(statement))
        for direct, key in {
            apps._BY_ID[False]: actor.id,
            apps._BY_NAME[False]: "app-7",
            resolve._BY_ID: actor.id,
            resolve._BY_NAME: "addon-7",
        }.items():
            whole = await read_whole(crowd, direct, key=key, since=START, **viewing(actor))
            named[key, actor.only_apps] = whole
    assert {what: whole for what, whole in (lists | named).items() if whole} == {}


async def test_a_list_by_the_other_form_of_the_condition_would_be_noticed(crowd: Context, alice: Actor) -> None:
    listed = select(Addon.id).join(App, App.id == Addon.app_id).where(may_open(viewer(alice)))
    assert "addons" in await read_whole(crowd, Direct(listed))
