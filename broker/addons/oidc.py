"""Sign-on by OpenID Connect: the broker begins it at the provider, which asks for a code and gets an ID token that says
which add-on it is about. The provider is a public client with PKCE, so that there is no secret to hand over or to lose.

Source: OpenID Connect Core 1.0, section 4 (initiating login from a third party).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.addons.dashboards import Dashboard, find_dashboard
from broker.addons.tickets import Visit, mint_hint, read_hint
from broker.catalog.manifest_sign_on import SignOnMode
from broker.catalog.members import Role
from broker.catalog.models import ServiceMember
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.oauth.authorize import Entry
from broker.oauth.models import OAuthClient

HINT_LIFE: Final = timedelta(minutes=5)
"""How long the provider may take to send the browser back."""


async def begin(ctx: Context, tx: Tx, dashboard: Dashboard, visit: Visit, issuer: str) -> tuple[str, str]:
    """Where the browser is sent, and the hint that brings it back through: only the browser that holds it gets in with it.

    Raises: InvalidParams when nobody answers for the service.
    """
    await _keep_client(ctx, tx, dashboard)
    hint = mint_hint(ctx.vault, visit, ctx.wall.now() + HINT_LIFE)
    sso_url = dashboard.sso_url or ""
    asked = {
        "iss": issuer,
        "client_id": str(dashboard.service_id),
        "login_hint": hint,
        "target_link_uri": urljoin(sso_url, visit.path) if visit.path else sso_url,
    }
    return f"{sso_url}{'&' if urlsplit(sso_url).query else '?'}{urlencode(asked)}", hint


async def entry_by_hint(ctx: Context, hint: str, *, same_browser: bool, signed_in: UUID | None) -> Entry | None:
    """The entry that a hint stands for, if it may be used now: in the browser that was given it, or by the user whom it is
    about, `signed_in` in another one.

    Raises: AccountLocked; Forbidden for who only looks at the app.
    """
    try:
        held = read_hint(ctx.vault, hint)
    except Forbidden:
        return None
    now, visit = ctx.wall.now(), held.visit
    if held.expires_at < now or not (same_browser or signed_in == visit.user_id):
        return None
    try:
        async with ctx.database.transaction() as tx:
            await require_unlocked(tx, ctx, visit.user_id)
            dashboard = await find_dashboard(tx, visit)
    except (NotFound, Conflict, InvalidParams):
        return None
    if dashboard.sso != SignOnMode.OIDC:
        return None
    claims = {
        "addon": str(dashboard.addon_id),
        "addon_name": dashboard.addon_name,
        "app": dashboard.app_name,
        "context_app": dashboard.context_app or dashboard.app_name,
        "role": dashboard.role,
        "access": dashboard.access,
    }
    return Entry(visit.user_id, dashboard.service_id, held.expires_at - HINT_LIFE, claims)


async def _keep_client(ctx: Context, tx: Tx, dashboard: Dashboard) -> None:
    """Have a client for the service, as its manifest is now. Its id is the service's own."""
    now = ctx.wall.now()
    said = {
        "name": dashboard.service_name[:80],
        "redirect_uris": dashboard.sso_redirect_uris,
        "destroyed_at": None,
        "updated_at": now,
    }
    row = insert(OAuthClient).values(
        id=dashboard.service_id,
        service_id=dashboard.service_id,
        owner_id=await _answerable(tx, dashboard),
        requires_pkce=True,
        own_scopes=[],
        created_at=now,
        **said,
    )
    changed = OAuthClient.redirect_uris.is_distinct_from(row.excluded.redirect_uris) | (
        OAuthClient.name != row.excluded.name
    )
    await tx.execute(row.on_conflict_do_update(index_elements=["id"], set_=said, where=changed))


async def _answerable(tx: Tx, dashboard: Dashboard) -> UUID:
    """Who answers for the service: an owner of it, or for what the installation brings along an operator."""
    owner = (
        select(ServiceMember.user_id)
        .where(ServiceMember.service_id == dashboard.service_id, ServiceMember.role == Role.OWNER)
        .order_by(ServiceMember.created_at)
        .limit(1)
    )
    operator = select(User.id).where(User.is_operator).order_by(User.created_at).limit(1)
    for wanted in (owner, operator):
        if found := (await tx.execute(wanted)).scalar_one_or_none():
            return UUID(str(found))
    raise InvalidParams(f"Nobody answers for {dashboard.service_name}: it has no owner, and there is no operator.")
