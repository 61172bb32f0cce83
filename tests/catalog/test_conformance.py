"""The badge of the test kit: believed when a trusted key has signed it, about just this manifest, and until another one."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broker.catalog.conformance import manifest_digest, record_conformance
from broker.catalog.members import Role, set_member
from broker.catalog.push import push_manifest
from broker.catalog.queries import get_service
from broker.catalog.review import request_review
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Forbidden, InvalidParams
from broker.testkit import statement
from tests.catalog.samples import cache_manifest
from tests.domain import new_user

SLUG = "acme-cache"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = [base64.b64encode(bytes(32)).decode(), statement.public_text(KEY.public_key())]
SAID = {
    "service": SLUG,
    "manifest_sha256": statement.manifest_digest(cache_manifest()),
    "kit": "1.0",
    "strict": True,
    "at": "2026-11-21T09:00:00Z",
    "summary": {"passed": 40, "failed": 0, "warned": 0, "skipped": 2},
}


def signed(key: Ed25519PrivateKey = KEY, **changes: Any) -> dict[str, Any]:
    return statement.sign({**SAID, **changes}, key)


@pytest.fixture
async def registered(ctx: Context, alice: Actor) -> None:
    await push_manifest(ctx, alice, SLUG, cache_manifest())


@pytest.mark.usefixtures("registered")
async def test_a_statement_of_a_trusted_key_is_shown_until_another_manifest_is_pushed(
    ctx: Context, alice: Actor
) -> None:
    service = await record_conformance(ctx, alice, SLUG, signed(), TRUSTED)
    assert service.conformant is not None
    assert (service.conformant["at"], service.conformant["summary"]["passed"]) == ("2026-11-21T09:00:00Z", 40)
    review = await request_review(ctx, alice, SLUG, {"summary": {"passed": 1, "failed": 1}})
    assert {point.name: point.met for point in review.checklist}["kit"] is True
    await push_manifest(ctx, alice, SLUG, cache_manifest(name="Renamed"))
    async with ctx.database.transaction() as tx:
        assert (await get_service(tx, SLUG)).conformant is None


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (signed(Ed25519PrivateKey.generate()), "None of the keys"),
        (signed() | {"statement": {**SAID, "strict": False}}, "None of the keys"),
        (signed() | {"signature": "no base64"}, "None of the keys"),
        (signed(service="other"), "another manifest"),
        (signed(manifest_sha256=manifest_digest(cache_manifest(name="Old"))), "another manifest"),
        (signed(summary={"passed": 40, "failed": 1}), "does not say"),
        (signed(summary=None), "does not say"),
        ({"statement": SAID}, "no signed statement"),
        ({"statement": [], "signature": ""}, "no signed statement"),
    ],
)
async def test_everything_else_is_not(ctx: Context, alice: Actor, said: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidParams, match=reason):
        await record_conformance(ctx, alice, SLUG, said, TRUSTED)


@pytest.mark.usefixtures("registered")
async def test_a_broker_that_trusts_nobody_shows_nothing(ctx: Context, alice: Actor) -> None:
    with pytest.raises(InvalidParams, match="None of the keys"):
        await record_conformance(ctx, alice, SLUG, signed(), ())


@pytest.mark.usefixtures("registered")
async def test_a_badge_is_for_admins_to_hand_in(ctx: Context, alice: Actor) -> None:
    bob = await new_user(ctx, "bob@example.com")
    await set_member(ctx, alice, SLUG, bob.email, Role.DEVELOPER)
    with pytest.raises(Forbidden):
        await record_conformance(ctx, bob, SLUG, signed(), TRUSTED)
