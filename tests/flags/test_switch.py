"""Flags: who switches them, what they hold up and what not, and what is recorded of it."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from broker.accounts.sign_up import ask_to_sign_up, invite
from broker.addons.attention import look_over
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon
from broker.addons.destroy import destroy_addon
from broker.addons.ports import Answer, Reply
from broker.addons.previews import preview_creation
from broker.addons.resolve import AddonKey
from broker.events.models import Event
from broker.flags.models import Flag
from broker.flags.switch import MEANINGS, list_flags, set_flag
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams, NotFound, Paused
from broker.notices.letters import Envelope, Fate, Receipt
from broker.notices.models import Notice
from broker.notices.outbox import WORTH, notify
from broker.notices.send import look_after_notices, send_notice
from tests.addons.conftest import World
from tests.addons.conftest import world as world
from tests.domain import new_user


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "operator@example.com"), is_operator=True)


async def events(world: World) -> list[dict[str, object]]:
    async with world.ctx.database.transaction() as tx:
        return list((await tx.execute(select(Event.data).where(Event.kind == "flag.switched"))).scalars())


async def test_a_flag_is_switched_once_and_says_who_and_why(world: World, operator: Actor) -> None:
    assert set(MEANINGS) == set(Flag)
    assert all(view.is_on and view.changed_at is None for view in await list_flags(world.ctx, operator))
    assert (await set_flag(world.ctx, operator, "installs", True, "as it is")).changed_at is None
    off = await set_flag(world.ctx, operator, "installs", False, " moving   the database ")
    assert (off.is_on, off.reason, off.changed_by) == (False, "moving the database", operator.email)
    same = await set_flag(world.ctx, operator, "installs", False, "another word")
    assert same == off
    one = await set_flag(world.ctx, operator, "installs", False, "it fails", "store")
    found = await list_flags(world.ctx, operator)
    assert [(view.name, view.service) for view in found] == [
        (Flag.SIGN_UP, None), (Flag.INSTALLS, None), (Flag.INSTALLS, "store"), (Flag.COLLECTION, None), (Flag.NOTICES, None),
    ]  # fmt: skip
    assert one in found
    assert (await look_over(world.ctx, operator)).off == ["installs", "installs of store"]
    assert await events(world) == [
        {"flag": "installs", "service": None, "on": False, "reason": "moving the database"},
        {"flag": "installs", "service": "store", "on": False, "reason": "it fails"},
    ]


@pytest.mark.parametrize(
    ("name", "reason", "service", "said"),
    [
        ("nonsense", "why", None, "must be one of sign-up"),
        ("installs", "  ", None, "say why"),
        ("installs", "x" * 301, None, "say why"),
        ("installs", "nul\0", None, "say why"),
        ("installs", "why", "stor", "no service stor"),
        ("notices", "why", "store", "switched as a whole"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    world: World, operator: Actor, name: str, reason: str, service: str | None, said: str
) -> None:
    with pytest.raises(InvalidParams, match=said):
        await set_flag(world.ctx, operator, name, False, reason, service)
    assert await events(world) == []


async def test_nobody_but_operators_sees_or_switches_them(world: World) -> None:
    with pytest.raises(NotFound):
        await list_flags(world.ctx, world.user)
    with pytest.raises(NotFound):
        await set_flag(world.ctx, world.user, "installs", False, "why")


@pytest.mark.parametrize("service", [None, "store"])
async def test_while_installs_are_off_what_is_there_goes_on(world: World, operator: Actor, service: str | None) -> None:
    there = await world.provisioned()
    await set_flag(world.ctx, operator, "installs", False, "moving the database", service)
    with pytest.raises(Paused, match=r"No add-ons (of store )?are .* The operators say: moving the database"):
        await world.create()
    told = await preview_creation(world.ctx, world.user, CreateAddon(world.app, "store:free"))
    assert [obstacle.id for obstacle in told.obstacles] == ["paused"]
    await change_plan(world.ctx, world.user, AddonKey(there.name), "store:big")
    world.provider.will(Reply(Answer.DONE, 200), Reply(Answer.DONE, 200))
    await world.run()
    await destroy_addon(world.ctx, world.user, AddonKey(there.name))
    await world.run()
    await set_flag(world.ctx, operator, "installs", True, "done", service)
    await world.create()


async def test_while_sign_up_is_off_only_who_is_invited_gets_a_link(world: World, operator: Actor) -> None:
    await set_flag(world.ctx, operator, "sign-up", False, "too many robots")
    with pytest.raises(Paused, match="too many robots"):
        await ask_to_sign_up(world.ctx, "new@example.com")
    with pytest.raises(Paused):
        await ask_to_sign_up(world.ctx, world.user.email)
    assert await invite(world.ctx, operator, "new@example.com") == "new@example.com"
    await set_flag(world.ctx, operator, "sign-up", True, "they are gone")
    await ask_to_sign_up(world.ctx, "another@example.com")


class Words:
    """Letters without any."""

    def letter(self, kind: str, facts: object) -> object:
        return kind


async def test_while_notices_are_off_they_wait_without_growing_old_and_links_go_out(
    world: World, operator: Actor
) -> None:
    ctx, sent = world.ctx, list[str]()

    async def post(envelope: Envelope) -> Receipt:
        sent.append(str(envelope.letter))
        return Receipt(Fate.SENT)

    async def send_all() -> None:
        async with ctx.database.transaction() as tx:
            waiting = (await tx.execute(select(Notice.id).where(Notice.due_at.is_not(None)))).scalars().all()
        for notice_id in waiting:
            await send_notice(ctx, Words(), post, notice_id)  # type: ignore[arg-type]  # letters of one word

    await set_flag(ctx, operator, "notices", False, "the mail server is moved")
    async with ctx.database.transaction() as tx:
        await notify(tx, world.user.id, "token.created", {}, ctx.clock.now())
    await invite(ctx, operator, "guest@example.com")
    await send_all()
    assert sent == ["sign_up.invited"]
    for _ in range(8):
        ctx.clock.advance(seconds=(WORTH / 3).total_seconds())  # type: ignore[attr-defined]  # the clock of the tests
        assert await look_after_notices(ctx) == 0
        await send_all()
    assert sent == ["sign_up.invited"]
    await set_flag(ctx, operator, "notices", True, "it is moved")
    assert await look_after_notices(ctx) == 1
    await send_all()
    assert sent == ["sign_up.invited", "token.created"]
