"""Look-ups: what users type, what they may see, and what they are told when it is not there."""

import pytest

from broker.catalog.publish import publish
from broker.catalog.queries import get_plan, get_service, list_plans, list_services, resolve_plan
from broker.catalog.views import ServiceView, price_text
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import InvalidParams, NotFound
from tests.catalog.samples import parsed, plans


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("acme-cache", "acme-cache:mini"),
        ("acme-cache:mini", "acme-cache:mini"),
        ("acme-cache:large", "acme-cache:large"),
    ],
)
async def test_a_service_means_its_default_plan_and_a_plan_itself(
    ctx: Context, alice: Actor, cache: ServiceView, text: str, name: str
) -> None:
    async with ctx.database.transaction() as tx:
        plan = await resolve_plan(tx, alice, text)
        assert plan.name == name
        assert await resolve_plan(tx, alice, str(plan.id)) == plan
        assert await get_plan(tx, plan.id) == plan


async def test_an_unknown_service_is_not_found_and_close_ones_are_suggested(
    ctx: Context, alice: Actor, cache: ServiceView
) -> None:
    async with ctx.database.transaction() as tx:
        with pytest.raises(NotFound, match=r"Did you mean acme-cache\?") as caught:
            await resolve_plan(tx, alice, "acme-cahce")
        assert caught.value.fields == {"resource": "add_on_service"}
        with pytest.raises(NotFound, match=r'service "zzz"\. See the list'):
            await get_service(tx, "zzz")


async def test_an_unknown_plan_of_a_known_service_is_answered_with_the_plans(
    ctx: Context, alice: Actor, cache: ServiceView
) -> None:
    expected = (
        'Couldn\'t find either the add-on service or the add-on plan of "acme-cache:huge".'
        " The plans of acme-cache are acme-cache:mini (free), acme-cache:large ($12.50/month)."
    )
    async with ctx.database.transaction() as tx:
        with pytest.raises(InvalidParams) as caught:
            await resolve_plan(tx, alice, "acme-cache:huge")
    assert caught.value.message == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":mini",
        "a\x00b",
        "a\ud800",
        "ä" * 300,
        "Acme-Cache",
        "01234567-89ab-cdef-0123-456789abcdef",
        "%",
        "a:b:c",
    ],
)
async def test_nonsense_is_not_found(ctx: Context, alice: Actor, cache: ServiceView, text: str) -> None:
    async with ctx.database.transaction() as tx:
        with pytest.raises(NotFound) as caught:
            await resolve_plan(tx, alice, text)
        assert len(caught.value.message.encode()) < 400
        with pytest.raises(NotFound):
            await get_service(tx, text)
        with pytest.raises(NotFound):
            await get_plan(tx, text)


@pytest.mark.parametrize("text", ["acme-cache:", "acme-cache:\x00", "acme-cache:mini:mini"])
async def test_a_malformed_plan_of_a_known_service_is_an_invalid_parameter(
    ctx: Context, alice: Actor, cache: ServiceView, text: str
) -> None:
    async with ctx.database.transaction() as tx:
        with pytest.raises(InvalidParams, match="Couldn't find either the add-on"):
            await resolve_plan(tx, alice, text)


@pytest.mark.parametrize("state", ["hidden", "invite"])
async def test_a_plan_that_is_not_public_is_kept_from_outsiders_and_shown_to_its_add_ons(
    ctx: Context, alice: Actor, state: str
) -> None:
    await publish(ctx, parsed(plans=[*plans("open"), *plans("secret", state=state)]), SYSTEM)
    async with ctx.database.transaction() as tx:
        assert [plan.slug for plan in await list_plans(tx, "acme-cache")] == ["open"]
        secret = await get_plan(tx, "acme-cache:secret")
        with pytest.raises(InvalidParams) as caught:
            await resolve_plan(tx, alice, "acme-cache:secret")
        with pytest.raises(NotFound):
            await resolve_plan(tx, alice, str(secret.id))
    assert "(free)" in caught.value.message
    assert "acme-cache:secret (" not in caught.value.message


@pytest.mark.parametrize("state", ["alpha", "shutdown"])
async def test_a_service_that_is_not_on_offer_is_neither_listed_nor_installed_nor_suggested(
    ctx: Context, alice: Actor, state: str
) -> None:
    service = await publish(ctx, parsed(), SYSTEM, first_state=state)
    assert await list_services(ctx, alice) == []
    async with ctx.database.transaction() as tx:
        assert await get_service(tx, service.id) == service
        for text in ("acme-cache", "acme-cache:mini", "acme-cach"):
            with pytest.raises(NotFound) as caught:
                await resolve_plan(tx, alice, text)
            assert "Did you mean" not in caught.value.message


async def test_services_are_listed_by_slug(ctx: Context, cache: ServiceView, alice: Actor) -> None:
    other = await publish(ctx, parsed(id="acme", api=parsed_api()), SYSTEM)
    assert await list_services(ctx, alice) == [other, cache]


def parsed_api() -> dict[str, object]:
    return {
        "password": "p",
        "config_vars": [],
        "regions": ["*"],
        "production": "https://acme.example.com",
    }


def test_prices_read_as_people_write_them() -> None:
    texts = [price_text(cents, "usd") for cents in (0, 900, 8995, 150005, 20000000)]
    assert texts == ["free", "$9/month", "$89.95/month", "$1,500.05/month", "$200,000/month"]
    assert price_text(1200, "eur") == "12 EUR/month"
