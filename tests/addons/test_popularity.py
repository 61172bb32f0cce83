"""What is popular: counted by apps, without those of the people who make it."""

from sqlalchemy import insert, select

from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team
from broker.addons.popularity import count_installs
from broker.addons.teams import give_app_away
from broker.apps.team_members import put_team_member
from broker.catalog.members import Role
from broker.catalog.models import AddonService, ServiceMember
from broker.catalog.search import Wanted, find
from tests.addons.conftest import World
from tests.domain import new_user


async def test_apps_are_counted_but_not_those_of_whoever_makes_the_service(world: World) -> None:
    async def installs() -> int:
        await count_installs(world.ctx)
        (hit,) = (await find(world.ctx, Wanted("store"))).hits
        return hit.installs

    assert await installs() == 0
    await world.provisioned(name="first")
    await world.provisioned(name="second")
    assert await installs() == 1, "two of one app are one"
    async with world.ctx.database.transaction() as tx:
        service = (await tx.execute(select(AddonService.id).where(AddonService.slug == "store"))).scalar_one()
        row = {"service_id": service, "user_id": world.user.id, "role": Role.OWNER, "created_at": world.ctx.clock.now()}
        await tx.execute(insert(ServiceMember).values(**row))
    assert await installs() == 0
    await create_team(world.ctx, world.user, "acme")
    await give_app_away(world.ctx, world.user, world.app, "acme")
    assert await installs() == 0, "a team of theirs says no more"
    customer = await new_user(world.ctx, "customer@example.com")
    await put_team_member(world.ctx, world.user, "acme", customer.email, TeamRole.OWNER)
    await put_team_member(world.ctx, customer, "acme", world.user.email, TeamRole.VIEWER)
    assert await installs() == 1
