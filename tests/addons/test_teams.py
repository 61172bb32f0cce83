"""What of teams needs add-ons: who may change those of a team, enter their dashboards, bring in what costs, and end the team."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from broker.accounts.models import User
from broker.accounts.team_roles import RULING, TeamRole
from broker.accounts.teams import acting_for_team, create_team
from broker.addons.create import CreateAddon, create_addon
from broker.addons.dashboards import find_dashboard
from broker.addons.destroy import destroy_addon
from broker.addons.detach import detach
from broker.addons.handover import accept_app_transfer, agree_to_pay
from broker.addons.queries import list_addons, list_attachments
from broker.addons.resolve import AddonKey
from broker.addons.teams import end_team, give_app_away, team_addons, team_usage, what_keeps_team
from broker.addons.tickets import Visit
from broker.apps.create import CreateApp, create_app
from broker.apps.payers import ask_payer
from broker.apps.queries import get_app
from broker.apps.team_members import put_team_member
from broker.apps.transfers import offer_app
from broker.billing.ledger import CHARGEBACK, Posting, charged_back_amounts, post
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context, Rules
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.payments.models import PaymentSetup
from broker.payments.setups import begin_setup, get_setup
from tests.addons.conftest import World, make_world
from tests.addons.test_trials import PRO, TRIED
from tests.domain import new_user
from tests.partner_api.conftest import stocked


async def people_in(ctx: Context, alice: Actor) -> dict[TeamRole, Actor]:
    await create_team(ctx, alice, "acme")
    people = {}
    for role in (TeamRole.ADMIN, TeamRole.MEMBER, TeamRole.VIEWER):
        people[role] = await new_user(ctx, f"{role}@example.com")
        await put_team_member(ctx, alice, "acme", people[role].email, role)
    return people


async def test_add_ons_of_a_team_are_changed_by_those_who_work_in_it(ctx: Context, alice: Actor) -> None:
    stock = await stocked(ctx, alice)
    addon = await stock.provisioned(name="my-store")
    people = await people_in(ctx, alice)
    member, viewer = people[TeamRole.MEMBER], people[TeamRole.VIEWER]
    given = await give_app_away(ctx, alice, "shop", "acme")
    assert (given.team_name, given.role) == ("acme", "owner")
    async with ctx.database.transaction() as tx:
        paying = select(User.team_name).join(UsagePeriod, UsagePeriod.payer_id == User.id)
        paying = paying.where(UsagePeriod.addon_id == addon.id, UsagePeriod.ended_at.is_(None))
        assert (await tx.execute(paying)).scalar_one() == "acme"

    key = AddonKey("my-store")
    for who in (member, viewer):
        assert "my-store" in [view.name for view in await list_addons(ctx, who)]
        assert "my-store" in [view.name for view in await team_addons(ctx, who, "acme")]
    (attachment,) = [view for view in await list_attachments(ctx, viewer) if view.addon_id == addon.id]
    for refused in (
        destroy_addon(ctx, viewer, key),
        detach(ctx, viewer, str(attachment.id)),
        create_addon(ctx, viewer, CreateAddon(app="shop", plan="store:free")),
    ):
        with pytest.raises(Forbidden, match="your role lets you look"):
            await refused
    async with ctx.database.transaction() as tx:
        with pytest.raises(Forbidden):
            await find_dashboard(tx, Visit(viewer.id, addon.id, addon.app_id, ""))
        assert (await find_dashboard(tx, Visit(member.id, addon.id, addon.app_id, ""))).role == "collaborator"
        assert (await find_dashboard(tx, Visit(alice.id, addon.id, addon.app_id, ""))).role == "owner"
    assert await team_usage(ctx, viewer, "acme") == []
    await detach(ctx, member, str(attachment.id))


async def test_only_who_runs_a_team_has_it_pay(ctx: Context, alice: Actor, mallory: Actor) -> None:
    people = await people_in(ctx, alice)
    member, admin, viewer = (people[role] for role in (TeamRole.MEMBER, TeamRole.ADMIN, TeamRole.VIEWER))
    stock = await stocked(ctx, member)
    await stock.provisioned(name="my-store", plan="store:big")
    with pytest.raises(Forbidden, match="which the team would pay"):
        await give_app_away(ctx, member, "shop", "acme")
    for who, app in ((member, "shop"), (viewer, "own")):
        if app == "own":
            await create_app(ctx, who, CreateApp(name="own"))
            with pytest.raises(Forbidden):
                await give_app_away(ctx, who, app, "acme")
        with pytest.raises(InvalidParams):
            await give_app_away(ctx, who, app, mallory.email)
    with pytest.raises(NotFound):
        await give_app_away(ctx, mallory, "shop", "acme")
    await put_team_member(ctx, alice, "acme", member.email, TeamRole.ADMIN)
    await give_app_away(ctx, member, "shop", "acme")
    ctx.clock.advance(hours=10)  # type: ignore[attr-defined]  # it stands still in tests
    for who, refusal in ((viewer, Forbidden), (admin, Forbidden), (alice, Conflict)):
        with pytest.raises(refusal):
            await end_team(ctx, who, "acme")
    assert (await give_app_away(ctx, admin, "shop", "me")).owner_email == admin.email
    with pytest.raises(NotFound):
        await get_app(ctx, viewer, "shop")
    with pytest.raises(Conflict, match="owes for 2026-11"):
        await end_team(ctx, alice, "acme")
    assert "owes for 2026-11" in (await what_keeps_team(ctx, alice, "acme") or "")
    with pytest.raises(Forbidden):
        await what_keeps_team(ctx, viewer, "acme")


async def test_a_team_does_not_end_while_a_bank_decides_about_its_payment(ctx: Context, alice: Actor) -> None:
    """It may owe that again."""
    team = await create_team(ctx, alice, "acme")
    for minor, name in ((100, "taken"), (-100, "won")):
        amounts = charged_back_amounts(minor, 0, 0)
        async with ctx.database.transaction() as tx:
            await post(tx, [Posting(name, CHARGEBACK, team.id, "usd", ctx.clock.now(), amounts)])
        if minor > 0:
            with pytest.raises(Conflict, match="bank has not decided"):
                await end_team(ctx, alice, "acme")
    assert await what_keeps_team(ctx, alice, "acme") is None


async def test_a_member_brings_nothing_whose_trial_the_team_has_had(ctx: Context, alice: Actor) -> None:
    member = (await people_in(ctx, alice))[TeamRole.MEMBER]
    world = await make_world(ctx, member)
    await publish(ctx, parse(TRIED), SYSTEM)
    await create_app(ctx, alice, CreateApp(name="of-acme", team="acme"))
    await World(ctx, alice, world.provider, "of-acme").provisioned(PRO)
    await world.provisioned(PRO)
    with pytest.raises(Forbidden, match="which the team would pay"):
        await give_app_away(ctx, member, "shop", "acme")
    assert (await get_app(ctx, member, "shop")).owner_id == member.id


async def test_a_team_that_ends_at_the_same_moment_takes_nothing_any_more(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await create_team(ctx, alice, "acme")
    acting = await acting_for_team(ctx, alice, "acme", RULING)
    for name in ("gift", "burden"):
        await create_app(ctx, mallory, CreateApp(name=name))
    await offer_app(ctx, mallory, "gift", "acme")
    await ask_payer(ctx, mallory, "burden", "acme")
    setup = await begin_setup(replace(ctx, rules=Rules(paid_plans_need_verification=True)), acting)
    async with ctx.database.transaction() as tx:
        back = (await tx.execute(select(PaymentSetup.return_url))).scalar_one()
    assert back == f"/teams/{acting.id}/payment?setup={setup}", "where whoever acts for the team finds it"
    await end_team(ctx, alice, "acme")
    for deed in (accept_app_transfer(ctx, acting, "gift"), agree_to_pay(ctx, acting, "burden")):
        with pytest.raises(NotFound):
            await deed
    apps = [await get_app(ctx, mallory, name) for name in ("gift", "burden")]
    assert [(app.owner_id, app.payer_id) for app in apps] == [(mallory.id, mallory.id)] * 2
    assert (await get_setup(ctx, acting, str(setup))).state == "over"
