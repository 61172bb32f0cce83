"""Single sign-on: signing a user in to the provider's dashboard, and the signed short-lived link that leads there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.addons.models import Addon, AddonState, SsoSignOn
from broker.addons.visibility import may_open
from broker.apps.models import App
from broker.apps.visibility import Viewer
from broker.catalog.models import AddonService
from broker.catalog.queries import service_secrets
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.kernel.vault import Vault

_PURPOSE: Final = "sso-link"


@dataclass(frozen=True, slots=True)
class SignOn:
    """What the user's browser sends to the provider."""

    method: str
    action: str
    params: Mapping[str, str]
    addon_name: str
    service_name: str


def mint_ticket(vault: Vault, user_id: UUID, addon_id: UUID, app_id: UUID, expires_at: datetime) -> str:
    """A signed permission for one user to open one add-on from one app, until `expires_at`. Holds no secret."""
    body = user_id.bytes + addon_id.bytes + app_id.bytes + int(expires_at.timestamp()).to_bytes(8)
    return base64.urlsafe_b64encode(body + vault.sign(_PURPOSE, body)).decode().rstrip("=")


def read_ticket(vault: Vault, ticket: str, addon_id: UUID, now: datetime) -> tuple[UUID, UUID]:
    """The user and the app of a ticket for this add-on.

    Raises: Forbidden if it is not ours, for another add-on, or too old.
    """
    try:
        raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    except ValueError:
        raw = b""
    body, signature = raw[:56], raw[56:]
    if len(raw) != 56 + 32 or not vault.verify(_PURPOSE, body, signature) or body[16:32] != addon_id.bytes:
        raise Forbidden("This link is not valid.")
    if int.from_bytes(body[48:56]) < now.timestamp():
        raise Forbidden("This link has expired.")
    return UUID(bytes=body[:16]), UUID(bytes=body[32:48])


async def sign_on(ctx: Context, user_id: UUID, addon_id: UUID, context_app_id: UUID) -> SignOn:
    """The form that signs the user in at the provider of the add-on.

    Raises: NotFound if user or add-on is gone; Conflict if it is not provisioned; InvalidParams if there is no dashboard.
    """
    async with ctx.database.transaction() as tx:
        row = await _subject(tx, user_id, addon_id, context_app_id)
        secrets = service_secrets(ctx.vault, row.service_id, row.data_key, row.password_sealed, row.sso_salt_sealed)
        if secrets.sso_salt is None or row.sso_url is None:
            raise InvalidParams(f"{row.service_name} has no dashboard to open.")
        now = ctx.clock.now()
        timestamp = await _free_second(tx, addon_id, user_id, int(now.timestamp()))
        actor = Actor(user_id, row.email, frozenset({Scope.GLOBAL}))
        await emit(tx, "addon.opened", actor, now, app_id=row.app_id, addon_id=addon_id)
    tokens = sign_on_tokens(
        secrets.sso_salt.reveal(), str(row.provider_id or addon_id), addon_id, timestamp, user_id, row.email
    )
    params = {
        "id": str(row.provider_id or addon_id),
        "resource_id": str(addon_id),
        "timestamp": str(timestamp),
        **tokens,
        "nav-data": _nav_data(row.name, row.app_name, row.slug, row.service_name),
        "email": row.email,
        "user_id": str(user_id),
        "app": row.app_name,
        "context_app": row.context_app or row.app_name,
    }
    return _form(row.url_style, row.sso_url, params, row.name, row.service_name)


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


def _form(url_style: str, sso_url: str, params: Mapping[str, str], addon: str, service: str) -> SignOn:
    if url_style == "object":
        return SignOn("post", sso_url, params, addon, service)
    kept = {key: params[key] for key in ("token", "timestamp", "nav-data", "email", "app")}
    return SignOn("get", f"{sso_url.rstrip('/')}/{quote(params['id'], safe='')}?{urlencode(kept)}", {}, addon, service)


def _nav_data(addon: str, app: str, slug: str, name: str) -> str:
    data = {"addon": slug, "appname": app, "addons": [{"slug": slug, "name": name, "current": True}], "name": addon}
    return base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode().rstrip("=")


async def _free_second(tx: Tx, addon_id: UUID, user_id: UUID, now: int) -> int:
    """The present second, or the next one that no earlier sign-on of this user to this add-on has had."""
    statement = insert(SsoSignOn).values(addon_id=addon_id, user_id=user_id, last_timestamp=now)
    newest = func.greatest(SsoSignOn.last_timestamp + 1, now)
    taken = statement.on_conflict_do_update(index_elements=["addon_id", "user_id"], set_={"last_timestamp": newest})
    return int((await tx.execute(taken.returning(SsoSignOn.last_timestamp))).scalar_one())


async def _subject(tx: Tx, user_id: UUID, addon_id: UUID, context_app_id: UUID) -> Any:
    context_app = select(App.name).where(App.id == context_app_id).scalar_subquery()
    statement = (
        select(
            Addon.name,
            Addon.state,
            Addon.app_id,
            Addon.provider_id,
            App.name.label("app_name"),
            context_app.label("context_app"),
            User.email,
            AddonService.id.label("service_id"),
            AddonService.slug,
            AddonService.name.label("service_name"),
            AddonService.sso_url,
            AddonService.url_style,
            AddonService.data_key,
            AddonService.password_sealed,
            AddonService.sso_salt_sealed,
        )
        .join(App, App.id == Addon.app_id)
        .join(User, User.id == user_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .where(Addon.id == addon_id, may_open(Viewer(user_id)))
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None or row.state == AddonState.DEPROVISIONED:
        raise NotFound("add_on")
    if row.state != AddonState.PROVISIONED:
        raise Conflict(f"{row.name} is {row.state}; its dashboard can be opened once it is provisioned.")
    return row
