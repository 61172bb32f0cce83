from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import select

from broker.addons.attach import AttachAddon, attach
from broker.addons.callbacks import update_config
from broker.addons.credentials import CredentialView, create_credential, destroy_credential, list_credentials
from broker.addons.destroy import destroy_addon
from broker.addons.detach import detach
from broker.addons.lend import enqueue_credentials, lend
from broker.addons.models import AddonCredential, Permission
from broker.addons.ports import Answer, LendCall, Reply, TakeBackCall
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World

GIVEN = Reply(Answer.DONE, 201, config={"STORE_URL": Secret("store://own"), "UNDECLARED": Secret("x")})
GONE = Reply(Answer.DONE, 204)


@pytest_asyncio.fixture
async def addon(world: World) -> AddonView:
    await publish(world.ctx, parse({**MANIFEST, "capabilities": ["attachment_credentials"]}), SYSTEM)
    await create_app(world.ctx, world.user, CreateApp(name="reports"))
    return await world.provisioned()


async def credentials(world: World, addon: AddonView) -> list[CredentialView]:
    return await list_credentials(world.ctx, world.user, AddonKey(addon.name))


async def work(world: World, addon: AddonView, *replies: Reply, **later: float) -> list[CredentialView]:
    """What the worker does with credentials that are due, after the clock went on."""
    world.ctx.clock.advance(**later)
    world.provider.will(*replies)
    await enqueue_credentials(world.ctx)
    for view in await credentials(world, addon):
        if view.next_at is not None:
            await lend(world.ctx, lambda _: world.provider, view.id, view.attempts)
    return await credentials(world, addon)


async def created(world: World, addon: AddonView, name: str = "analytics", **more: object) -> CredentialView:
    await create_credential(world.ctx, world.user, AddonKey(addon.name), name, Permission.READ_ONLY, **more)
    return (await work(world, addon, GIVEN))[-1]


async def attached(world: World, addon: AddonView, app: str = "reports") -> str:
    wanted = AttachAddon(AddonKey(addon.name), app, "STATS", namespace="credential:analytics")
    view = await attach(world.ctx, world.user, wanted)
    assert view.namespace == "credential:analytics"
    return str(view.id)


async def test_an_attachment_with_a_credential_gives_its_values_alone(world: World, addon: AddonView) -> None:
    view = await created(world, addon)
    assert (view.state, view.permission) == ("active", "read_only")
    call = world.provider.calls[-1]
    assert isinstance(call, LendCall)
    assert (call.credential, call.name, call.permission) == (view.id, "analytics", "read_only")
    await attached(world, addon)
    assert await get_config_vars(world.ctx, world.user, "reports") == {"STATS_URL": "store://own"}
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": f"store://{addon.id}"}
    assert (await credentials(world, addon))[0].apps == ("reports",)


async def test_new_default_credentials_leave_it_alone(world: World, addon: AddonView) -> None:
    await created(world, addon)
    await attached(world, addon)
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://rotated")})
    assert await get_config_vars(world.ctx, world.user, "reports") == {"STATS_URL": "store://own"}
    assert len(await list_releases(world.ctx, world.user, "reports", newest_first=True, limit=9)) == 2


async def test_one_that_is_used_stays_and_one_that_is_not_goes(world: World, addon: AddonView) -> None:
    await created(world, addon)
    attachment = await attached(world, addon)
    with pytest.raises(Conflict, match="reports"):
        await destroy_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    await detach(world.ctx, world.user, attachment)
    assert (await work(world, addon))[0].state == "active"
    for _ in range(2):
        await destroy_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    (removing,) = await work(world, addon, Reply(Answer.SERVER_ERROR, 500))
    assert (removing.state, removing.last_answer) == ("removing", "server_error 500")
    assert await work(world, addon, GONE, hours=1) == []
    assert isinstance(world.provider.calls[-1], TakeBackCall)


async def test_one_that_was_made_for_its_attachment_goes_with_it(world: World, addon: AddonView) -> None:
    await created(world, addon, while_attached=True)
    assert [view.state for view in await work(world, addon)] == ["active"]
    attachment = await attached(world, addon)
    assert [view.state for view in await work(world, addon, hours=2)] == ["active"]
    await detach(world.ctx, world.user, attachment)
    assert await work(world, addon, GONE) == []


async def test_one_that_was_made_for_an_attachment_that_never_came_goes_after_a_while(
    world: World, addon: AddonView
) -> None:
    await created(world, addon, while_attached=True)
    assert await work(world, addon, GONE, hours=2) == []


async def test_a_refusal_is_told_and_the_name_is_free_again(world: World, addon: AddonView) -> None:
    await create_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    (view,) = await work(world, addon, Reply(Answer.REFUSED, 422, "Five are enough."))
    assert (view.state, view.reason) == ("failed", "Five are enough.")
    assert (await created(world, addon)).state == "active"


async def test_what_may_have_been_made_is_removed_when_it_is_given_up(world: World, addon: AddonView) -> None:
    await create_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    for _ in range(4):
        assert (await work(world, addon, Reply(Answer.LOST), minutes=1))[0].state == "creating"
    (view,) = await work(world, addon, Reply(Answer.LOST), minutes=1)
    assert (view.state, view.next_at) == ("removing", world.ctx.clock.now() + timedelta(seconds=30))
    assert await work(world, addon, GONE, minutes=1) == []


async def test_two_of_one_name_and_strange_names_are_refused(world: World, addon: AddonView) -> None:
    await created(world, addon)
    with pytest.raises(Conflict, match="already"):
        await create_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    for name in ("", "default", "A", "1a", "a b", "a" * 64):
        with pytest.raises(InvalidParams):
            await create_credential(world.ctx, world.user, AddonKey(addon.name), name)
    with pytest.raises(NotFound):
        await destroy_credential(world.ctx, world.user, AddonKey(addon.name), "nothing")


async def test_only_what_is_there_can_be_attached(world: World, addon: AddonView) -> None:
    for namespace in ("credential:nothing", "nonsense", "credential:analytics"):
        with pytest.raises(InvalidParams, match="no credential"):
            await attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "reports", namespace=namespace))


async def test_a_service_without_the_capability_has_none(world: World) -> None:
    addon = await world.provisioned()
    with pytest.raises(InvalidParams, match="logins of their own"):
        await create_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")


async def test_with_the_add_on_they_go_without_a_call(world: World, addon: AddonView) -> None:
    await created(world, addon)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(GONE)
    await world.run()
    calls = len(world.provider.calls)
    await enqueue_credentials(world.ctx)
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(AddonCredential.id))).all() == []
    assert len(world.provider.calls) == calls


async def test_somebody_else_s_are_not_there_and_no_value_is_shown(
    world: World, addon: AddonView, mallory: Actor
) -> None:
    assert "store://" not in repr(await created(world, addon))
    key = AddonKey(addon.name)
    for refused in (
        create_credential(world.ctx, mallory, key, "mine"),
        list_credentials(world.ctx, mallory, key),
        destroy_credential(world.ctx, mallory, key, "analytics"),
    ):
        with pytest.raises(NotFound):
            await refused
