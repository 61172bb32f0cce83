"""Single sign-on: signing a user in to the provider's dashboard, and keeping a record of who came in and who did not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.locked import require_unlocked
from broker.accounts.models import User
from broker.addons.dashboards import Dashboard, find_dashboard
from broker.addons.models import Addon, SsoSignOn
from broker.addons.oidc import begin
from broker.addons.tickets import Visit, read_ticket
from broker.catalog.manifest_sign_on import SignOnMode
from broker.catalog.shared_secrets import service_secrets
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BrokerError, Conflict, Forbidden, InvalidParams, NotFound, PaymentRequired
from broker.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class SignOn:
    """What the user's browser sends to the provider."""

    method: str
    action: str
    params: Mapping[str, str]
    addon_name: str
    service_name: str
    hint: str = ""
    """What the browser has to keep until it comes back from the provider, with OpenID Connect."""


async def sign_on_by_ticket(ctx: Context, ticket: str, addon_id: UUID, issuer: str) -> SignOn:
    """The same for whoever holds a ticket for this add-on.

    Raises: Forbidden if the ticket is not ours, for another add-on, or too old; what `sign_on` raises.
    """
    held = read_ticket(ctx.vault, ticket)
    if held.visit.addon_id != addon_id:
        raise Forbidden("This link is not valid.")
    if held.expires_at < ctx.wall.now():
        late = Forbidden("This link has expired.")
        await _record_refusal(ctx, held.visit, late)
        raise late
    return await sign_on(ctx, held.visit, issuer)


async def sign_on(ctx: Context, visit: Visit, issuer: str) -> SignOn:
    """What signs the user on at the provider of the add-on: a form, good for this moment and once, or where OpenID Connect
    begins. `issuer` is the address under which the broker is known.

    Transactions: its own; a refusal is recorded in another one.
    Raises: AccountLocked; NotFound, Forbidden, Conflict, InvalidParams as `find_dashboard` does.
    """
    async with refusals_recorded(ctx, visit), ctx.database.transaction() as tx:
        await require_unlocked(tx, ctx, visit.user_id)
        dashboard = await find_dashboard(tx, visit)
        now = ctx.wall.now()
        who = Actor(visit.user_id, dashboard.email, frozenset({Scope.GLOBAL}))
        told = {"role": dashboard.role, "access": dashboard.access, **_place(visit)}
        await emit(tx, "addon.opened", who, now, app_id=dashboard.app_id, addon_id=visit.addon_id, **told)
        if dashboard.sso == SignOnMode.OIDC:
            address, hint = await begin(ctx, tx, dashboard, visit, issuer)
            return SignOn("get", address, {}, dashboard.addon_name, dashboard.service_name, hint)
        timestamp = await _free_second(tx, visit.addon_id, visit.user_id, int(now.timestamp()))
    return _form(dashboard, _params(dashboard, _salt(ctx, dashboard), timestamp, visit.path))


@asynccontextmanager
async def refusals_recorded(ctx: Context, visit: Visit) -> AsyncIterator[None]:
    """Records why a visit was not possible, in a transaction of its own, and lets the refusal pass."""
    try:
        yield
    except (NotFound, Forbidden, Conflict, InvalidParams, PaymentRequired) as refusal:
        await _record_refusal(ctx, visit, refusal)
        raise


async def _record_refusal(ctx: Context, visit: Visit, refusal: BrokerError) -> None:
    """For tickets and tokens of ours alone, so that strangers cannot fill the record."""
    found = select(Addon.app_id, User.email).join(User, User.id == visit.user_id).where(Addon.id == visit.addon_id)
    async with ctx.database.transaction() as tx:
        if row := (await tx.execute(found)).one_or_none():
            who = Actor(visit.user_id, row.email, frozenset())
            data = {"reason": refusal.id, "message": refusal.message, **_place(visit)}
            at = ctx.wall.now()
            await emit(tx, "addon.open_refused", who, at, app_id=row.app_id, addon_id=visit.addon_id, **data)


def _place(visit: Visit) -> dict[str, str]:
    """Where the visit leads, for the record: a query may hold what is nobody's business."""
    return {"path": visit.path.partition("?")[0]} if visit.path else {}


def _salt(ctx: Context, dashboard: Dashboard) -> Secret:
    secrets = service_secrets(
        ctx.vault, dashboard.service_id, dashboard.data_key, dashboard.password_sealed, dashboard.sso_salt_sealed
    )
    assert secrets.sso_salt is not None, "find_dashboard saw to it"
    return secrets.sso_salt


def sign_on_tokens(
    salt: str, provider_id: str, addon_id: UUID, timestamp: int, user_id: UUID, email: str
) -> dict[str, str]:
    """The three tokens, lower-case hex.

    Source: Add-on Partner API, single sign-on: v1, v3 and user-scoped.
    """
    v1 = hashlib.sha1(f"{provider_id}:{salt}:{timestamp}".encode(), usedforsecurity=False).hexdigest()
    v3 = hashlib.sha1(f"{addon_id}:{salt}:{timestamp}".encode(), usedforsecurity=False).hexdigest()
    user = hashlib.sha256(f"{addon_id}:{salt}:{timestamp}:{user_id}:{email}".encode()).hexdigest()
    return {"token": v1, "resource_token": v3, "user_scoped_resource_token": user}


def _params(dashboard: Dashboard, salt: Secret, timestamp: int, path: str) -> dict[str, str]:
    """Every parameter that any provider reads, and ours: `role`, `access` and, in links that lead further in, `path`."""
    provider_id = dashboard.provider_id or str(dashboard.addon_id)
    user = (dashboard.user_id, dashboard.email)
    return {
        "id": provider_id,
        "resource_id": str(dashboard.addon_id),
        "timestamp": str(timestamp),
        **sign_on_tokens(salt.reveal(), provider_id, dashboard.addon_id, timestamp, *user),
        "nav-data": _nav_data(dashboard),
        "email": dashboard.email,
        "user_id": str(dashboard.user_id),
        "app": dashboard.app_name,
        "context_app": dashboard.context_app or dashboard.app_name,
        "role": dashboard.role,
        "access": dashboard.access,
        **({"path": path} if path else {}),
    }


def _form(dashboard: Dashboard, params: Mapping[str, str]) -> SignOn:
    names, sso_url = (dashboard.addon_name, dashboard.service_name), dashboard.sso_url or ""
    if dashboard.url_style == "object":
        return SignOn("post", sso_url, params, *names)
    kept = {key: params[key] for key in ("token", "timestamp", "nav-data", "email", "app", "path") if key in params}
    return SignOn("get", f"{sso_url.rstrip('/')}/{quote(params['id'], safe='')}?{urlencode(kept)}", {}, *names)


def _nav_data(dashboard: Dashboard) -> str:
    shown = {"slug": dashboard.slug, "name": dashboard.service_name, "current": True}
    data = {"addon": dashboard.slug, "appname": dashboard.app_name, "addons": [shown], "name": dashboard.addon_name}
    return base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode().rstrip("=")


async def _free_second(tx: Tx, addon_id: UUID, user_id: UUID, now: int) -> int:
    """The present second, or the next one that no earlier sign-on of this user to this add-on has had."""
    statement = insert(SsoSignOn).values(addon_id=addon_id, user_id=user_id, last_timestamp=now)
    newest = func.greatest(SsoSignOn.last_timestamp + 1, now)
    taken = statement.on_conflict_do_update(index_elements=["addon_id", "user_id"], set_={"last_timestamp": newest})
    return int((await tx.execute(taken.returning(SsoSignOn.last_timestamp))).scalar_one())
