"""What a collaborator may do with add-ons, what those may to whom one is only attached, and what a limited token sees."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from broker.addons.attach import AttachAddon, attach
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon, destroy_app_with_addons
from broker.addons.detach import detach
from broker.addons.pending import list_pending
from broker.addons.queries import AddonView, list_addons, list_attachments, list_operations
from broker.addons.refresh import refresh
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey, read_addon, resolve_addons, resolve_attachments
from broker.addons.rotate import rotate, rotate_all
from broker.addons.rotations import end_overlap
from broker.addons.sso import sign_on
from broker.addons.taken import reserved_names
from broker.addons.tickets import Visit
from broker.apps.collaborators import add_collaborator, remove_collaborator
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.queries import list_apps
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import Forbidden, NotFound
from tests.addons.conftest import World, done
from tests.billing.metering_world import METERED
from tests.domain import new_user


@pytest.fixture
async def bob(ctx: Context, world: World) -> Actor:
    """A collaborator of the shop, who has an app of his own."""
    bob = await new_user(ctx, "bob@example.com")
    await add_collaborator(ctx, world.user, "shop", bob.email)
    await create_app(ctx, bob, CreateApp(name="bobs"))
    return bob


def key(addon: AddonView) -> AddonKey:
    return AddonKey(str(addon.id))


async def test_a_collaborator_works_with_everything_that_costs_nothing(ctx: Context, world: World, bob: Actor) -> None:
    made = await create_addon(ctx, bob, CreateAddon("shop", "store:free", name="shared"))
    assert made.owner_email == world.user.email
    world.provider.will(done("store://1"))
    await world.run()
    assert (await get_config_vars(ctx, bob, "shop"))["STORE_URL"] == "store://1"
    await set_config_vars(ctx, bob, "shop", {"GREETING": "hello"}, reserved_names)
    assert (await get_config_vars(ctx, world.user, "shop"))["GREETING"] == "hello"
    assert (await rename_addon(ctx, bob, key(made), "ours")).name == "ours"
    assert (await sign_on(ctx, Visit(bob.id, made.id, made.app_id), "https://broker.test")).params["email"] == bob.email
    assert [item.kind for item in await list_operations(ctx, bob, made.id)] == ["provision"]
    assert (await resolve_addons(ctx, bob, "ours"))[0].id == made.id
    world.provider.will(done())
    await destroy_addon(ctx, bob, AddonKey("ours", "shop"))
    assert [item.kind for item in await list_pending(ctx, bob)] == ["deprovision"]
    await world.run()
    assert await list_addons(ctx, bob) == []


async def test_what_costs_the_owner_money_is_for_the_owner(ctx: Context, world: World, bob: Actor) -> None:
    free, paid = await world.provisioned(), await world.provisioned("store:big")
    for refused in (
        create_addon(ctx, bob, CreateAddon("shop", "store:big")),
        change_plan(ctx, bob, key(free), "big"),
        change_plan(ctx, bob, key(paid), "huge"),
        change_plan(ctx, bob, key(paid), "free"),
        destroy_addon(ctx, bob, key(paid)),
    ):
        with pytest.raises(Forbidden, match=r"only (its|the) owner can"):
            await refused
    with pytest.raises(Forbidden, match="only its owner can destroy it"):
        await destroy_app_with_addons(ctx, bob, "shop")
    assert (await change_plan(ctx, world.user, key(free), "big")).id == free.id


async def test_what_is_free_until_it_is_used_costs_money_too(ctx: Context, world: World, bob: Actor) -> None:
    await publish(ctx, parse(METERED), SYSTEM)
    free, metered = await world.provisioned(), await world.provisioned("store:payg")
    for refused in (
        create_addon(ctx, bob, CreateAddon("shop", "store:payg")),
        change_plan(ctx, bob, key(free), "payg"),
        destroy_addon(ctx, bob, key(metered)),
    ):
        with pytest.raises(Forbidden, match=r"only (its|the) owner can"):
            await refused


async def test_an_add_on_that_is_only_attached_is_seen_and_detached_but_not_changed(
    ctx: Context, world: World, bob: Actor
) -> None:
    addon = await world.provisioned()
    attachment = await attach(ctx, bob, AttachAddon(key(addon), "bobs", "STORE"))
    await remove_collaborator(ctx, bob, "shop", bob.email)
    seen = await read_addon(ctx, bob, key(addon))
    assert (seen.app_name, (await get_config_vars(ctx, bob, "bobs"))["STORE_URL"]) == ("shop", f"store://{addon.id}")
    await create_app(ctx, bob, CreateApp(name="bobs-second"))
    for refused in (
        rename_addon(ctx, bob, key(addon), "mine"),
        change_plan(ctx, bob, key(addon), "big"),
        destroy_addon(ctx, bob, key(addon), force=True),
        attach(ctx, bob, AttachAddon(key(addon), "bobs-second")),
        rotate(ctx, bob, key(addon)),
        end_overlap(ctx, bob, key(addon)),
        refresh(ctx, bob, key(addon)),
    ):
        with pytest.raises(Forbidden, match="is billed to another app"):
            await refused
    assert await rotate_all(ctx, bob, "store") == []
    assert [view.app_name for view in await list_attachments(ctx, bob)] == ["bobs"]
    assert {view.app_name for view in await list_attachments(ctx, world.user)} == {"shop", "bobs"}
    assert (await attach(ctx, bob, AttachAddon(key(addon), "bobs", "AGAIN"))).name == "AGAIN"
    await detach(ctx, bob, str(attachment.id))
    again = (await resolve_attachments(ctx, bob, "AGAIN", "bobs"))[0]
    await detach(ctx, world.user, str(again.id))
    with pytest.raises(NotFound):
        await read_addon(ctx, bob, key(addon))


@pytest.fixture
async def other(ctx: Context, world: World) -> AddonView:
    """An add-on on another app of the same owner."""
    await create_app(ctx, world.user, CreateApp(name="other"))
    return await World(ctx, world.user, world.provider, "other").provisioned()


async def test_a_token_limited_to_an_app_sees_that_app_and_what_is_attached_to_it(
    ctx: Context, world: World, other: AddonView
) -> None:
    addon = await world.provisioned()
    apps = {view.name: view.id for view in await list_apps(ctx, world.user)}
    limited = replace(world.user, only_apps=frozenset({apps["shop"]}))
    assert [view.name for view in await list_apps(ctx, limited)] == ["shop"]
    assert [view.id for view in await list_addons(ctx, limited)] == [addon.id]
    assert (await read_addon(ctx, limited, AddonKey(addon.name))).id == addon.id
    hidden: list[Callable[[], Awaitable[object]]] = [
        lambda: get_config_vars(ctx, limited, "other"),
        lambda: read_addon(ctx, limited, key(other)),
        lambda: read_addon(ctx, limited, AddonKey(other.name)),
        lambda: read_addon(ctx, limited, AddonKey(other.name, "other")),
        lambda: resolve_addons(ctx, limited, other.name),
        lambda: destroy_addon(ctx, limited, key(other)),
        lambda: create_addon(ctx, limited, CreateAddon("other", "store:free")),
        lambda: attach(ctx, limited, AttachAddon(key(other), "shop")),
        lambda: attach(ctx, limited, AttachAddon(key(addon), "other")),
    ]
    for attempt in hidden:
        with pytest.raises(NotFound):
            await attempt()
    await attach(ctx, world.user, AttachAddon(key(other), "shop", "FOREIGN"))
    assert {view.id for view in await list_addons(ctx, limited)} == {addon.id, other.id}
    with pytest.raises(Forbidden, match="is billed to another app"):
        await destroy_addon(ctx, limited, key(other))


async def test_a_limited_token_makes_no_apps_and_does_nothing_for_the_whole_account(
    ctx: Context, world: World, bob: Actor
) -> None:
    shop = (await list_apps(ctx, world.user))[0]
    limited = replace(world.user, only_apps=frozenset({shop.id}))
    for refused in (create_app(ctx, limited, CreateApp()), add_collaborator(ctx, limited, "shop", bob.email)):
        with pytest.raises(Forbidden, match=r"limited to some apps|an OAuth client holds"):
            await refused
    none = replace(world.user, only_apps=frozenset())
    assert await list_apps(ctx, none) == []
    assert await list_addons(ctx, none) == []
