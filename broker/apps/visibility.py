"""Which apps somebody may see: as owner or as collaborator, within what the token is limited to.

Whatever reads for somebody takes its condition from here or from `addons/visibility.py`. There are two forms of each:
`may_*` for statements that name what they look for, `seen_*_ids` for lists, where indexes lead to a few rows out of many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    any_,
    bindparam,
    exists,
    or_,
    select,
    true,
    union_all,
)

from broker.apps.models import App, Collaborator
from broker.kernel.context import Actor


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: as values, or as the parameters of a statement that is compiled ahead."""

    user_id: UUID | BindParameter[UUID]
    only_apps: Collection[UUID] | BindParameter[Any] | None = None
    """The apps that the token is limited to, if it is."""


ANY_VIEWER: Final = Viewer(
    bindparam("viewer_id", type_=App.id.type), bindparam("viewer_apps", type_=ARRAY(App.id.type))
)
"""For statements that are compiled ahead; `viewing` gives the parameters."""


def viewer(actor: Actor) -> Viewer:
    """The actor as one who looks."""
    return Viewer(actor.id, actor.only_apps)


def viewing(actor: Actor) -> Mapping[str, Any]:
    """The parameters of `ANY_VIEWER`."""
    return {"viewer_id": actor.id, "viewer_apps": None if actor.only_apps is None else list(actor.only_apps)}


def may_see(app: Any, who: Viewer) -> ColumnElement[bool]:
    """Whether a row of `apps`, or of an alias of it, may be seen."""
    mine = (Collaborator.app_id == app.id, Collaborator.user_id == who.user_id)
    shared = exists().where(*mine).correlate_except(Collaborator)
    return or_(app.owner_id == who.user_id, shared) & _within(app.id, who)


def seen_app_ids(who: Viewer) -> CompoundSelect[UUID]:
    """The ids of all apps that may be seen, destroyed ones too: their add-ons may still be going."""
    owned = select(App.id).where(App.owner_id == who.user_id, _within(App.id, who))
    shared = select(Collaborator.app_id).where(Collaborator.user_id == who.user_id)
    return union_all(owned, shared.where(_within(Collaborator.app_id, who)))


def owned_app_ids(who: Viewer) -> Select[UUID]:
    """The ids of the apps that somebody owns, destroyed ones too."""
    return select(App.id).where(App.owner_id == who.user_id, _within(App.id, who))


def _within(app_id: Any, who: Viewer) -> ColumnElement[bool]:
    if who.only_apps is None:
        return true()
    if isinstance(who.only_apps, BindParameter):
        return or_(who.only_apps.is_(None), app_id == any_(who.only_apps))
    return or_(app_id.in_(who.only_apps))
