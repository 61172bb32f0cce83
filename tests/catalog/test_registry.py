"""What the registry keeps: versions without readable secrets, masks for who may not see them, and one owner per slug."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select, text

from broker.catalog.client_secrets import is_client_secret, rotate_client_secret
from broker.catalog.contents import masked, unmasked
from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest_auth import authenticate_service
from broker.catalog.members import Role, set_member
from broker.catalog.models import ManifestVersion
from broker.catalog.publish import publish
from broker.catalog.push import push_manifest, rotate_secrets
from broker.catalog.queries import get_service
from broker.catalog.versions import get_version, list_versions
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import NotFound
from broker.kernel.secret import Secret
from tests.catalog.samples import cache_api, cache_manifest, parsed
from tests.domain import StoppedClock, new_user

SLUG = "acme-cache"


async def everything_stored(ctx: Context) -> str:
    """All rows of the catalog as text, as whoever steals the database reads them."""
    found = []
    async with ctx.database.transaction() as tx:
        for table in ("addon_services", "manifest_versions", "plans", "events"):
            found += [str(row) for row in await tx.execute(text(f"select * from {table}"))]
    return "\n".join(found)


async def test_no_secret_is_readable_in_the_database(ctx: Context, alice: Actor) -> None:
    api = cache_api(test={"base_url": "http://localhost:1", "api_token": "canary-of-an-unknown-member"})
    pushed = await push_manifest(ctx, alice, SLUG, cache_manifest(api=api))
    assert pushed.client_secret is not None
    stored = await everything_stored(ctx)
    assert "acme-cache" in stored
    assert "canary" not in stored
    assert pushed.client_secret.reveal() not in stored
    assert pushed.version.contents["api"] == api


async def test_developers_see_masks_and_what_has_masks_can_be_pushed(ctx: Context, alice: Actor) -> None:
    bob = await new_user(ctx, "bob@example.com")
    await push_manifest(ctx, alice, SLUG, cache_manifest())
    await set_member(ctx, alice, SLUG, bob.email, Role.DEVELOPER)
    seen = (await get_version(ctx, bob, SLUG)).contents
    assert (seen["api"]["password"], seen["api"]["sso_salt"]) == ("***", "***")
    assert "canary" not in json.dumps(seen)
    await set_member(ctx, alice, SLUG, bob.email, Role.ADMIN)
    await push_manifest(ctx, bob, SLUG, seen | {"name": "Bob's"})
    kept = (await get_version(ctx, alice, SLUG)).contents
    assert (kept["name"], kept["api"]["password"]) == ("Bob's", "canary-password-0123456789")


async def test_a_mask_that_stands_for_nothing_is_a_fault(ctx: Context, alice: Actor) -> None:
    with pytest.raises(ManifestFaults, match="/api/password: is the mask"):
        await push_manifest(ctx, alice, SLUG, cache_manifest(api=cache_api(password="***")))


def test_masking_keeps_order_and_everything_that_is_no_secret() -> None:
    contents: dict[str, Any] = {
        "b": 1, "a": ["***", {"Secret": "one", "x/y": {"api~token": "two"}}], "salt": {"password": 7, "text": "***"},
    }  # fmt: skip
    public, secrets = masked({"$base": 4, **contents})
    assert public == contents | {"a": ["***", {"Secret": "***", "x/y": {"api~token": "***"}}]}
    assert secrets == {"/a/1/Secret": "one", "/a/1/x~1y/api~0token": "two"}
    assert json.dumps(unmasked(public, secrets)) == json.dumps(contents)


async def test_a_service_of_the_operators_files_has_versions_and_no_owner(ctx: Context, alice: Actor) -> None:
    await publish(ctx, parsed(), SYSTEM)
    await publish(ctx, parsed(name="Renamed"), SYSTEM)
    with pytest.raises(NotFound):
        await list_versions(ctx, alice, SLUG)
    operator = Actor(alice.id, alice.email, alice.scopes, is_operator=True)
    assert [one.revision for one in await list_versions(ctx, operator, SLUG)] == [2, 1]
    assert (await get_version(ctx, operator, SLUG, "1")).contents == {"$base": 1, **cache_manifest()}


async def test_a_file_does_not_take_a_partners_service_over(ctx: Context, alice: Actor) -> None:
    await push_manifest(ctx, alice, SLUG, cache_manifest())
    with pytest.raises(ManifestFaults, match='"acme-cache" belongs to a partner'):
        await publish(ctx, parsed(name="Taken over"), SYSTEM)


async def test_of_two_who_register_a_slug_at_the_same_moment_one_gets_it(live_ctx: Context) -> None:
    people = [await new_user(live_ctx, f"{name}@example.com") for name in ("ann", "ben")]
    pushes = [push_manifest(live_ctx, person, SLUG, cache_manifest(name=person.email)) for person in people]
    outcomes = await asyncio.gather(*pushes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ManifestFaults", "Pushed"]


async def test_simultaneous_pushes_of_one_manifest_make_one_version(live_ctx: Context) -> None:
    ann = await new_user(live_ctx, "ann@example.com")
    pushed = await asyncio.gather(*(push_manifest(live_ctx, ann, SLUG, cache_manifest()) for _ in range(4)))
    assert sorted(one.changed for one in pushed) == [False, False, False, True]
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(ManifestVersion))).scalar_one() == 1


async def test_a_client_secret_overlaps_with_the_one_before_unless_that_is_wanted_gone(
    ctx: Context, alice: Actor, clock: StoppedClock
) -> None:
    first = (await push_manifest(ctx, alice, SLUG, cache_manifest())).client_secret
    assert first is not None
    second = await rotate_client_secret(ctx, alice, SLUG)
    assert await valid(ctx, first, second, Secret("")) == [True, True, False]
    clock.advance(hours=24)
    assert await valid(ctx, first, second) == [False, True]
    third = await rotate_client_secret(ctx, alice, SLUG, immediate=True)
    assert await valid(ctx, second, third) == [False, True]


async def valid(ctx: Context, *secrets: Secret) -> list[bool]:
    async with ctx.database.transaction() as tx:
        service = await get_service(tx, SLUG)
        return [await is_client_secret(tx, service.id, secret, ctx.clock.now()) for secret in secrets]


async def test_a_push_that_leaves_the_secrets_alone_leaves_the_overlap_alone(ctx: Context, alice: Actor) -> None:
    old = Secret((await push_manifest(ctx, alice, SLUG, cache_manifest())).version.contents["api"]["password"])
    rotated = (await rotate_secrets(ctx, alice, SLUG)).contents
    await push_manifest(ctx, alice, SLUG, rotated | {"name": "Renamed"})
    assert (await authenticate_service(ctx, SLUG, old)).slug == SLUG
