"""A provider that says who it is by the id and password of its manifest. Users and tokens are the matter of accounts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, select

from broker.catalog.models import AddonService
from broker.catalog.shared_secrets import old_password, open_secrets, owner
from broker.kernel.context import Context
from broker.kernel.errors import Forbidden, Unauthorized
from broker.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class AuthenticatedService:
    """The service whose provider asks."""

    id: UUID
    slug: str
    api_version: str
    state: str
    capabilities: frozenset[str] = frozenset()

    def require(self, capability: str) -> None:
        """Go on only if the manifest has the capability.

        Raises: Forbidden.
        """
        require_capability(self.capabilities, capability)


def require_capability(capabilities: Collection[str], wanted: str) -> None:
    """The same for whoever knows the capabilities of a manifest from elsewhere.

    Raises: Forbidden.
    """
    if wanted not in capabilities:
        raise Forbidden(f"The manifest does not have the capability {wanted}: add it to `capabilities` and push it.")


_NOBODYS: Final = Secret("no password at all")
_COLUMNS: Final = (
    AddonService.id,
    AddonService.slug,
    AddonService.api_version,
    AddonService.state,
    AddonService.capabilities,
    AddonService.data_key,
    AddonService.password_sealed,
    AddonService.old_password_sealed,
    AddonService.old_secrets_until,
)


async def authenticate_service(ctx: Context, slug: str, password: Secret) -> AuthenticatedService:
    """The service with this slug, if the password is its own, or the one before within the overlap.

    Raises: Unauthorized, alike for an unknown slug and a wrong password.
    """
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(*_COLUMNS).where(AddonService.slug == slug))).mappings().one_or_none()
    # As many comparisons for a slug that there is not: the time tells nothing.
    known = (_NOBODYS, _NOBODYS) if row is None else _passwords(ctx, row)
    fits = [candidate.matches(password.reveal()) for candidate in known]
    if row is None or not any(fits):
        raise Unauthorized("The manifest's id and password are needed, as Basic authentication.")
    return AuthenticatedService(
        row["id"], row["slug"], row["api_version"], row["state"], frozenset(row["capabilities"])
    )


def _passwords(ctx: Context, row: RowMapping) -> tuple[Secret, Secret]:
    """The password and the one before, or twice the same when that one is over."""
    service_id, until = row["id"], row["old_secrets_until"]
    key = ctx.vault.unwrap(row["data_key"], owner(service_id))
    current = open_secrets(key, service_id, row["password_sealed"], None).password
    return current, old_password(key, service_id, row["old_password_sealed"], until, ctx.clock.now()) or current
