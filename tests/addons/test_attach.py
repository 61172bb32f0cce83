import pytest

from broker.addons.attach import AttachAddon, attach
from broker.addons.detach import detach
from broker.addons.queries import list_attachments
from broker.addons.resolve import AddonKey, resolve_addons, resolve_attachments
from broker.addons.taken import reserved_names
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.kernel.context import Actor
from broker.kernel.errors import ConfirmationRequired, InvalidParams, MultipleMatches, NotFound
from tests.addons.conftest import World


@pytest.fixture
async def shared(world: World) -> World:
    await create_app(world.ctx, world.user, CreateApp(name="second"))
    return world


async def test_attaching_under_a_name_gives_the_vars_with_that_prefix(shared: World) -> None:
    addon = await shared.provisioned()
    view = await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "second", name="shared-one"))
    assert view.name == "SHARED_ONE"
    assert await get_config_vars(shared.ctx, shared.user, "second") == {"SHARED_ONE_URL": f"store://{addon.id}"}
    newest, *_ = await list_releases(shared.ctx, shared.user, "second", newest_first=True, limit=1)
    assert newest.description == f"Attach SHARED_ONE ({addon.name})"


async def test_detaching_takes_exactly_what_it_gave(shared: World) -> None:
    addon = await shared.provisioned()
    await set_config_vars(shared.ctx, shared.user, "second", {"OWN": "1"}, reserved_names)
    first = await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "second", name="A"))
    await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "second", name="B"))
    await detach(shared.ctx, shared.user, str(first.id))
    assert set(await get_config_vars(shared.ctx, shared.user, "second")) == {"OWN", "B_URL"}
    assert await get_config_vars(shared.ctx, shared.user, "shop") == {"STORE_URL": f"store://{addon.id}"}


async def test_taking_over_a_name_needs_confirmation_and_is_one_release(shared: World) -> None:
    old, new = await shared.provisioned(), await shared.provisioned()
    ask = AttachAddon(AddonKey(new.name), "shop", name="STORE")
    with pytest.raises(ConfirmationRequired, match="STORE"):
        await attach(shared.ctx, shared.user, ask)
    before, *_ = await list_releases(shared.ctx, shared.user, "shop", newest_first=True, limit=1)
    await attach(shared.ctx, shared.user, AttachAddon(AddonKey(new.name), "shop", name="STORE", confirm="shop"))
    after, *_ = await list_releases(shared.ctx, shared.user, "shop", newest_first=True, limit=1)
    assert after.version == before.version + 1
    assert (await get_config_vars(shared.ctx, shared.user, "shop"))["STORE_URL"] == f"store://{new.id}"
    assert [view.name for view in await list_attachments(shared.ctx, shared.user, addon_id=old.id)] == []


async def test_vars_of_an_add_on_still_provisioning_are_reserved_and_arrive_later(shared: World) -> None:
    addon = await shared.create()
    await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "second", name="LATER"))
    assert await get_config_vars(shared.ctx, shared.user, "second") == {}
    with pytest.raises(InvalidParams, match="LATER_URL"):
        await set_config_vars(shared.ctx, shared.user, "second", {"LATER_URL": "x"}, reserved_names)


async def test_foreign_add_ons_and_apps_do_not_exist(shared: World, mallory: Actor) -> None:
    addon = await shared.provisioned()
    await create_app(shared.ctx, mallory, CreateApp(name="den-of-mallory"))
    with pytest.raises(NotFound):
        await attach(shared.ctx, mallory, AttachAddon(AddonKey(str(addon.id)), "den-of-mallory"))
    with pytest.raises(NotFound):
        await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "den-of-mallory"))


async def test_everything_a_user_may_type_finds_the_add_on(shared: World) -> None:
    addon = await shared.provisioned()
    for key in (addon.name, str(addon.id), "store", "store:free", "STORE", "store", "STORE_URL", "shop::STORE"):
        (found,) = await resolve_addons(shared.ctx, shared.user, key, "shop")
        assert found.id == addon.id
        (attachment,) = await resolve_attachments(shared.ctx, shared.user, key, "shop")
        assert attachment.addon_id == addon.id
    with pytest.raises(NotFound):
        await resolve_addons(shared.ctx, shared.user, "elsewhere", "shop")


async def test_an_add_on_that_is_attached_twice_is_meant_by_its_name_all_the_same(shared: World) -> None:
    addon = await shared.provisioned()
    await attach(shared.ctx, shared.user, AttachAddon(AddonKey(addon.name), "shop", name="MAIN"))
    for key in (addon.name, str(addon.id), "store"):
        both = await resolve_attachments(shared.ctx, shared.user, key, "shop")
        assert sorted(view.name for view in both) == ["MAIN", "STORE"]
    (one,) = await resolve_attachments(shared.ctx, shared.user, "main", "shop")
    assert one.name == "MAIN"
    await shared.provisioned()
    with pytest.raises(MultipleMatches):
        await resolve_attachments(shared.ctx, shared.user, "store:free", "shop")


async def test_an_ambiguous_name_lists_what_fits(shared: World) -> None:
    first, second = await shared.provisioned(), await shared.provisioned()
    with pytest.raises(MultipleMatches) as refusal:
        await resolve_addons(shared.ctx, shared.user, "store", "shop")
    assert first.name in refusal.value.message
    assert second.name in refusal.value.message
