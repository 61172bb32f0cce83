from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import insert

from broker.addons.acknowledge import acknowledge
from broker.addons.attach import AttachAddon, attach
from broker.addons.callbacks import update_config
from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.detach import detach
from broker.addons.gate import Limits
from broker.addons.generations import OVERLAP
from broker.addons.ports import Answer, Reply, RevokeCall, RotateCall
from broker.addons.queries import AddonView, list_operations
from broker.addons.refresh import refresh
from broker.addons.resolve import AddonKey
from broker.addons.revoke import enqueue_rotations, revoke
from broker.addons.rotate import rotate, rotate_all
from broker.addons.rotations import RotationView, end_overlap, get_credentials, list_rotations
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Webhook, WebhookDelivery, WebhookEvent
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World

ACCEPTED = Reply(Answer.ACCEPTED, 202)
LOST = Reply(Answer.LOST)


def new(url: str = "store://new") -> Reply:
    return Reply(Answer.DONE, 200, config={"STORE_URL": Secret(url)})


@pytest_asyncio.fixture
async def addon(world: World) -> AddonView:
    await publish(world.ctx, parse({**MANIFEST, "capabilities": ["rotate"]}), SYSTEM)
    return await world.provisioned()


async def rotated(world: World, addon: AddonView, *replies: Reply, overlap: timedelta = OVERLAP) -> RotationView:
    """One more rotation, as far as the worker gets with it."""
    world.ctx.clock.advance(seconds=1)
    await rotate(world.ctx, world.user, AddonKey(addon.name), overlap=overlap)
    world.provider.will(*(replies or (new(),)))
    await world.run()
    return await newest(world, addon)


async def newest(world: World, addon: AddonView) -> RotationView:
    return (await list_rotations(world.ctx, world.user, AddonKey(addon.name)))[0]


async def release_of(world: World, app: str = "shop") -> int:
    return (await list_releases(world.ctx, world.user, app, newest_first=True, limit=1))[0].version


async def look(world: World, addon: AddonView, **later: float) -> RotationView:
    """What the worker does with old credentials that may go, after the clock went on."""
    world.ctx.clock.advance(**later)
    await enqueue_rotations(world.ctx)
    for view in await list_rotations(world.ctx, world.user, AddonKey(addon.name)):
        if view.finished_at is None:
            await revoke(world.ctx, lambda _: world.provider, view.id, view.attempts, Limits())
    return await newest(world, addon)


async def history(world: World, addon: AddonView) -> list[tuple[str, str]]:
    return [(entry["step"], entry["outcome"]) for entry in (await operation(world, addon)).history]


async def operation(world: World, addon: AddonView):
    return (await list_operations(world.ctx, world.user, addon.id))[0]


async def test_new_credentials_come_in_one_release_and_the_old_ones_go_when_the_app_has_taken_it(
    world: World, addon: AddonView
) -> None:
    before = await release_of(world)
    rotation = await rotated(world, addon)
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://new"}
    assert await release_of(world) == before + 1
    assert (rotation.state, rotation.generation) == ("overlap", 2)
    assert [(app.app_name, app.release_version, app.how) for app in rotation.apps] == [("shop", before + 1, None)]
    assert (await look(world, addon)).state == "overlap"

    await acknowledge(world.ctx, world.user, "shop", str(before), "api")
    assert (await look(world, addon)).state == "overlap"
    await acknowledge(world.ctx, world.user, "shop", str(before + 1), "broker run")
    world.provider.will(Reply(Answer.DONE, 204))
    over = await look(world, addon)
    assert (over.state, over.apps[0].how, over.finished_at) == ("finished", "broker run", world.ctx.clock.now())
    asked, told = world.provider.calls[-2:]
    assert isinstance(asked, RotateCall)
    assert isinstance(told, RevokeCall)
    assert asked.rotation == told.rotation == rotation.id
    assert ("revoke", "done") in await history(world, addon)


async def test_what_nobody_acknowledges_ends_at_the_deadline(world: World, addon: AddonView) -> None:
    rotation = await rotated(world, addon)
    assert rotation.revoke_at == world.ctx.clock.now() + OVERLAP
    assert (await look(world, addon, minutes=119)).state == "overlap"
    world.provider.will(Reply(Answer.GONE, 410))
    over = await look(world, addon, minutes=1)
    assert (over.state, over.apps[0].how, over.apps[0].acknowledged_at) == ("finished", "deadline", None)


@pytest.mark.parametrize(("level", "state"), [("sync", "finished"), ("notify", "overlap")])
async def test_a_webhook_of_level_sync_that_confirms_the_release_acknowledges_it(
    world: World, addon: AddonView, level: str, state: str
) -> None:
    rotation = await rotated(world, addon)
    world.provider.will(Reply(Answer.DONE, 204))
    await confirmed(world, rotation.apps[0].app_id, rotation.apps[0].release_version - 1, level)
    assert (await look(world, addon)).state == "overlap"
    await confirmed(world, rotation.apps[0].app_id, rotation.apps[0].release_version, level)
    over = await look(world, addon)
    assert (over.state, over.apps[0].how) == (state, "webhook" if level == "sync" else None)


async def confirmed(world: World, app_id: UUID, version: int, level: str) -> None:
    """A webhook was told of a release and answered well."""
    now, hook, event = world.ctx.clock.now(), new_id(), new_id()
    same = {"created_at": now, "updated_at": now}
    told = same | {"webhook_id": hook, "sequence": 1}
    async with world.ctx.database.transaction() as tx:
        address = {"url": "https://a.example", "host": "a.example", "data_key": b"", "secret_sealed": b""}
        await tx.execute(
            insert(Webhook).values(id=hook, app_id=app_id, include=["api:release"], level=level, **address, **same)
        )
        payload = {"data": {"version": version}}
        await tx.execute(insert(WebhookEvent).values(id=event, include="api:release", payload=payload, **told))
        delivery = {"status": "succeeded", "num_attempts": 1, "deadline_at": now, "finished_at": now}
        await tx.execute(insert(WebhookDelivery).values(id=new_id(), event_id=event, **delivery, **told))


async def test_every_attached_app_is_waited_for_until_it_is_detached(world: World, addon: AddonView) -> None:
    await create_app(world.ctx, world.user, CreateApp(name="second"))
    other = await attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "second", "CACHE"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "shop", "AGAIN"))
    before = await release_of(world), await release_of(world, "second")
    rotation = await rotated(world, addon)
    assert {app.app_name for app in rotation.apps} == {"shop", "second"}
    assert (await release_of(world), await release_of(world, "second")) == (before[0] + 1, before[1] + 1)
    assert await get_config_vars(world.ctx, world.user, "shop") == {
        "STORE_URL": "store://new",
        "AGAIN_URL": "store://new",
    }
    await acknowledge(world.ctx, world.user, "shop", str(before[0] + 1), "api")
    assert (await look(world, addon)).state == "overlap"
    await detach(world.ctx, world.user, str(other.id))
    world.provider.will(Reply(Answer.DONE, 204))
    assert (await look(world, addon)).state == "finished"


async def test_a_revocation_is_tried_until_the_provider_agrees(world: World, addon: AddonView) -> None:
    await rotated(world, addon, overlap=timedelta())
    world.provider.will(Reply(Answer.SERVER_ERROR, 500), Reply(Answer.UNAUTHORIZED, 401), Reply(Answer.DONE, 200))
    first = await look(world, addon)
    assert (first.state, first.attempts, first.last_answer) == ("revoking", 1, "server_error 500")
    assert first.next_at is not None
    assert first.next_at > world.ctx.clock.now()
    assert (await look(world, addon, hours=1)).last_answer == "unauthorized 401"
    over = await look(world, addon, hours=1)
    assert (over.state, over.attempts) == ("finished", 3)
    steps = await history(world, addon)
    assert steps[-3:] == [("revoke", "server_error"), ("revoke", "unauthorized"), ("revoke", "done")]


async def test_an_attempt_is_made_once_however_often_its_job_runs(world: World, addon: AddonView) -> None:
    rotation = await rotated(world, addon, overlap=timedelta())
    world.provider.will(Reply(Answer.DONE, 204))
    calls = len(world.provider.calls)
    for _ in range(3):
        await revoke(world.ctx, lambda _: world.provider, rotation.id, 0)
    assert len(world.provider.calls) == calls + 1


async def test_the_same_question_is_repeated_when_the_answer_was_lost(world: World, addon: AddonView) -> None:
    await rotated(world, addon, LOST)
    world.provider.will(new())
    await world.run(minutes=1)
    first, second = world.provider.calls[-2:]
    assert isinstance(first, RotateCall)
    assert first == second
    assert (await newest(world, addon)).state == "overlap"


async def test_a_rotation_that_failed_is_taken_up_under_the_same_id(world: World, addon: AddonView) -> None:
    """The provider may have issued credentials whose answer never came: asked again, it gives those."""
    failed = await rotated(world, addon, Reply(Answer.REFUSED, 422, "Not now."))
    assert failed.state == "failed"
    assert (await operation(world, addon)).reason == "Not now."
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": f"store://{addon.id}"}
    again = await rotated(world, addon)
    assert (again.id, again.state, again.generation) == (failed.id, "overlap", 2)


async def test_an_answer_without_new_credentials_is_a_failure(world: World, addon: AddonView) -> None:
    same = await rotated(world, addon, new(f"store://{addon.id}"))
    assert same.state == "failed"
    assert "no new credentials" in ((await operation(world, addon)).reason or "")


async def test_credentials_that_follow_an_acceptance_end_the_operation(world: World, addon: AddonView) -> None:
    await rotated(world, addon, ACCEPTED)
    assert (await operation(world, addon)).state == "waiting"
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://patched")})
    assert await world.unfinished() == []
    views = await list_rotations(world.ctx, world.user, AddonKey(addon.name))
    assert [(view.state, view.by_provider) for view in views] == [("overlap", False)]


async def test_an_acceptance_without_credentials_fails_in_time(world: World, addon: AddonView) -> None:
    await rotated(world, addon, ACCEPTED)
    await world.run(hours=1)
    assert (await newest(world, addon)).state == "failed"
    assert "in time" in ((await operation(world, addon)).reason or "")


async def test_config_that_a_provider_sends_by_itself_is_a_generation(world: World, addon: AddonView) -> None:
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://theirs")})
    view = await newest(world, addon)
    assert (view.by_provider, view.generation, view.state) == (True, 2, "overlap")
    credentials = await get_credentials(world.ctx, world.user, AddonKey(addon.name))
    assert (credentials.generation, credentials.rotated_at) == (2, world.ctx.clock.now())
    world.provider.will(Reply(Answer.MISSING, 404))
    assert (await look(world, addon, hours=2)).state == "finished"


async def test_of_a_service_that_knows_no_rotation_the_generations_are_counted_and_nobody_is_called(
    world: World,
) -> None:
    addon = await world.provisioned()
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://theirs")})
    calls = len(world.provider.calls)
    assert (await look(world, addon, hours=2)).state == "finished"
    assert len(world.provider.calls) == calls
    with pytest.raises(InvalidParams, match="addons:open"):
        await rotate(world.ctx, world.user, AddonKey(addon.name))


async def test_a_second_rotation_waits_for_the_first_unless_the_old_credentials_are_to_go_at_once(
    world: World, addon: AddonView
) -> None:
    await rotated(world, addon)
    with pytest.raises(Conflict, match="--revoke-now"):
        await rotate(world.ctx, world.user, AddonKey(addon.name))
    await rotated(world, addon, new("store://third"), overlap=timedelta())
    world.provider.will(Reply(Answer.DONE, 204))
    assert (await look(world, addon)).state == "finished"


async def test_an_overlap_can_be_ended_early(world: World, addon: AddonView) -> None:
    await rotated(world, addon)
    await end_overlap(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.DONE, 204))
    assert (await look(world, addon)).state == "finished"
    with pytest.raises(Conflict, match="no old credentials"):
        await end_overlap(world.ctx, world.user, AddonKey(addon.name))


async def test_other_changes_are_possible_during_the_overlap_and_not_during_the_question(
    world: World, addon: AddonView
) -> None:
    await rotate(world.ctx, world.user, AddonKey(addon.name))
    with pytest.raises(Conflict, match="under way"):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "big")
    world.provider.will(new())
    await world.run()
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "big")
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run()
    assert (await world.read(addon.id)).plan.slug == "big"


@pytest.mark.parametrize("asked", [True, False])
async def test_destroying_ends_a_rotation_with_its_add_on(world: World, addon: AddonView, asked: bool) -> None:
    if asked:
        await rotated(world, addon)
    else:
        await rotate(world.ctx, world.user, AddonKey(addon.name))
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    assert (await look(world, addon)).state == ("finished" if asked else "failed")


async def test_everything_of_a_service_is_one_request_and_refusals_do_not_hold_up_the_rest(
    world: World, addon: AddonView, mallory: Actor
) -> None:
    second = await world.provisioned()
    await rotate(world.ctx, world.user, AddonKey(second.name))
    started = await rotate_all(world.ctx, world.user, "store")
    assert [(one.addon_name, one.rotation_id is not None) for one in started] == [
        (addon.name, True),
        (second.name, False),
    ]
    assert "under way" in (started[1].refusal or "")
    assert await rotate_all(world.ctx, mallory) == []
    with pytest.raises(NotFound):
        await rotate_all(world.ctx, mallory, everyone=True)
    with pytest.raises(NotFound):
        await rotate_all(world.ctx, world.user, "nonsense")


async def test_an_operator_rotates_everybody_s(world: World, addon: AddonView, mallory: Actor) -> None:
    operator = Actor(mallory.id, mallory.email, mallory.scopes, is_operator=True)
    (started,) = await rotate_all(world.ctx, operator, "store", everyone=True)
    world.provider.will(new())
    await world.run()
    assert (await newest(world, addon)).id == started.rotation_id


async def test_what_is_not_yours_is_not_there(world: World, addon: AddonView, mallory: Actor) -> None:
    key = AddonKey(addon.name)
    for refused in (
        rotate(world.ctx, mallory, key),
        list_rotations(world.ctx, mallory, key),
        get_credentials(world.ctx, mallory, key),
        end_overlap(world.ctx, mallory, key),
        refresh(world.ctx, mallory, key),
        acknowledge(world.ctx, mallory, "shop", "1", "api"),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_a_refresh_takes_what_differs_and_else_changes_nothing(world: World, addon: AddonView) -> None:
    before = await release_of(world)
    for url, releases in ((f"store://{addon.id}", 0), ("store://dropped", 1)):
        world.ctx.clock.advance(seconds=1)
        await refresh(world.ctx, world.user, AddonKey(addon.name))
        world.provider.will(new(url))
        await world.run()
        assert await release_of(world) == before + releases
    assert (await get_credentials(world.ctx, world.user, AddonKey(addon.name))).generation == 2


async def test_no_value_is_in_what_is_kept_of_a_rotation(world: World, addon: AddonView) -> None:
    rotation = await rotated(world, addon, new("store://canary"))
    assert "canary" not in repr(rotation)
    assert "canary" not in repr(await operation(world, addon))
    assert isinstance(rotation.id, UUID)
