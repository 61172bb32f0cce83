import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from broker.accounts.tokens import token_hash
from broker.addons.callbacks import report_deprovisioned
from broker.addons.destroy import destroy_addon
from broker.addons.grants import PartnerTokens, exchange_grant, refresh_tokens
from broker.addons.models import PartnerToken
from broker.addons.partner import authenticate_partner
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.work import mint_grant
from broker.catalog.client_secrets import rotate_client_secret
from broker.catalog.models import AddonService
from broker.events.models import Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import InvalidClient, InvalidGrant, Unauthorized
from broker.kernel.secret import Secret
from tests.addons.conftest import World, make_world
from tests.domain import new_user

CLIENT_SECRET = Secret("HRKU-S-client-secret-of-the-store")
OPERATOR = Actor(UUID(int=7), "operator@example.com", frozenset({Scope.GLOBAL}), is_operator=True)


async def give_client_secret(ctx: Context, slug: str = "store", secret: Secret = CLIENT_SECRET) -> None:
    async with ctx.database.transaction() as tx:
        hashed = token_hash(secret.reveal())
        await tx.execute(update(AddonService).where(AddonService.slug == slug).values(client_secret_hash=hashed))


async def new_code(ctx: Context, addon_id: UUID) -> Secret:
    async with ctx.database.transaction() as tx:
        return (await mint_grant(tx, addon_id, ctx.clock.now())).code


async def tokens_of(ctx: Context, addon_id: UUID) -> PartnerTokens:
    return await exchange_grant(ctx, await new_code(ctx, addon_id), CLIENT_SECRET)


@pytest.fixture
async def addon_id(world: World) -> UUID:
    await give_client_secret(world.ctx)
    return (await world.provisioned(name="my-store")).id


async def test_a_code_gives_a_token_for_its_add_on(world: World, addon_id: UUID) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    partner = await authenticate_partner(world.ctx, tokens.access)
    assert (partner.addon_id, partner.actor.email) == (addon_id, "store@addons.localhost")
    assert tokens.access.reveal().startswith("HRKU-P-")
    assert not tokens.refresh.reveal().startswith("HRKU-P-"), "a refresh token opens no door"


async def test_tokens_are_stored_as_hashes_alone(world: World, addon_id: UUID) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    async with world.ctx.database.transaction() as tx:
        stored = str((await tx.execute(select(PartnerToken))).all())
    assert tokens.access.reveal() not in stored
    assert tokens.refresh.reveal() not in stored


async def test_a_code_used_again_revokes_what_it_gave_and_nothing_else(world: World, addon_id: UUID) -> None:
    kept = await tokens_of(world.ctx, addon_id)
    code = await new_code(world.ctx, addon_id)
    tokens = await exchange_grant(world.ctx, code, CLIENT_SECRET)
    with pytest.raises(InvalidGrant, match="oauth-grant"):
        await exchange_grant(world.ctx, code, CLIENT_SECRET)
    with pytest.raises(Unauthorized):
        await authenticate_partner(world.ctx, tokens.access)
    with pytest.raises(InvalidGrant):
        await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)
    assert (await authenticate_partner(world.ctx, kept.access)).addon_id == addon_id
    async with world.ctx.database.transaction() as tx:
        said = (await tx.execute(select(Event.actor_email).where(Event.kind == "grant.replayed"))).scalars().all()
    assert said == ["store@addons.localhost"]


async def test_a_code_used_again_by_somebody_without_the_secret_revokes_nothing(world: World, addon_id: UUID) -> None:
    code = await new_code(world.ctx, addon_id)
    tokens = await exchange_grant(world.ctx, code, CLIENT_SECRET)
    with pytest.raises(InvalidClient):
        await exchange_grant(world.ctx, code, Secret("HRKU-S-somebody-else"))
    assert (await authenticate_partner(world.ctx, tokens.access)).addon_id == addon_id


async def test_a_wrong_secret_leaves_the_code_for_the_right_one(world: World, addon_id: UUID) -> None:
    code = await new_code(world.ctx, addon_id)
    with pytest.raises(InvalidClient):
        await exchange_grant(world.ctx, code, Secret("wrong"))
    assert await exchange_grant(world.ctx, code, CLIENT_SECRET)


@pytest.mark.parametrize("code", ["", "nonsense", "\udcff"])
async def test_an_unknown_code_gives_nothing(world: World, addon_id: UUID, code: str) -> None:
    with pytest.raises(InvalidGrant):
        await exchange_grant(world.ctx, Secret(code), CLIENT_SECRET)


async def test_a_code_lasts_five_minutes(world: World, addon_id: UUID) -> None:
    early, late = await new_code(world.ctx, addon_id), await new_code(world.ctx, addon_id)
    world.ctx.clock.advance(minutes=4, seconds=59)
    assert await exchange_grant(world.ctx, early, CLIENT_SECRET)
    world.ctx.clock.advance(seconds=1)
    with pytest.raises(InvalidGrant):
        await exchange_grant(world.ctx, late, CLIENT_SECRET)


async def test_access_ends_after_eight_hours_and_the_old_refresh_token_goes_on(world: World, addon_id: UUID) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    world.ctx.clock.advance(hours=8)
    with pytest.raises(Unauthorized):
        await authenticate_partner(world.ctx, tokens.access)
    for _ in range(2):
        renewed = await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)
        assert renewed.refresh == tokens.refresh
        assert (await authenticate_partner(world.ctx, renewed.access)).addon_id == addon_id
        world.ctx.clock.advance(days=100)
    async with world.ctx.database.transaction() as tx:
        left = (await tx.execute(select(func.count()).select_from(PartnerToken))).scalar()
    assert left == 2, "what has expired makes room"


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(
    world: World, addon_id: UUID
) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    with pytest.raises(InvalidGrant):
        await refresh_tokens(world.ctx, tokens.access, CLIENT_SECRET)
    with pytest.raises(Unauthorized):
        await authenticate_partner(world.ctx, tokens.refresh)


async def test_tokens_die_with_the_add_on(world: World, addon_id: UUID) -> None:
    tokens, code = await tokens_of(world.ctx, addon_id), await new_code(world.ctx, addon_id)
    await destroy_addon(world.ctx, world.user, AddonKey("my-store"))
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    assert (await authenticate_partner(world.ctx, tokens.access)).addon_id == addon_id, "it has yet to tell the end"
    await report_deprovisioned(world.ctx, addon_id)
    with pytest.raises(Unauthorized):
        await authenticate_partner(world.ctx, tokens.access)
    with pytest.raises(InvalidGrant):
        await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)
    with pytest.raises(InvalidGrant):
        await exchange_grant(world.ctx, code, CLIENT_SECRET)


async def test_a_secret_withdrawn_at_once_takes_access_away_until_the_new_one_refreshes_it(
    world: World, addon_id: UUID
) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    fresh = await rotate_client_secret(world.ctx, OPERATOR, "store", immediate=True)
    with pytest.raises(Unauthorized):
        await authenticate_partner(world.ctx, tokens.access)
    with pytest.raises(InvalidClient):
        await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)
    renewed = await refresh_tokens(world.ctx, tokens.refresh, fresh)
    assert (await authenticate_partner(world.ctx, renewed.access)).addon_id == addon_id


async def test_a_secret_with_an_overlap_takes_nothing_away(world: World, addon_id: UUID) -> None:
    tokens = await tokens_of(world.ctx, addon_id)
    await rotate_client_secret(world.ctx, OPERATOR, "store")
    assert await authenticate_partner(world.ctx, tokens.access)
    assert await authenticate_partner(
        world.ctx, (await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)).access
    )
    world.ctx.clock.advance(hours=25)
    with pytest.raises(InvalidClient):
        await refresh_tokens(world.ctx, tokens.refresh, CLIENT_SECRET)


async def test_of_many_exchanges_of_one_code_exactly_one_wins(live_ctx: Context) -> None:
    world = await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    await give_client_secret(live_ctx)
    code = await new_code(live_ctx, (await world.provisioned()).id)
    done = await asyncio.gather(
        *(exchange_grant(live_ctx, code, CLIENT_SECRET) for _ in range(6)), return_exceptions=True
    )
    assert [type(item) for item in done if not isinstance(item, PartnerTokens)] == [InvalidGrant] * 5


async def test_refreshes_at_the_same_moment_all_get_a_token(live_ctx: Context) -> None:
    world = await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    await give_client_secret(live_ctx)
    addon = await world.provisioned()
    held = [(await tokens_of(live_ctx, addon.id)).refresh for _ in range(3)]
    world.ctx.clock.advance(hours=9)
    renewed = await asyncio.gather(*(refresh_tokens(live_ctx, token, CLIENT_SECRET) for token in held * 2))
    for tokens in renewed:
        assert (await authenticate_partner(live_ctx, tokens.access)).addon_id == addon.id


async def test_a_grant_says_when_it_ends(world: World, addon_id: UUID) -> None:
    async with world.ctx.database.transaction() as tx:
        grant = await mint_grant(tx, addon_id, world.ctx.clock.now())
    assert grant.expires_at - world.ctx.clock.now() == timedelta(minutes=5)
