"""Which apps somebody may see and work on: as owner, as collaborator or in a team, within what the token is limited to.

Whatever reads for somebody takes its condition from here or from `addons/visibility.py`. There are two forms of each:
`may_*` for statements that name what they look for, `seen_*_ids` for lists, where indexes lead to a few rows out of many.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
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
    case,
    exists,
    or_,
    select,
    true,
    union_all,
)

from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import RULING, WORKING
from broker.apps.models import App, Collaborator
from broker.kernel.context import Actor


class Role(StrEnum):
    """What somebody is to an app."""

    OWNER = "owner"
    """It is the user's own, or of a team that the user runs."""
    COLLABORATOR = "collaborator"
    """Somebody works on it: it was shared, or it is of a team in which everybody does who is a member."""
    VIEWER = "viewer"
    """Somebody of the team sees it, and neither changes it nor learns a value of a config var."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: as values, or as the parameters of a statement that is compiled ahead."""

    user_id: UUID | BindParameter[UUID]
    only_apps: Collection[UUID] | BindParameter[Any] | None = None
    """The apps that the token is limited to, if it is."""
    working: bool = False
    """Whether only those count that the user may work on, and not only look at."""


ANY_VIEWER: Final = Viewer(
    bindparam("viewer_id", type_=App.id.type), bindparam("viewer_apps", type_=ARRAY(App.id.type))
)
"""For statements that are compiled ahead; `viewing` gives the parameters."""


def viewer(actor: Actor) -> Viewer:
    """The actor as one who looks."""
    return Viewer(actor.id, actor.only_apps)


def worker(actor: Actor) -> Viewer:
    """The actor as one who works: on fewer apps than may be seen."""
    return Viewer(actor.id, actor.only_apps, working=True)


def viewing(actor: Actor) -> Mapping[str, Any]:
    """The parameters of `ANY_VIEWER`."""
    return {"viewer_id": actor.id, "viewer_apps": None if actor.only_apps is None else list(actor.only_apps)}


def may_see(app: Any, who: Viewer) -> ColumnElement[bool]:
    """Whether a row of `apps`, or of an alias of it, may be seen; for a `Viewer` who works, whether it may be changed."""
    return or_(app.owner_id == who.user_id, _shared(app, who), _in_team(app, who, *_counting(who))) & _within(
        app.id, who
    )


def role_in(app: Any, who: Viewer) -> ColumnElement[str]:
    """What somebody is to a row of `apps` that may be seen. Looks no further than it has to: owners cost nothing."""
    return case(
        (app.owner_id == who.user_id, Role.OWNER.value),
        (_in_team(app, who, *RULING), Role.OWNER.value),
        (or_(_shared(app, who), _in_team(app, who, *WORKING)), Role.COLLABORATOR.value),
        else_=Role.VIEWER.value,
    )


def seen_app_ids(who: Viewer) -> CompoundSelect[UUID]:
    """The ids of all apps that may be seen, or worked on, destroyed ones too: their add-ons may still be going."""
    owned = select(App.id).where(App.owner_id == who.user_id, _within(App.id, who))
    shared = select(Collaborator.app_id).where(Collaborator.user_id == who.user_id)
    return union_all(owned, shared.where(_within(Collaborator.app_id, who)), _of_teams(who, *_counting(who)))


def owned_app_ids(who: Viewer) -> CompoundSelect[UUID]:
    """The ids of the apps that somebody owns, alone or as one who runs a team; destroyed ones too."""
    owned = select(App.id).where(App.owner_id == who.user_id, _within(App.id, who))
    return union_all(owned, _of_teams(who, *RULING))


def _shared(app: Any, who: Viewer) -> ColumnElement[bool]:
    mine = (Collaborator.app_id == app.id, Collaborator.user_id == who.user_id)
    return exists().where(*mine).correlate_except(Collaborator)


def _in_team(app: Any, who: Viewer, *roles: str) -> ColumnElement[bool]:
    """Whether the app is of a team in which somebody has one of the roles; any, if none is named."""
    mine = (TeamMember.team_id == app.owner_id, TeamMember.user_id == who.user_id, _having(*roles))
    return exists().where(*mine).correlate_except(TeamMember)


def _having(*roles: str) -> ColumnElement[bool]:
    """Written out: lists of a length of their own are nothing that could be compiled ahead."""
    return or_(*(TeamMember.role == role for role in roles)) if roles else true()


def _of_teams(who: Viewer, *roles: str) -> Select[UUID]:
    mine = select(App.id).join(TeamMember, TeamMember.team_id == App.owner_id)
    return mine.where(TeamMember.user_id == who.user_id, _having(*roles), _within(App.id, who))


def _counting(who: Viewer) -> tuple[str, ...]:
    """The roles in a team that count for who looks: none named, and so all, or those who work."""
    return WORKING if who.working else ()


def _within(app_id: Any, who: Viewer) -> ColumnElement[bool]:
    if who.only_apps is None:
        return true()
    if isinstance(who.only_apps, BindParameter):
        return or_(who.only_apps.is_(None), app_id == any_(who.only_apps))
    return or_(app_id.in_(who.only_apps))
