"""What there is to open: an add-on's dashboard as one user may enter it. Reading alone; signing on is `sso.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, literal, select

from broker.accounts.models import User
from broker.addons.models import Addon, AddonState
from broker.addons.suspended import require_usable
from broker.addons.tickets import Visit
from broker.addons.visibility import may_open
from broker.apps.collaborators import role_in_app
from broker.apps.models import App
from broker.apps.visibility import Viewer, may_see
from broker.catalog.manifest_sign_on import SignOnMode
from broker.catalog.models import AddonService
from broker.catalog.sso_paths import is_below, path_complaint
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound

Role = Literal["owner", "collaborator"]
"""What the user is to the billing app: its owner, or somebody with whom it, or the add-on, is shared."""
Access = Literal["billing", "attachment"]
"""How the user comes to the add-on: by the app that is charged for it, or only by an app it is attached to."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """An add-on, its provider's door, and who stands before it."""

    addon_id: UUID
    addon_name: str
    state: str
    app_id: UUID
    app_name: str
    context_app: str | None
    provider_id: str | None
    user_id: UUID
    email: str
    role: Role
    access: Access
    service_id: UUID
    slug: str
    service_name: str
    sso: str
    sso_url: str | None
    sso_paths: list[str]
    sso_redirect_uris: list[str]
    suspended_for: str | None
    may_enter: bool
    url_style: str
    data_key: bytes = field(repr=False)
    password_sealed: bytes = field(repr=False)
    sso_salt_sealed: bytes | None = field(repr=False)


def _role(user_id: UUID) -> ColumnElement[str]:
    """Providers know two: whoever only looks at the billing app is let in because of another one, if at all."""
    return case((role_in_app(user_id) == "owner", "owner"), else_="collaborator")


def _access(user_id: UUID) -> ColumnElement[str]:
    return case((may_see(App, Viewer(user_id, working=True)), "billing"), else_="attachment")


def _statement(visit: Visit) -> Select[Any]:
    context_app = select(App.name).where(App.id == visit.app_id).scalar_subquery()
    columns = (
        Addon.id, Addon.name, Addon.state, Addon.app_id, App.name, context_app, Addon.provider_id,
        literal(visit.user_id, User.id.type), User.email, _role(visit.user_id), _access(visit.user_id),
        AddonService.id, AddonService.slug, AddonService.name, AddonService.sso, AddonService.sso_url,
        AddonService.sso_paths, AddonService.sso_redirect_uris, Addon.suspended_for,
        may_open(Viewer(visit.user_id, working=True)), AddonService.url_style,
        AddonService.data_key, AddonService.password_sealed, AddonService.sso_salt_sealed,
    )  # fmt: skip
    return (
        select(*columns)
        .join(App, App.id == Addon.app_id)
        .join(User, User.id == visit.user_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .where(Addon.id == visit.addon_id, may_open(Viewer(visit.user_id)))
    )


async def find_dashboard(tx: Tx, visit: Visit) -> Dashboard:
    """The dashboard that the visit is to, if it can be entered now.

    Raises: NotFound if user or add-on is gone, or it is somebody else's; Forbidden for who only looks at the app; Conflict if it is not provisioned, PaymentRequired
    while it is suspended; InvalidParams if there is no dashboard, or no link may lead to this place in it.
    """
    row: Any = (await tx.execute(_statement(visit))).one_or_none()
    dashboard = None if row is None else Dashboard(*row)
    if dashboard is None or dashboard.state == AddonState.DEPROVISIONED:
        raise NotFound("add_on")
    if not dashboard.may_enter:
        raise Forbidden(
            f"{dashboard.addon_name} is a team's: your role in it lets you look at the app, not enter there."
        )
    if dashboard.state != AddonState.PROVISIONED:
        raise Conflict(
            f"{dashboard.addon_name} is {dashboard.state}; its dashboard can be opened once it is provisioned."
        )
    require_usable(dashboard.addon_name, dashboard.suspended_for, "its dashboard can be opened")
    if dashboard.sso_url is None or (dashboard.sso == SignOnMode.FORM and dashboard.sso_salt_sealed is None):
        raise InvalidParams(f"{dashboard.service_name} has no dashboard to open.")
    if visit.path:
        _check(visit.path, dashboard)
    return dashboard


def _check(path: str, dashboard: Dashboard) -> None:
    if complaint := path_complaint(path):
        raise InvalidParams(f"The path {complaint}")
    if not dashboard.sso_paths:
        raise InvalidParams(f"{dashboard.service_name} takes no links into its dashboard: open it without a path.")
    if not is_below(path, dashboard.sso_paths):
        raise InvalidParams(
            f"Links into the dashboard of {dashboard.service_name} may lead to {', '.join(dashboard.sso_paths)} only."
        )
