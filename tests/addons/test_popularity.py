"""What is popular: counted by apps, without those of the people who make it."""

from sqlalchemy import insert, select

from broker.addons.popularity import count_installs
from broker.catalog.members import Role
from broker.catalog.models import AddonService, ServiceMember
from broker.catalog.search import Wanted, find
from tests.addons.conftest import World


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
