"""Changing an app itself: its name, its maintenance mode, its stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from broker.apps.collaborators import require_owner
from broker.apps.models import App
from broker.apps.names import checked_app_name
from broker.apps.resolve import AppView, changeable_app, visible_app
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NameTaken, NotFound


@dataclass(frozen=True, slots=True)
class ChangeApp:
    """What to change; None leaves it."""

    name: str | None = None
    maintenance: bool | None = None
    stack: str | None = None


async def change_app(ctx: Context, actor: Actor, key: str, request: ChangeApp) -> AppView:
    """Rename an app, or switch its maintenance mode or stack.

    Transactions: one of its own.
    Raises: NotFound, InvalidParams, NameTaken, Forbidden.
    """
    actor.require(Scope.WRITE)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app = await changeable_app(tx, actor, key)
        changes = _changes(app, request)
        if not changes:
            return app
        if "name" in changes:
            require_owner(actor, app, "rename it")
        try:
            ours = update(App).where(App.id == app.id, App.owner_id == app.owner_id)
            found = await tx.execute(ours.values(updated_at=at, **changes).returning(App.id))
        except IntegrityError:
            raise NameTaken from None
        if found.scalar() is None:
            raise NotFound("app")  # it was given to somebody else at the same moment
        before = {field: getattr(app, field) for field in changes}
        await emit(tx, "app.changed", actor, at, app_id=app.id, changed=changes, before=before)
        return await visible_app(tx, actor, str(app.id))


def _changes(app: AppView, request: ChangeApp) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "name": None if request.name is None else checked_app_name(request.name),
        "maintenance": request.maintenance,
        "stack": request.stack,
    }
    return {field: value for field, value in wanted.items() if value is not None and value != getattr(app, field)}
