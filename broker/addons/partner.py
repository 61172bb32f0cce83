"""Who a provider is when it calls, by the token of one of its add-ons. Which tokens there are is decided in `grants.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import and_, bindparam, or_, select

from broker.accounts.tokens import token_hash
from broker.addons.models import Addon, AddonState, PartnerToken
from broker.catalog.models import AddonService
from broker.kernel.context import Actor, Context
from broker.kernel.direct import Direct
from broker.kernel.errors import Unauthorized
from broker.kernel.secret import Secret

PREFIX: Final = "HRKU-P-"
"""What access tokens of providers begin with. Chance lets one in some thousand tokens of users begin like that, too."""
ACCESS: Final = "access"
_LENGTH: Final = len(PREFIX) + 43


@dataclass(frozen=True, slots=True)
class Partner:
    """A provider that calls about one of its add-ons, and as whom that is written down."""

    actor: Actor
    addon_id: UUID
    service_id: UUID


def partner_actor(service_id: UUID, slug: str) -> Actor:
    """The provider of a service as an actor. It has no scopes: what it may do hangs on the add-on and on no account."""
    return Actor(service_id, f"{slug}@addons.localhost", frozenset())


def is_partner_token(token: str) -> bool:
    """Whether it has the form of an access token of a provider, which no other token has: it is longer than a user's."""
    return token.startswith(PREFIX) and len(token) == _LENGTH


async def authenticate_partner(ctx: Context, token: Secret) -> Partner:
    """Which provider holds this access token, and for which add-on.

    Raises: Unauthorized if it is unknown, expired or revoked, if its add-on is gone, or its client secret was withdrawn.
    """
    rows = await _HOLDER.read(ctx.database, token_hash=token_hash(token.reveal()), now=ctx.wall.now())
    if not rows:
        raise Unauthorized("This token is not valid, or no longer: get a new one with the refresh token.")
    addon_id, service_id, slug = rows[0]
    return Partner(partner_actor(service_id, slug), addon_id, service_id)


_NOW: Final = bindparam("now", type_=Addon.updated_at.type)
_HOLDER: Final = Direct(
    select(PartnerToken.addon_id, AddonService.id, AddonService.slug)
    .join(Addon, Addon.id == PartnerToken.addon_id)
    .join(AddonService, AddonService.id == Addon.service_id)
    .where(
        PartnerToken.token_hash == bindparam("token_hash"),
        PartnerToken.kind == ACCESS,
        PartnerToken.revoked_at.is_(None),
        PartnerToken.expires_at > _NOW,
        Addon.state != AddonState.DEPROVISIONED,
        or_(
            PartnerToken.minted_under == AddonService.client_secret_hash,
            and_(
                PartnerToken.minted_under == AddonService.client_secret_old_hash,
                AddonService.client_secret_old_until > _NOW,
            ),
        ),
    )
)
"""The valid access token with this hash. One asked for with a client secret that is withdrawn is not valid."""
