from datetime import timedelta

import pytest
from sqlalchemy import func, select

from broker.addons.create import CreateAddon, create_addon
from broker.addons.models import Addon, AddonState, Operation, Orphan
from broker.addons.ports import Answer, ProvisionCall, Reply
from broker.addons.queries import list_addons
from broker.addons.taken import reserved_names
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Scope
from broker.kernel.errors import ConfirmationRequired, Forbidden, InvalidParams, NameTaken, NotFound
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World, done
from tests.domain import with_scopes


async def test_the_intent_is_visible_as_provisioning_before_the_provider_is_called(world: World) -> None:
    addon = await world.create(name="my-store")
    assert addon.state is AddonState.PROVISIONING
    assert addon.config_vars == ("STORE_URL", "STORE_TOKEN")
    assert world.provider.calls == []
    assert [view.id for view in await list_addons(world.ctx, world.user)] == [addon.id]


async def test_what_the_provider_gives_arrives_as_config_vars_in_a_new_release(world: World) -> None:
    addon = await world.create(name="my-store")
    world.provider.will(done("store://secret", STORE_TOKEN="t0ken"))
    await world.run()
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED
    assert await get_config_vars(world.ctx, world.user, "shop") == {
        "STORE_URL": "store://secret",
        "STORE_TOKEN": "t0ken",
    }
    newest, *_ = await list_releases(world.ctx, world.user, "shop", newest_first=True, limit=5)
    assert newest.description == "Attach STORE (my-store)"
    assert newest.addon_plan_names == ["store:free"]


async def test_the_provider_is_told_uuid_name_plan_region_options_and_a_grant(world: World) -> None:
    addon = await world.create("store:big", name="my-store", options={"version": "16"})
    world.provider.will(done())
    await world.run()
    (call,) = world.provider.calls
    assert isinstance(call, ProvisionCall)
    assert (call.uuid, call.name, call.plan, call.region) == (addon.id, "my-store", "big", "us")
    assert call.options == {"version": "16"}
    assert call.grant is not None
    assert call.grant.expires_at - world.ctx.clock.now() == timedelta(minutes=5)


async def test_usage_begins_when_the_resource_is_ready_and_at_the_price_of_the_plan(world: World) -> None:
    await world.create("store:big")
    world.provider.will(done())
    await world.run(seconds=7)
    async with world.ctx.database.transaction() as tx:
        period = (await tx.execute(select(UsagePeriod.price_cents, UsagePeriod.started_at, UsagePeriod.ended_at))).one()
    assert period == (5000, world.ctx.clock.now(), None)


@pytest.mark.parametrize(
    ("reply", "orphans", "said"),
    [
        (Reply(Answer.REFUSED, 422, "No room in the inn."), 0, "No room in the inn."),
        (Reply(Answer.UNAUTHORIZED, 401), 0, "not set up correctly"),
        (Reply(Answer.REDIRECT, 301), 0, "not set up correctly"),
        (Reply(Answer.CLIENT_ERROR, 400), 0, "failed to answer properly"),
    ],
)
async def test_a_refusal_ends_the_add_on_with_a_sentence_and_without_charge(
    world: World, reply: Reply, orphans: int, said: str
) -> None:
    addon = await world.create()
    world.provider.will(reply)
    await world.run()
    view = await world.read(addon.id)
    assert view.state is AddonState.DEPROVISIONED
    assert said in (view.reason or "")
    assert await list_addons(world.ctx, world.user) == []
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(UsagePeriod))).scalar() == 0
        assert (await tx.execute(select(func.count()).select_from(Orphan))).scalar() == orphans


async def test_an_unknown_outcome_is_repeated_with_the_same_uuid_and_then_kept_as_an_orphan(world: World) -> None:
    addon = await world.create("store:big")
    world.provider.will(*[Reply(Answer.LOST, note="ReadTimeout")] * 5)
    for _ in range(5):
        await world.run(minutes=1)
    assert {call.uuid for call in world.provider.calls} == {addon.id}
    assert len(world.provider.calls) == 5
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    async with world.ctx.database.transaction() as tx:
        orphan = (await tx.execute(select(Orphan.addon_id, Orphan.price_cents, Orphan.state))).one()
    assert orphan == (addon.id, 5000, "open")


async def test_a_provider_that_cannot_be_reached_leaves_no_orphan(world: World) -> None:
    addon = await world.create()
    world.provider.will(*[Reply(Answer.NOT_SENT, note="ConnectError")] * 5)
    for _ in range(5):
        await world.run(minutes=1)
    assert "can't be reached" in ((await world.read(addon.id)).reason or "")
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(Orphan))).scalar() == 0


async def test_an_accepted_provision_stays_provisioning_and_fails_after_twelve_hours(world: World) -> None:
    addon = await world.create()
    world.provider.will(Reply(Answer.ACCEPTED, 202, "Brewing.", provider_id="r1"))
    await world.run()
    view = await world.read(addon.id)
    assert (view.state, view.provision_message, view.provider_id) == (AddonState.PROVISIONING, "Brewing.", "r1")
    await world.run(hours=11)
    assert (await world.read(addon.id)).state is AddonState.PROVISIONING
    await world.run(hours=1)
    view = await world.read(addon.id)
    assert view.state is AddonState.DEPROVISIONED
    assert "did not finish in time" in (view.reason or "")
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Orphan.provider_id))).scalars().all() == ["r1"]


async def test_undeclared_config_is_refused_and_noted_and_the_rest_is_given(world: World) -> None:
    addon = await world.create()
    world.provider.will(done("store://1", PATH="/evil"))
    await world.run()
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://1"}
    async with world.ctx.database.transaction() as tx:
        history = (await tx.execute(select(Operation.history).where(Operation.addon_id == addon.id))).scalar_one()
    assert "PATH" in history[-1]["note"]


async def test_values_too_large_for_the_environment_end_the_add_on_as_an_orphan_and_change_nothing(
    world: World,
) -> None:
    await set_config_vars(world.ctx, world.user, "shop", {f"F{i}": "x" * 65000 for i in range(4)}, reserved_names)
    addon = await world.create()
    world.provider.will(done("y" * 60000))
    await world.run()
    assert "KiB" in ((await world.read(addon.id)).reason or "")
    assert "STORE_URL" not in await get_config_vars(world.ctx, world.user, "shop")
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Orphan.addon_id))).scalars().all() == [addon.id]


async def test_a_second_one_gets_a_colour_and_its_own_vars(world: World) -> None:
    await world.provisioned()
    second = await world.provisioned()
    (url, _) = second.config_vars
    assert url.startswith("STORE_")
    assert url.endswith("_URL")
    assert url != "STORE_URL"
    assert set(await get_config_vars(world.ctx, world.user, "shop")) == {"STORE_URL", url}


async def test_an_own_var_is_never_overwritten_without_being_asked(world: World) -> None:
    await set_config_vars(world.ctx, world.user, "shop", {"STORE_URL": "mine"}, reserved_names)
    automatic = await world.provisioned()
    assert "STORE_URL" not in automatic.config_vars
    with pytest.raises(ConfirmationRequired, match="STORE_URL"):
        await world.create(attachment_name="STORE")
    with pytest.raises(ConfirmationRequired):
        await world.create(attachment_name="STORE", confirm="another-app")
    confirmed = await world.provisioned(attachment_name="STORE", confirm="shop")
    assert confirmed.config_vars == ("STORE_URL", "STORE_TOKEN")
    assert (await get_config_vars(world.ctx, world.user, "shop"))["STORE_URL"] == f"store://{confirmed.id}"


async def test_a_confirmed_takeover_happens_only_once_the_new_one_is_there(world: World) -> None:
    old = await world.provisioned(attachment_name="MAIN")
    new = await world.create(attachment_name="MAIN", confirm="shop")
    assert (await get_config_vars(world.ctx, world.user, "shop"))["MAIN_URL"] == f"store://{old.id}"
    world.provider.will(done("store://new"))
    await world.run()
    assert await get_config_vars(world.ctx, world.user, "shop") == {"MAIN_URL": "store://new"}
    assert (await world.read(new.id)).config_vars == ("MAIN_URL", "MAIN_TOKEN")
    assert (await world.read(old.id)).config_vars == ()


async def test_a_failed_takeover_leaves_what_was_there(world: World) -> None:
    old = await world.provisioned(attachment_name="MAIN")
    await world.create(attachment_name="MAIN", confirm="shop")
    world.provider.will(Reply(Answer.REFUSED, 422, "No."))
    await world.run()
    assert await get_config_vars(world.ctx, world.user, "shop") == {"MAIN_URL": f"store://{old.id}"}


async def test_a_name_in_use_is_refused_and_free_again_after_a_failure(world: World) -> None:
    await world.create(name="taken")
    with pytest.raises(NameTaken):
        await world.create(name="taken")
    world.provider.will(Reply(Answer.REFUSED, 422, "No."))
    await world.run()
    assert (await world.create(name="taken")).name == "taken"


@pytest.mark.parametrize("name", ["", "1st", "a b", "a" * 300, "-x", "ä-store"])
async def test_bad_add_on_names_are_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidParams):
        await world.create(name=name or " ")


async def test_unknown_service_plan_and_app_are_refused_in_words(world: World) -> None:
    with pytest.raises(NotFound, match="Did you mean store"):
        await world.create("stor")
    with pytest.raises(InvalidParams, match="Couldn't find either the add-on service or the add-on plan"):
        await world.create("store:gold")
    with pytest.raises(NotFound):
        await create_addon(world.ctx, world.user, CreateAddon(app="nowhere", plan="store"))


async def test_somebody_elses_app_does_not_exist(world: World, mallory: Actor) -> None:
    with pytest.raises(NotFound):
        await create_addon(world.ctx, mallory, CreateAddon(app="shop", plan="store"))


async def test_a_read_only_token_cannot_add(world: World) -> None:
    reader = with_scopes(world.user, Scope.READ)
    with pytest.raises(Forbidden, match="write-protected"):
        await create_addon(world.ctx, reader, CreateAddon(app="shop", plan="store"))


async def test_a_failed_attempt_after_an_unknown_one_still_counts_as_a_possible_orphan(world: World) -> None:
    addon = await world.create()
    world.provider.will(Reply(Answer.LOST), Reply(Answer.REFUSED, 422, "I have that already."))
    await world.run()
    await world.run(minutes=1)
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Orphan.addon_id))).scalars().all() == [addon.id]


async def test_secrets_of_the_resource_are_nowhere_in_plain_columns(world: World) -> None:
    await world.create(options={"password": "canary-option"})
    world.provider.will(Reply(Answer.DONE, 200, provider_id="r", config={"STORE_URL": Secret("canary-value")}))
    await world.run()
    async with world.ctx.database.transaction() as tx:
        for table in Addon.metadata.sorted_tables:
            for row in await tx.execute(select(table)):
                assert "canary" not in repr(tuple(row))


async def test_the_app_itself_can_be_in_another_region_than_the_plan(world: World) -> None:
    await create_app(world.ctx, world.user, CreateApp(name="euro-shop", region="eu"))
    addon = await create_addon(world.ctx, world.user, CreateAddon(app="euro-shop", plan="store"))
    assert addon.region == "eu"


async def test_calls_know_the_password_before_until_its_overlap_ends(world: World) -> None:
    manifest = {**MANIFEST, "api": {**MANIFEST["api"], "password": "another-password-of-the-store"}}
    await publish(world.ctx, parse(manifest), SYSTEM)
    await world.provisioned()
    world.ctx.clock.advance(hours=24)
    await world.create()
    world.provider.will(done("store://2"))
    await world.run()
    access = [call.access for call in world.provider.calls]
    assert [each.password for each in access] == [Secret("another-password-of-the-store")] * 2
    assert [each.old_password for each in access] == [Secret("manifest-password-of-the-store"), None]
