"""Creating, finding, changing and destroying apps."""

import asyncio

import pytest
from sqlalchemy import select

from broker.apps.change import ChangeApp, change_app
from broker.apps.create import CreateApp, create_app
from broker.apps.destroy import destroy_app
from broker.apps.models import App, ConfigVar
from broker.apps.queries import get_app, list_apps
from broker.apps.release_history import list_releases
from broker.apps.releases import LockedApp
from broker.events.models import Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NameTaken, NotFound
from tests.domain import new_user, with_scopes


async def nothing_first(_tx: Tx, _app: LockedApp) -> None:
    """No add-ons to care for."""


async def test_a_new_app_is_its_makers_and_has_an_initial_release(ctx: Context, alice: Actor) -> None:
    app = await create_app(ctx, alice, CreateApp("intu-jokes"))
    assert (app.name, app.owner_email, app.region, app.version) == ("intu-jokes", "alice@example.com", "us", 1)
    assert app.created_at == app.released_at == ctx.clock.now()
    (release,) = await list_releases(ctx, alice, "intu-jokes", newest_first=True, limit=10)
    assert (release.version, release.description, release.current) == (1, "Initial release", True)


async def test_an_app_without_a_name_gets_one(ctx: Context, alice: Actor) -> None:
    first, second = await create_app(ctx, alice, CreateApp()), await create_app(ctx, alice, CreateApp())
    assert first.name != second.name
    assert await get_app(ctx, alice, first.name) == first


@pytest.mark.parametrize("name", ["", "ab", "Ab-c", "1abc", "abc-", "a" * 31, "a_b", "abc\n", "ab\0c", "äbc"])
async def test_a_bad_name_is_refused(ctx: Context, alice: Actor, name: str) -> None:
    with pytest.raises(InvalidParams, match=r"^name: must begin"):
        await create_app(ctx, alice, CreateApp(name))


async def test_an_unknown_region_is_refused(ctx: Context, alice: Actor) -> None:
    with pytest.raises(InvalidParams, match="us, eu"):
        await create_app(ctx, alice, CreateApp(region="moon"))


async def test_a_name_in_use_is_taken_even_if_one_cannot_see_the_app(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await create_app(ctx, alice, CreateApp("demo"))
    with pytest.raises(NameTaken, match=r"^Name is already taken$"):
        await create_app(ctx, mallory, CreateApp("demo"))


async def test_of_two_simultaneous_apps_of_one_name_one_is_made(live_ctx: Context) -> None:
    alice = await new_user(live_ctx, "alice@example.com")
    results = await asyncio.gather(
        *(create_app(live_ctx, alice, CreateApp("demo")) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["AppView", "NameTaken", "NameTaken", "NameTaken"]
    assert len(await list_apps(live_ctx, alice)) == 1


async def test_apps_of_others_answer_like_apps_that_are_not_there(ctx: Context, alice: Actor, mallory: Actor) -> None:
    app = await create_app(ctx, alice, CreateApp("demo"))
    for key in ("demo", str(app.id), "never-made", "no\0pe", "\ud800", ""):
        with pytest.raises(NotFound):
            await get_app(ctx, mallory, key)
    assert await list_apps(ctx, mallory) == []
    assert await get_app(ctx, alice, str(app.id)) == await get_app(ctx, alice, "demo") == app


async def test_an_app_is_renamed_and_its_old_name_is_free(ctx: Context, alice: Actor) -> None:
    await create_app(ctx, alice, CreateApp("demo"))
    renamed = await change_app(ctx, alice, "demo", ChangeApp(name="show", maintenance=True))
    assert (renamed.name, renamed.maintenance) == ("show", True)
    assert (await create_app(ctx, alice, CreateApp("demo"))).id != renamed.id
    with pytest.raises(NameTaken):
        await change_app(ctx, alice, "demo", ChangeApp(name="show"))


async def test_destroying_an_app_destroys_its_key_and_frees_its_name(ctx: Context, alice: Actor) -> None:
    app = await create_app(ctx, alice, CreateApp("demo"))
    gone = await destroy_app(ctx, alice, "demo", nothing_first)
    assert gone.id == app.id
    with pytest.raises(NotFound):
        await get_app(ctx, alice, "demo")
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(App.data_key).where(App.id == app.id))).scalar_one() is None
        assert (await tx.execute(select(ConfigVar).where(ConfigVar.app_id == app.id))).all() == []
        kinds = (await tx.execute(select(Event.kind).where(Event.app_id == app.id).order_by(Event.id))).scalars().all()
    assert kinds == ["release.created", "app.created", "app.destroyed"]
    assert (await create_app(ctx, alice, CreateApp("demo"))).id != app.id


async def test_what_must_come_first_may_refuse_the_destruction(ctx: Context, alice: Actor) -> None:
    async def refuse(_tx: Tx, app: LockedApp) -> None:
        raise Conflict(f"{app.name} is needed")

    app = await create_app(ctx, alice, CreateApp("demo"))
    with pytest.raises(Conflict, match="demo is needed"):
        await destroy_app(ctx, alice, "demo", refuse)
    assert await get_app(ctx, alice, "demo") == app


async def test_a_token_that_may_only_read_changes_nothing(ctx: Context, alice: Actor) -> None:
    reader = with_scopes(alice, Scope.READ)
    with pytest.raises(Forbidden, match="write"):
        await create_app(ctx, reader, CreateApp("demo"))
    assert await list_apps(ctx, reader) == []
